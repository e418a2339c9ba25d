import type { Accelerator, Evidence } from '#edge/contracts/hardware.ts';
import { MOST_MEMORY_BYTES } from './bounds.ts';
import { evidenceOf } from './evidence.ts';
import { findLibrary } from './libraries.ts';
import type { ProbeIo } from './probe-io.ts';

const MIB = 1024 * 1024;
const DEVICE_NODES = ['/dev/nvidiactl', '/dev/nvidia0'];
const DRIVER_FILE = '/proc/driver/nvidia/version';
const GPUS_FOLDER = '/proc/driver/nvidia/gpus';
const CUDA_VERSION_FILE = '/usr/local/cuda/version.json';
const WINDOWS_DRIVER = 'C:\\Windows\\System32\\nvcuda.dll';
const WINDOWS_TOOLKITS = 'C:\\Program Files\\NVIDIA GPU Computing Toolkit\\CUDA';
const SMI_ARGS = ['--query-gpu=name,memory.total,driver_version', '--format=csv,noheader,nounits'];
const SMI_TIMEOUT_MS = 2000;

export interface NvidiaGpu {
  readonly name: string;
  readonly memoryBytes?: number;
  readonly driver?: string;
}

/** Driver version such as `550.54.15` of `/proc/driver/nvidia/version`. */
export function parseNvidiaDriver(text: string): string | undefined {
  return /NVRM version:.*?\s(\d+\.\d+(?:\.\d+)?)\s/.exec(text)?.[1];
}

/** Model of `/proc/driver/nvidia/gpus/<bus>/information`. */
export function parseGpuInformation(text: string): string | undefined {
  return /^Model:\s*(.+)$/m.exec(text)?.[1]?.trim();
}

/** Version such as `12.6.11` of the CUDA toolkit's `version.json`. */
export function parseCudaVersion(text: string): string | undefined {
  return /"cuda"\s*:\s*\{[^}]*"version"\s*:\s*"(\d+(?:\.\d+){1,3})"/.exec(text)?.[1];
}

/** Rows of `nvidia-smi --query-gpu=name,memory.total,driver_version`; `[N/A]` leaves the size out. */
export function parseNvidiaSmi(text: string): readonly NvidiaGpu[] {
  return text.split('\n').flatMap((line) => {
    const [name = '', mebibytes = '', version = ''] = line.split(',').map((cell) => cell.trim());
    if (name === '' || !line.includes(',')) return [];
    const size = Number(mebibytes);
    return [
      {
        name,
        ...(size > 0 && size * MIB <= MOST_MEMORY_BYTES ? { memoryBytes: size * MIB } : {}),
        ...(/^\d+\.\d+/.test(version) ? { driver: version } : {}),
      },
    ];
  });
}

/** Discrete NVIDIA GPUs. `nvidia-smi` runs only when a device node exists. */
export async function probeNvidia(io: ProbeIo): Promise<readonly Accelerator[]> {
  if (io.system.platform === 'win32') return probeNvidiaOnWindows(io);
  if (io.system.platform !== 'linux') return [];
  const driverText = await io.readText(DRIVER_FILE);
  const nodes = await Promise.all(DEVICE_NODES.map((path) => io.exists(path)));
  const node = DEVICE_NODES.find((_, index) => nodes[index]);
  if (driverText === undefined || node === undefined) return [];
  const [gpus, libraries] = await Promise.all([readGpus(io), findCudaLibraries(io)]);
  const driver = parseNvidiaDriver(driverText);
  const shared = [evidenceOf('accelerators.cuda', DRIVER_FILE, `driver ${driver ?? driverText}`), ...libraries.evidence];
  return gpus.map((gpu) => ({
    kind: 'cuda',
    ...gpu,
    unified: false,
    confidence: libraries.complete ? 'library' : 'device',
    ...(driver === undefined ? {} : { driver }),
    ...(libraries.runtime === undefined ? {} : { runtime: libraries.runtime }),
    evidence: [evidenceOf('accelerators.cuda', node, gpu.name), ...shared],
  }));
}

/** On Windows the driver brings `nvidia-smi`; the toolkit's library is looked for where its installer puts it. */
async function probeNvidiaOnWindows(io: ProbeIo): Promise<readonly Accelerator[]> {
  if (!(await io.exists(WINDOWS_DRIVER))) return [];
  const [gpus, releases] = await Promise.all([readSmi(io), io.readDir(WINDOWS_TOOLKITS)]);
  const runtimes = (releases ?? []).flatMap((name) => /^v((?:11|12|13)\.\d+)$/.exec(name)?.[1] ?? []);
  const libraries = runtimes.map((version) => `${WINDOWS_TOOLKITS}\\v${version}\\bin\\cudart64_${version.split('.')[0]}.dll`);
  const found = await Promise.all(libraries.map((path) => io.exists(path)));
  const index = found.lastIndexOf(true);
  const runtime = runtimes[index];
  return gpus.map((gpu) => ({
    kind: 'cuda',
    ...gpu,
    unified: false,
    confidence: runtime === undefined ? 'device' : 'library',
    ...(runtime === undefined ? {} : { runtime }),
    evidence: [
      evidenceOf('accelerators.cuda', `nvidia-smi ${SMI_ARGS[0]}`, gpu.name),
      evidenceOf('accelerators.cuda', WINDOWS_DRIVER, 'library found'),
      ...(runtime === undefined ? [] : [evidenceOf('accelerators.cuda', libraries[index] ?? '', 'library found')]),
    ],
  }));
}

/** The driver's library and the toolkit's. */
export interface CudaLibraries {
  /** True when both stand in the usual folders. */
  readonly complete: boolean;
  /** Of the toolkit: whole from its version file, or the major number in the library's name. */
  readonly runtime?: string;
  readonly evidence: readonly Evidence[];
}

/** Looks for CUDA in the usual folders. */
export async function findCudaLibraries(io: ProbeIo): Promise<CudaLibraries> {
  const [driver, toolkit, versionText] = await Promise.all([
    findLibrary(io, /^libcuda\.so(\.1)?$/),
    findLibrary(io, /^libcudart\.so\.(11\.0|12|13)$/),
    io.readText(CUDA_VERSION_FILE),
  ]);
  const paths = [driver, toolkit].filter((path) => path !== undefined);
  const version = parseCudaVersion(versionText ?? '');
  const runtime = version ?? (toolkit === undefined ? undefined : /\.so\.(\d+)/.exec(toolkit)?.[1]);
  return {
    complete: paths.length === 2,
    ...(runtime === undefined ? {} : { runtime }),
    evidence: [
      ...paths.map((path) => evidenceOf('accelerators.cuda', path, 'library found')),
      ...(version === undefined ? [] : [evidenceOf('accelerators.cuda', CUDA_VERSION_FILE, version)]),
    ],
  };
}

async function readSmi(io: ProbeIo): Promise<readonly NvidiaGpu[]> {
  return parseNvidiaSmi((await io.run('nvidia-smi', SMI_ARGS, SMI_TIMEOUT_MS)) ?? '');
}

async function readGpus(io: ProbeIo): Promise<readonly NvidiaGpu[]> {
  const fromTool = await readSmi(io);
  if (fromTool.length > 0) return fromTool;
  const buses = (await io.readDir(GPUS_FOLDER)) ?? [];
  const texts = await Promise.all(buses.map((bus) => io.readText(`${GPUS_FOLDER}/${bus}/information`)));
  const names = texts.flatMap((text) => parseGpuInformation(text ?? '') ?? []);
  return names.length > 0 ? names.map((name) => ({ name })) : [{ name: 'NVIDIA GPU' }];
}
