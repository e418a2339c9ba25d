import type { MemoryProfile } from '#edge/contracts/hardware.ts';
import { inBounds, MOST_MEMORY_BYTES } from './bounds.ts';
import { type CgroupFolder, readCgroup } from './cgroup.ts';
import { evidenceOf, type Finding } from './evidence.ts';
import type { ProbeIo } from './probe-io.ts';
import { parseSysctl, readSysctl } from './sysctl.ts';

const KIB = 1024;
const COMMAND_TIMEOUT_MS = 1000;

export type SystemMemory = Omit<MemoryProfile, 'limitBytes'>;

/** A memory limit and what is left below it. */
export interface MemoryLimit {
  readonly limitBytes: number;
  readonly availableBytes: number;
}

/** Linux' `/proc/meminfo`; undefined when it names no total, or an absurd one. Nothing in the result exceeds the total but swap. */
export function parseMemInfo(text: string): SystemMemory | undefined {
  const bytesOf = (name: string): number | undefined => {
    const match = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text);
    return match ? Math.min(Number(match[1]) * KIB, MOST_MEMORY_BYTES) : undefined;
  };
  const totalBytes = bytesOf('MemTotal');
  if (!totalBytes || totalBytes === MOST_MEMORY_BYTES) return undefined;
  // Kernels before 3.14 have no MemAvailable.
  const free = (bytesOf('MemFree') ?? 0) + (bytesOf('Buffers') ?? 0) + (bytesOf('Cached') ?? 0);
  return { totalBytes, availableBytes: Math.min(totalBytes, bytesOf('MemAvailable') ?? free), swapBytes: bytesOf('SwapTotal') ?? 0 };
}

/** Bytes that macOS' `vm_stat` counts as free or reclaimable; undefined when it is not that command's output. */
export function parseVmStat(text: string): number | undefined {
  const pageBytes = Number(/page size of (\d+) bytes/.exec(text)?.[1] ?? Number.NaN);
  const pagesOf = (name: string): number => Number(new RegExp(`^Pages ${name}:\\s+(\\d+)\\.`, 'm').exec(text)?.[1] ?? 0);
  if (!(pageBytes > 0)) return undefined;
  const bytes = pageBytes * (pagesOf('free') + pagesOf('inactive') + pagesOf('speculative') + pagesOf('purgeable'));
  return bytes <= MOST_MEMORY_BYTES ? bytes : undefined;
}

/**
 * What a cgroup leaves: `limit - current + inactive_file`, because file pages that nobody used lately are given back
 * under pressure. Undefined when there is no limit (`max`, version 1's number near 2^63, or another that no machine has).
 * @param stat content of `memory.stat`
 */
export function parseMemoryLimit(limit: string, current: string, stat: string): MemoryLimit | undefined {
  const limitBytes = Number(limit.trim());
  if (!(limitBytes > 0) || limitBytes >= MOST_MEMORY_BYTES) return undefined;
  const reclaimable = Number(/^(?:total_)?inactive_file (\d+)/m.exec(stat)?.[1] ?? 0);
  const used = Math.max(0, (Number(current.trim()) || 0) - reclaimable);
  return { limitBytes, availableBytes: Math.max(0, limitBytes - used) };
}

/** Memory of the machine and of the control groups this process lives in. */
export async function probeMemory(io: ProbeIo): Promise<Finding<MemoryProfile>> {
  const [system, folders] = await Promise.all([probeSystemMemory(io), readCgroup(io, 'memory')]);
  const limits = (await Promise.all(folders.map((folder) => readLimit(io, folder)))).filter((limit) => limit !== undefined);
  const tightest = limits
    .filter(({ value }) => value.limitBytes < system.value.totalBytes)
    .reduce<Finding<MemoryLimit> | undefined>(
      (least, limit) => (least === undefined || limit.value.availableBytes < least.value.availableBytes ? limit : least),
      undefined,
    );
  if (!tightest) return system;
  return {
    value: {
      ...system.value,
      limitBytes: tightest.value.limitBytes,
      availableBytes: Math.min(system.value.availableBytes, tightest.value.availableBytes),
    },
    evidence: [...system.evidence, ...tightest.evidence],
  };
}

async function probeSystemMemory(io: ProbeIo): Promise<Finding<SystemMemory>> {
  if (io.system.platform === 'linux') {
    const text = await io.readText('/proc/meminfo');
    const memory = text === undefined ? undefined : parseMemInfo(text);
    if (memory) return describe(memory, '/proc/meminfo');
  }
  if (io.system.platform === 'darwin') {
    const [sysctl, vmStat] = await Promise.all([readSysctl(io), io.run('vm_stat', [], COMMAND_TIMEOUT_MS)]);
    const availableBytes = parseVmStat(vmStat ?? '');
    const totalBytes = inBounds(Number(parseSysctl(sysctl).get('hw.memsize')), MOST_MEMORY_BYTES) ?? io.system.totalMemoryBytes;
    if (availableBytes !== undefined) {
      return describe({ totalBytes, availableBytes: Math.min(totalBytes, availableBytes), swapBytes: 0 }, 'vm_stat');
    }
  }
  io.log.debug('memory facts fall back to Node.js', { reason: 'no readable source' });
  const { totalMemoryBytes, freeMemoryBytes } = io.system;
  return describe({ totalBytes: totalMemoryBytes, availableBytes: freeMemoryBytes, swapBytes: 0 }, 'os.freemem()');
}

async function readLimit(io: ProbeIo, folder: CgroupFolder): Promise<Finding<MemoryLimit> | undefined> {
  const [limitFile, currentFile] =
    folder.version === 2 ? ['memory.max', 'memory.current'] : ['memory.limit_in_bytes', 'memory.usage_in_bytes'];
  const path = `${folder.path}/${limitFile}`;
  const limitText = await io.readText(path);
  if (limitText === undefined) return undefined;
  const [current, stat] = await Promise.all([io.readText(`${folder.path}/${currentFile}`), io.readText(`${folder.path}/memory.stat`)]);
  const limit = parseMemoryLimit(limitText, current ?? '', stat ?? '');
  return limit && { value: limit, evidence: [evidenceOf('memory.limitBytes', path, limitText)] };
}

function describe(memory: SystemMemory, from: string): Finding<SystemMemory> {
  const raw = `total ${memory.totalBytes}, available ${memory.availableBytes}, swap ${memory.swapBytes} bytes`;
  return { value: memory, evidence: [evidenceOf('memory', from, raw)] };
}
