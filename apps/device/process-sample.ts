import type { EngineStatus } from '#edge/contracts/runtime.ts';

/** One process of the device. */
export interface ProcessSample {
  /** `device`, `agent`, `fleet`, or `engine:<model>`. */
  readonly role: string;
  readonly pid: number;
  /** Resident set in bytes, as the process last reported it. */
  readonly residentBytes: number;
}

interface ChildLike {
  readonly pid: number | undefined;
  readonly residentBytes: number;
}

/** What every running process of the device takes. */
export function sampleProcesses(agent: ChildLike, fleet: ChildLike, engines: readonly EngineStatus[]): readonly ProcessSample[] {
  const child = (role: string, { pid, residentBytes }: ChildLike): ProcessSample[] => (pid ? [{ role, pid, residentBytes }] : []);
  return [
    { role: 'device', pid: process.pid, residentBytes: process.memoryUsage.rss() },
    ...child('agent', agent),
    ...child('fleet', fleet),
    ...engines.map((engine) => ({ role: `engine:${engine.model}`, pid: engine.pid, residentBytes: engine.residentBytes })),
  ];
}
