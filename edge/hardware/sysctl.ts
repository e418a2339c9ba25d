import type { ProbeIo } from './probe-io.ts';

const SYSCTL_ARGS = ['hw', 'machdep.cpu', 'kern.hv_vmm_present'];
const SYSCTL_TIMEOUT_MS = 1000;

/** The command of {@link readSysctl}, as evidence names it. */
export const SYSCTL_SOURCE = `sysctl ${SYSCTL_ARGS.join(' ')}`;

/** `name: value` lines of macOS' `sysctl`. */
export function parseSysctl(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^([\w.]+):\s*(.*)$/.exec(line);
    if (match?.[1] !== undefined) values.set(match[1], match[2]?.trim() ?? '');
  }
  return values;
}

/** Hardware facts of macOS as text; empty when the command fails. */
export async function readSysctl(io: ProbeIo): Promise<string> {
  return (await io.run('sysctl', SYSCTL_ARGS, SYSCTL_TIMEOUT_MS)) ?? '';
}
