/** Tells whether a measurement was taken on a machine that had its cores to itself. */
import type { DeviceProfile } from '#edge/contracts/hardware.ts';
import { busyCoresBetween, readCpuTimes } from '#edge/hardware/cpu-times.ts';
import type { ProbeIo } from '#edge/hardware/probe-io.ts';
import { probeThermal } from '#edge/hardware/thermal.ts';

/** Part of the usable cores that others may have taken before a measurement says nothing any more. */
const TOLERATED_SHARE = 0.25;
/**
 * Part of one core that others may have taken from the measured threads: engines deal their work out evenly and wait for the slowest
 * thread, so that half a core less costs two threads half of their speed.
 */
const TOLERATED_OF_A_THREAD = 0.25;
/** Length of a tick of `/proc/<pid>/stat`: the kernel tells times to programs in hundredths of a second (time(7)). */
const TICK_MS = 10;

/** The process whose work is measured. */
export interface MeasuredProcess {
  readonly pid: number | undefined;
  /** Cores it can keep busy; stands in where its own time cannot be read. */
  readonly threads: number;
}

/** Watches the machine from the moment it was made. */
export interface ConditionsWatch {
  /** What disturbed the machine since then, in words; undefined when nothing did, or nothing could be seen. */
  disturbance(): Promise<string | undefined>;
}

export type WatchConditions = (measured: MeasuredProcess) => Promise<ConditionsWatch>;

/**
 * Compares what all cores did with what this process and the measured one did, and looks for throttling. On a machine with more cores than
 * this process may use, others disturb only when they leave too few of them free.
 */
export function conditionsOf(io: ProbeIo, { cpu }: Pick<DeviceProfile, 'cpu'>): WatchConditions {
  return async (measured) => {
    const before = await readUse(io, measured);
    return {
      disturbance: async () => {
        const after = await readUse(io, measured);
        const busyCores = busyCoresBetween(before.machine, after.machine, cpu.logicalCores);
        if (busyCores !== undefined) {
          const elapsedMs = after.atMs - before.atMs;
          const measuredCores =
            before.measuredMs === undefined || after.measuredMs === undefined
              ? measured.threads
              : (after.measuredMs - before.measuredMs) / elapsedMs;
          const others = Math.max(0, busyCores - measuredCores - (after.ownMs - before.ownMs) / elapsedMs);
          const needed = Math.max(
            cpu.usableCores * (1 - TOLERATED_SHARE),
            Math.min(measured.threads, cpu.usableCores) - TOLERATED_OF_A_THREAD,
          );
          if (cpu.logicalCores - others < needed) {
            return `other work took ${others.toFixed(1)} of ${cpu.logicalCores} cores`;
          }
        }
        const { value } = await probeThermal(io);
        return value.throttled ? 'the processor was slowed down by heat or weak power' : undefined;
      },
    };
  };
}

interface Use {
  readonly machine: Awaited<ReturnType<typeof readCpuTimes>>;
  readonly measuredMs: number | undefined;
  readonly ownMs: number;
  readonly atMs: number;
}

async function readUse(io: ProbeIo, { pid }: MeasuredProcess): Promise<Use> {
  const [machine, stat] = await Promise.all([readCpuTimes(io), pid === undefined ? undefined : io.readText(`/proc/${pid}/stat`)]);
  const { user, system } = process.cpuUsage();
  return {
    machine,
    measuredMs: stat === undefined ? undefined : parseProcessTime(stat),
    ownMs: (user + system) / 1000,
    atMs: performance.now(),
  };
}

/** CPU time of a process in milliseconds, out of `/proc/<pid>/stat` (proc_pid_stat(5)); its name, in brackets, may hold anything. */
export function parseProcessTime(stat: string): number | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  return Number.isSafeInteger(ticks) && ticks >= 0 ? ticks * TICK_MS : undefined;
}
