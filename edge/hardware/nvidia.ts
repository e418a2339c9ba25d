import type { Accelerator, Evidence } from '#edge/contracts/hardware.ts';
import { evidenceOf } from './evidence.ts';
import { findLibrary } from './libraries.ts';
import type { ProbeIo } from './probe-io.ts';

const MIB = 1024 * 1024;
const DEVICE_NODES = ['/dev/nvidiactl', '/dev/nvidia0'];
const DRIVER_FILE = '/proc/driver/nvidia/version';
const GPUS_FOLDER = '/proc/driver/nvidia/gpus';
const SMI_ARGS = ['--query-gpu=name,memory.total,driver_version', '--format=csv,noheader,nounits'];
const SMI_TIMEOUT_MS = 2000;

export interface NvidiaGpu {
  readonly name: string;
  readonly memoryBytes?: number;
}

/** Driver version such as `550.54.15` of `/proc/driver/nvidia/version`. */
export function parseNvidiaDriver(text: string): string | undefined {
  return /NVRM version:.*?\s(\d+\.\d+(?:\.\d+)?)\s/.exec(text)?.[1];
}

/** Model of `/proc/driver/nvidia/gpus/<bus>/information`. */
export function parseGpuInformation(text: string): string | undefined {
  return /^Model:\s*(.+)$/m.exec(text)?.[1]?.trim();
}

/** Rows of `nvidia-smi --query-gpu=name,memory.total,driver_version`; `[N/A]` leaves the size out. */
export function parseNvidiaSmi(text: string): readonly NvidiaGpu[] {
  return text.split('\n').flatMap((line) => {
    const [name = '', mebibytes = ''] = line.split(',').map((cell) => cell.trim());
    if (name === '' || !line.includes(',')) return [];
    const size = Number(mebibytes);
    return [{ name, ...(size > 0 ? { memoryBytes: size * MIB } : {}) }];
  });
}

/** Discrete NVIDIA GPUs. `nvidia-smi` runs only when a device node exists. */
export async function probeNvidia(io: ProbeIo): Promise<readonly Accelerator[]> {
  if (io.system.platform !== 'linux') return [];
  const driverText = await io.readText(DRIVER_FILE);
  const nodes = await Promise.all(DEVICE_NODES.map((path) => io.exists(path)));
  const node = DEVICE_NODES.find((_, index) => nodes[index]);
  if (driverText === undefined || node === undefined) return [];
  const [gpus, libraries] = await Promise.all([readGpus(io), findCudaLibraries(io)]);
  const shared = [
    evidenceOf('accelerators.cuda', DRIVER_FILE, `driver ${parseNvidiaDriver(driverText) ?? driverText}`),
    ...libraries.evidence,
  ];
  return gpus.map((gpu) => ({
    kind: 'cuda',
    ...gpu,
    unified: false,
    confidence: libraries.complete ? 'library' : 'device',
    evidence: [evidenceOf('accelerators.cuda', node, gpu.name), ...shared],
  }));
}

/** Whether the driver's and the toolkit's library both stand in the usual folders. */
export async function findCudaLibraries(io: ProbeIo): Promise<{ readonly complete: boolean; readonly evidence: readonly Evidence[] }> {
  const found = await Promise.all([findLibrary(io, /^libcuda\.so(\.1)?$/), findLibrary(io, /^libcudart\.so\.1[123]$/)]);
  const evidence = found.flatMap((path) => (path === undefined ? [] : [evidenceOf('accelerators.cuda', path, 'library found')]));
  return { complete: evidence.length === found.length, evidence };
}

async function readGpus(io: ProbeIo): Promise<readonly NvidiaGpu[]> {
  const fromTool = parseNvidiaSmi((await io.run('nvidia-smi', SMI_ARGS, SMI_TIMEOUT_MS)) ?? '');
  if (fromTool.length > 0) return fromTool;
  const buses = (await io.readDir(GPUS_FOLDER)) ?? [];
  const texts = await Promise.all(buses.map((bus) => io.readText(`${GPUS_FOLDER}/${bus}/information`)));
  const names = texts.flatMap((text) => parseGpuInformation(text ?? '') ?? []);
  return names.length > 0 ? names.map((name) => ({ name })) : [{ name: 'NVIDIA GPU' }];
}
