import type { BackendId } from '#edge/contracts/backend.ts';
import type { DeviceProfile } from '#edge/contracts/hardware.ts';

/** Rate at which a processor can read weights. */
export interface Bandwidth {
  /** Peak GB/s (10^9 bytes) of the memory it reads from. */
  readonly gigabytesPerSecond: number;
  /** Where the number comes from: a data sheet, or `assumed`. */
  readonly source: string;
}

interface BandwidthRow extends Bandwidth {
  readonly pattern: RegExp;
}

/** Main memory by board or CPU name; the first match counts. Vendors' data sheets, except where the source says more. */
const MAIN_MEMORY: readonly BandwidthRow[] = [
  { pattern: /Raspberry Pi 5/, gigabytesPerSecond: 17, source: 'LPDDR4X-4267, 32 bit' },
  { pattern: /Raspberry Pi 4/, gigabytesPerSecond: 5, source: 'LPDDR4-3200 with 12.8 peak, of which about 5 is seen' },
  { pattern: /Orin Nano.*Super/, gigabytesPerSecond: 102, source: 'LPDDR5 in Super mode' },
  { pattern: /Orin Nano/, gigabytesPerSecond: 68, source: 'LPDDR5, 128 bit' },
  { pattern: /Orin NX/, gigabytesPerSecond: 102, source: 'LPDDR5, 128 bit' },
  { pattern: /AGX Orin/, gigabytesPerSecond: 204.8, source: 'LPDDR5, 256 bit' },
  { pattern: /Thor/, gigabytesPerSecond: 273, source: 'LPDDR5X, 256 bit' },
  { pattern: /Apple M\d Ultra/, gigabytesPerSecond: 800, source: 'unified memory' },
  { pattern: /Apple M\d Max/, gigabytesPerSecond: 400, source: 'unified memory' },
  { pattern: /Apple M4 Pro/, gigabytesPerSecond: 273, source: 'unified memory' },
  { pattern: /Apple M[12] Pro/, gigabytesPerSecond: 200, source: 'unified memory' },
  { pattern: /Apple M3 Pro/, gigabytesPerSecond: 150, source: 'unified memory' },
  { pattern: /Apple M1/, gigabytesPerSecond: 68, source: 'unified memory' },
  { pattern: /Apple M[23]/, gigabytesPerSecond: 100, source: 'unified memory' },
  { pattern: /Apple M4/, gigabytesPerSecond: 120, source: 'unified memory' },
];

/** Memory of discrete GPUs by name. */
const VIDEO_MEMORY: readonly BandwidthRow[] = [
  { pattern: /H200/, gigabytesPerSecond: 4800, source: 'HBM3e' },
  { pattern: /A6000/, gigabytesPerSecond: 768, source: 'GDDR6' },
  { pattern: /RTX 4090/, gigabytesPerSecond: 1008, source: 'GDDR6X' },
  { pattern: /RTX 3060/, gigabytesPerSecond: 360, source: 'GDDR6' },
];

const ASSUMED_MAIN: Readonly<Record<DeviceProfile['cpu']['architecture'], number>> = { x64: 51, arm64: 12, arm: 4, riscv64: 4, other: 4 };
const ASSUMED_VIDEO = 250;

/** Peak bandwidth of the memory that `provider` reads weights from. */
export function memoryBandwidth(device: DeviceProfile, provider: string): Bandwidth {
  const gpu = device.accelerators.find(({ kind, unified }) => kind === provider && !unified);
  if (gpu) return lookUp(VIDEO_MEMORY, gpu.name) ?? { gigabytesPerSecond: ASSUMED_VIDEO, source: 'assumed for a GPU' };
  const name = `${device.board.name} ${device.cpu.model}`;
  const assumed = { gigabytesPerSecond: ASSUMED_MAIN[device.cpu.architecture], source: `assumed for ${device.cpu.architecture}` };
  return lookUp(MAIN_MEMORY, name) ?? assumed;
}

/**
 * GB/s at which `threads` of a CPU, or a GPU, really stream weights while decoding: the roofline
 * `efficiency * min(memory, threads * one core)`. Efficiencies: 0.7 on a CPU, 0.4 on small ARM cores, 0.6 on Metal and
 * CUDA, 0.4 on Vulkan. One x64 core unpacks quantised weights at about 10 GB/s (measured: SmolLM2 Q4_1, 78 and 124
 * tokens/s on one and two Zen cores); the ARM values are assumed in proportion to clock and vector width.
 */
export function decodeBandwidth(device: DeviceProfile, provider: string, threads: number): number {
  const { gigabytesPerSecond } = memoryBandwidth(device, provider);
  if (provider !== 'cpu') return gigabytesPerSecond * (provider === 'vulkan' ? 0.4 : 0.6);
  const { efficiency, perCore } = coreOf(device);
  return efficiency * Math.min(gigabytesPerSecond, threads * perCore);
}

function coreOf({ cpu, board }: DeviceProfile): { readonly efficiency: number; readonly perCore: number } {
  if (board.kind === 'apple') return { efficiency: 0.7, perCore: 30 };
  if (cpu.architecture === 'x64') return { efficiency: 0.7, perCore: 10 };
  return { efficiency: 0.4, perCore: cpu.flags.includes('asimddp') ? 6 : 3 };
}

/** 10^9 operations a second of one core, in int8 and in floating point. */
interface ComputeRow {
  readonly flag: string;
  readonly int8: number;
  readonly float: number;
}

/**
 * Rates that matrix kernels reach on one core, best flag first. The VNNI row is measured (e5-small-v2, 128 tokens, two
 * Zen cores: 16 ms in int8, 76 ms in fp32); the others are assumed in proportion to operations a cycle and clock.
 */
const CORE_COMPUTE: Readonly<Record<'x64' | 'arm64', readonly ComputeRow[]>> = {
  x64: [
    { flag: 'avx512_vnni', int8: 160, float: 36 },
    { flag: 'avx_vnni', int8: 110, float: 25 },
    { flag: 'avx2', int8: 50, float: 25 },
    { flag: 'avx', int8: 15, float: 12 },
  ],
  arm64: [
    { flag: 'i8mm', int8: 60, float: 15 },
    { flag: 'asimddp', int8: 30, float: 10 },
  ],
};
const LEAST_COMPUTE: ComputeRow = { flag: '', int8: 7, float: 5 };

/** Share of ONNX Runtime's rate on the same encoder (measured at 128 tokens: 16.2, 20.1 and 51 ms). */
const ENCODER_SHARE: Readonly<Partial<Record<BackendId, number>>> = { onnx: 1, tflite: 0.8, llama: 0.32 };

const GPU_COMPUTE = 2000;

/** 10^9 operations a second that an encoder reaches. */
export function encoderCompute(
  device: DeviceProfile,
  run: { backend: BackendId; provider: string; bits: number; threads: number },
): number {
  if (run.provider !== 'cpu') return GPU_COMPUTE;
  const { architecture, flags } = device.cpu;
  const rows = architecture === 'x64' || architecture === 'arm64' ? CORE_COMPUTE[architecture] : [];
  const row = rows.find(({ flag }) => flags.includes(flag)) ?? LEAST_COMPUTE;
  return run.threads * (run.bits < 12 ? row.int8 : row.float) * (ENCODER_SHARE[run.backend] ?? 1);
}

function lookUp(rows: readonly BandwidthRow[], name: string): Bandwidth | undefined {
  const row = rows.find(({ pattern }) => pattern.test(name));
  return row && { gigabytesPerSecond: row.gigabytesPerSecond, source: row.source };
}
