import { MOST_CORES } from './bounds.ts';
import { type CgroupFolder, readCgroup } from './cgroup.ts';
import { evidenceOf, type Finding } from './evidence.ts';
import type { ProbeIo } from './probe-io.ts';

const LEAST_CORES = 0.1;

/** CPUs of a kernel list such as `0-3,6`; undefined when it is none, or names more than a machine can have. */
export function parseCpuList(text: string): readonly number[] | undefined {
  const cpus = new Set<number>();
  for (const range of text.trim().split(',')) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(range.trim());
    if (!match) return undefined;
    const first = Number(match[1]);
    const last = Number(match[2] ?? first);
    if (last < first || last >= MOST_CORES) return undefined;
    for (let cpu = first; cpu <= last; cpu += 1) cpus.add(cpu);
  }
  return [...cpus];
}

/** CPUs this process may run on, from `/proc/self/status`. */
export function parseAffinity(status: string): number | undefined {
  const match = /^Cpus_allowed_list:\s*(\S+)/m.exec(status);
  return match?.[1] === undefined ? undefined : parseCpuList(match[1])?.length;
}

/** CPUs of a version 2 `cpu.max` (`150000 100000` is 1.5); undefined for no limit or nonsense. */
export function parseCpuMax(text: string): number | undefined {
  const match = /^(\d+)\s+(\d+)\s*$/.exec(text.trim());
  return match ? quotient(Number(match[1]), Number(match[2])) : undefined;
}

/** CPUs of a version 1 quota in microseconds; undefined for no limit (`-1`) or nonsense. */
export function parseCfsQuota(quotaText: string, periodText: string): number | undefined {
  return quotient(Number(quotaText.trim()), Number(periodText.trim()));
}

/**
 * Cores that affinity, cpuset and cgroup quota leave to this process; may be fractional, at least 0.1.
 * @param logicalCores cores the machine has
 */
export async function probeUsableCores(io: ProbeIo, logicalCores: number): Promise<Finding<number>> {
  const whole: Finding<number> = { value: logicalCores, evidence: [] };
  if (io.system.platform !== 'linux') return whole;
  const folders = await readCgroup(io, 'cpu');
  const limits = await Promise.all([readAffinity(io), ...folders.map((folder) => readQuota(io, folder))]);
  const tightest = limits.reduce<Finding<number>>((least, limit) => (limit && limit.value < least.value ? limit : least), whole);
  return { value: Math.max(LEAST_CORES, tightest.value), evidence: tightest.evidence };
}

async function readAffinity(io: ProbeIo): Promise<Finding<number> | undefined> {
  const path = '/proc/self/status';
  const cores = parseAffinity((await io.readText(path)) ?? '');
  return cores === undefined ? undefined : finding(cores, path, `Cpus_allowed_list allows ${cores}`);
}

async function readQuota(io: ProbeIo, folder: CgroupFolder): Promise<Finding<number> | undefined> {
  if (folder.version === 2) {
    const path = `${folder.path}/cpu.max`;
    const text = await io.readText(path);
    const cores = text === undefined ? undefined : parseCpuMax(text);
    return cores === undefined ? undefined : finding(cores, path, text ?? '');
  }
  const path = `${folder.path}/cpu.cfs_quota_us`;
  const [quota, period] = await Promise.all([io.readText(path), io.readText(`${folder.path}/cpu.cfs_period_us`)]);
  const cores = quota === undefined || period === undefined ? undefined : parseCfsQuota(quota, period);
  return cores === undefined ? undefined : finding(cores, path, `${quota} / ${period}`);
}

function finding(value: number, from: string, raw: string): Finding<number> {
  return { value, evidence: [evidenceOf('cpu.usableCores', from, raw)] };
}

function quotient(quota: number, period: number): number | undefined {
  return quota > 0 && period > 0 && quota / period <= MOST_CORES ? quota / period : undefined;
}
