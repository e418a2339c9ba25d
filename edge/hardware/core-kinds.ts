import type { Evidence } from '#edge/contracts/hardware.ts';
import { evidenceOf } from './evidence.ts';
import type { ProbeIo } from './probe-io.ts';
import { parseCpuList } from './usable-cores.ts';

/** CPUs of the fast kind of a hybrid Intel processor; the slow ones stand in `cpu_atom`. */
const INTEL_FAST_FILE = '/sys/devices/cpu_core/cpus';
const CPU_FOLDER = '/sys/devices/system/cpu';

/** A core with less than this share of the fastest one's capacity slows down a job that is split evenly. */
const FAST_SHARE = 0.6;

/** Logical CPUs of the fastest kind, with where it was read. */
export interface FastCpus {
  readonly cpus: readonly number[];
  readonly evidence: Evidence;
}

/** Indices of the cores whose `cpu_capacity` (0 to 1024) is at least 60 % of the highest; undefined when all are. */
export function fastCpus(capacities: readonly (number | undefined)[]): readonly number[] | undefined {
  const most = Math.max(0, ...capacities.map((capacity) => capacity ?? 0));
  const fast = capacities.flatMap((capacity, cpu) => (capacity !== undefined && capacity >= FAST_SHARE * most ? cpu : []));
  return most > 0 && fast.length < capacities.length ? fast : undefined;
}

/** Which CPUs of a Linux machine are of the fastest kind: hybrid Intel processors, and ARM chips with `cpu_capacity`. */
export async function probeFastCpus(io: ProbeIo, logicalCores: number): Promise<FastCpus | undefined> {
  const list = await io.readText(INTEL_FAST_FILE);
  const cpus = list === undefined ? undefined : parseCpuList(list);
  if (cpus && cpus.length < logicalCores) return { cpus, evidence: evidenceOf('cpu.performanceCores', INTEL_FAST_FILE, list ?? '') };
  if (!io.system.arch.startsWith('arm')) return undefined;
  const paths = Array.from({ length: logicalCores }, (_, cpu) => `${CPU_FOLDER}/cpu${cpu}/cpu_capacity`);
  const texts = await Promise.all(paths.map((path) => io.readText(path)));
  const fast = fastCpus(texts.map((text) => (text !== undefined && /^\d{1,4}\s*$/.test(text) ? Number(text) : undefined)));
  const raw = texts.map((text) => text?.trim() ?? '?').join(' ');
  return fast && { cpus: fast, evidence: evidenceOf('cpu.performanceCores', `${CPU_FOLDER}/cpu*/cpu_capacity`, raw) };
}
