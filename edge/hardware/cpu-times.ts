import type { CpuTimes, ProbeIo } from './probe-io.ts';

const STAT_FILE = '/proc/stat';

/**
 * The first line of `/proc/stat`: `cpu user nice system idle iowait irq softirq steal guest guest_nice`, in ticks
 * (proc_pid_stat(5)). Guest time is already in user time. Undefined when it is another file or counts nothing.
 */
export function parseCpuTimes(text: string): CpuTimes | undefined {
  const match = /^cpu +(\d[\d ]*)$/m.exec(text);
  const [user = 0, nice = 0, system = 0, idle = 0, waiting = 0, irq = 0, softIrq = 0, steal = 0] = match?.[1]?.split(' ').map(Number) ?? [];
  const busy = user + nice + system + irq + softIrq + steal;
  const total = busy + idle + waiting;
  return total > 0 && Number.isSafeInteger(total) ? { busy, total } : undefined;
}

/** CPU time so far: `/proc/stat` on Linux, what Node.js reports elsewhere. */
export async function readCpuTimes(io: ProbeIo): Promise<CpuTimes> {
  const text = io.system.platform === 'linux' ? await io.readText(STAT_FILE) : undefined;
  return (text === undefined ? undefined : parseCpuTimes(text)) ?? io.cpuTimes();
}

/**
 * Cores that were busy on average between two looks; undefined when no time was counted between them, as in sandboxes
 * whose `/proc/stat` stands still.
 * @param cores logical cores of the machine
 */
export function busyCoresBetween(before: CpuTimes, after: CpuTimes, cores: number): number | undefined {
  const total = after.total - before.total;
  const busy = after.busy - before.busy;
  return total > 0 && busy >= 0 ? Math.min(1, busy / total) * cores : undefined;
}
