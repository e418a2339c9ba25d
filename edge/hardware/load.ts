import type { Evidence } from '#edge/contracts/hardware.ts';
import { sleep } from '#edge/core/clock.ts';
import { readCgroup } from './cgroup.ts';
import { busyCoresBetween, readCpuTimes } from './cpu-times.ts';
import { evidenceOf } from './evidence.ts';
import type { ProbeIo } from './probe-io.ts';

const LOAD_FILE = '/proc/loadavg';
const PRESSURE_FILE = '/proc/pressure/cpu';

/** How busy the machine is at the moment. */
export interface Load {
  /** Cores of the whole machine that work or are stolen, averaged over the window; 0 to `cpu.logicalCores`. */
  readonly busyCores: number;
  /**
   * Percent of the last ten seconds in which some task waited for a CPU (Linux pressure stall information): the higher
   * of the machine's and of this process's control groups'. Absent on kernels without it.
   */
  readonly pressureAvg10?: number;
  readonly evidence: readonly Evidence[];
}

export interface LoadOptions {
  /** Between the two looks at the CPU's clock, in milliseconds. Defaults to 250. */
  readonly windowMs?: number;
  /** Ends the wait with `abortError`. */
  readonly signal?: AbortSignal;
}

/** `some avg10` of a pressure file, 0 to 100; undefined when it has none. */
export function parsePressure(text: string): number | undefined {
  const percent = Number(/^some avg10=(\d+(?:\.\d+)?)/m.exec(text)?.[1] ?? Number.NaN);
  return percent >= 0 && percent <= 100 ? percent : undefined;
}

/** Tasks that ran or waited to run over the last minute, the first number of `/proc/loadavg`. */
export function parseLoadAverage(text: string): number | undefined {
  const match = /^(\d+\.\d+) \d+\.\d+ \d+\.\d+ /.exec(text);
  return match ? Number(match[1]) : undefined;
}

/**
 * Looks twice at how long the cores worked and once at the pressure. The work of this process counts too: call it while
 * nothing of one's own runs. Where no time is counted the load average of the last minute stands in.
 * @param cores `cpu.logicalCores` of the profile
 */
export async function probeLoad(io: ProbeIo, cores: number, { windowMs = 250, signal }: LoadOptions = {}): Promise<Load> {
  const before = await readCpuTimes(io);
  await sleep(windowMs, signal);
  const [after, pressure, average] = await Promise.all([readCpuTimes(io), readPressure(io), readLoadAverage(io)]);
  const measured = busyCoresBetween(before, after, cores);
  const busyCores = measured ?? Math.min(cores, average);
  const source = measured === undefined ? LOAD_FILE : 'CPU times';
  return {
    busyCores,
    ...(pressure === undefined ? {} : { pressureAvg10: pressure.percent }),
    evidence: [
      evidenceOf('load.busyCores', source, `${busyCores.toFixed(2)} of ${cores} cores in ${windowMs} ms`),
      ...(pressure === undefined ? [] : [evidenceOf('load.pressureAvg10', pressure.path, `some avg10=${pressure.percent}`)]),
    ],
  };
}

async function readLoadAverage(io: ProbeIo): Promise<number> {
  const text = io.system.platform === 'linux' ? await io.readText(LOAD_FILE) : undefined;
  return (text === undefined ? undefined : parseLoadAverage(text)) ?? 0;
}

async function readPressure(io: ProbeIo): Promise<{ readonly path: string; readonly percent: number } | undefined> {
  if (io.system.platform !== 'linux') return undefined;
  const folders = (await readCgroup(io, 'cpu')).filter(({ version }) => version === 2);
  const paths = [PRESSURE_FILE, ...folders.map(({ path }) => `${path}/cpu.pressure`)];
  const texts = await Promise.all(paths.map((path) => io.readText(path)));
  const found = paths.flatMap((path, index) => {
    const percent = parsePressure(texts[index] ?? '');
    return percent === undefined ? [] : [{ path, percent }];
  });
  return found.reduce<(typeof found)[number] | undefined>((most, one) => (most && most.percent >= one.percent ? most : one), undefined);
}
