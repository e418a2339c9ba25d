import type { BackendId } from '#edge/contracts/backend.ts';
import type { DeviceProfile } from '#edge/contracts/hardware.ts';
import type { ModelVariant } from '#edge/contracts/model.ts';

/** Peak GB/s (10^9 bytes) of a memory, by a name that a board, CPU or GPU bears. */
interface BandwidthRow {
  readonly pattern: RegExp;
  readonly gigabytesPerSecond: number;
  /** What the number is of. */
  readonly source: string;
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

/** GB/s of a board in no table: two channels of DDR4-3200 for a PC, one narrow channel for the others. */
const ASSUMED_MAIN: Readonly<Record<DeviceProfile['cpu']['architecture'], number>> = { x64: 51, arm64: 12, arm: 4, riscv64: 4, other: 4 };
const ASSUMED_VIDEO = 250;

function memoryBandwidth(device: DeviceProfile, provider: string): number {
  const gpu = device.accelerators.find(({ kind, unified }) => kind === provider && !unified);
  if (gpu) return lookUp(VIDEO_MEMORY, gpu.name) ?? ASSUMED_VIDEO;
  return lookUp(MAIN_MEMORY, `${device.board.name} ${device.cpu.model}`) ?? ASSUMED_MAIN[device.cpu.architecture];
}

/** How one core decodes: share of the memory's peak that is reached, GB/s it unpacks, and microseconds a layer costs besides. */
interface CoreRow {
  readonly efficiency: number;
  readonly perCore: number;
  readonly layerMicroseconds: number;
}

/**
 * The row of x64 with AVX2 is fitted to SmolLM2 Q4_1 on one and two Zen cores (78 and 124 tokens/s); the others are assumed
 * by clock, vector width and published decode speeds.
 */
const DECODE_CORES = {
  apple: { efficiency: 0.5, perCore: 30, layerMicroseconds: 60 },
  avx2: { efficiency: 0.7, perCore: 15, layerMicroseconds: 110 },
  sse: { efficiency: 0.7, perCore: 1.5, layerMicroseconds: 300 },
  dotprod: { efficiency: 0.4, perCore: 6, layerMicroseconds: 200 },
  plain: { efficiency: 0.4, perCore: 3, layerMicroseconds: 400 },
} as const satisfies Readonly<Record<string, CoreRow>>;

/** Share of a GPU's memory bandwidth that decoding reaches, and microseconds to launch the kernels of a layer (assumed). */
const GPU_EFFICIENCY: Readonly<Record<string, number>> = { metal: 0.6, cuda: 0.6, vulkan: 0.4 };
const GPU_LAYER_MICROSECONDS = 40;

/** GB/s at which weights are really read while decoding: the roofline `efficiency * min(memory, threads * one core)`. */
export function decodeBandwidth(device: DeviceProfile, provider: string, threads: number): number {
  const memory = memoryBandwidth(device, provider);
  if (provider !== 'cpu') return memory * (GPU_EFFICIENCY[provider] ?? 0.4);
  const { efficiency, perCore } = coreOf(device);
  return efficiency * Math.min(memory, threads * perCore);
}

/** Seconds of a decode step that do not depend on the size of the weights: barriers between threads, or kernel launches. */
export function stepOverheadSeconds(device: DeviceProfile, provider: string, layers: number): number {
  return layers * 1e-6 * (provider === 'cpu' ? coreOf(device).layerMicroseconds : GPU_LAYER_MICROSECONDS);
}

function coreOf({ cpu, board }: DeviceProfile): CoreRow {
  if (board.kind === 'apple') return DECODE_CORES.apple;
  // Windows tells no flags; a PC without AVX2 is rarer than one with.
  if (cpu.architecture === 'x64') return cpu.flags.length === 0 || cpu.flags.includes('avx2') ? DECODE_CORES.avx2 : DECODE_CORES.sse;
  return cpu.flags.includes('asimddp') ? DECODE_CORES.dotprod : DECODE_CORES.plain;
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
const ENGINE_SHARE: Readonly<Partial<Record<BackendId, number>>> = { onnx: 1, tflite: 0.8, llama: 0.35 };

/**
 * Share of llama.cpp's own Q8_0 kernels, by the quantisation's name; the first match counts. Measured on prompts of
 * 512 tokens: Q4_1 300, Q8_0 544, Q4_0 (repacked when loaded) 743 tokens/s; the others are assumed.
 */
const LLAMA_KERNELS: readonly { readonly pattern: RegExp; readonly share: number }[] = [
  { pattern: /^(Q4_0|IQ4_NL)/i, share: 1.35 },
  { pattern: /^(Q4_1|Q5_|IQ)/i, share: 0.55 },
  { pattern: /^Q\d_K/i, share: 0.8 },
];

const GPU_COMPUTE = 2000;

/** What a matrix rate depends on. */
export interface MatrixWork {
  readonly variant: ModelVariant;
  readonly backend: BackendId;
  readonly provider: string;
  readonly threads: number;
}

/** 10^9 operations a second that matrix products of many tokens reach. */
export function matrixRate(device: DeviceProfile, { variant, backend, provider, threads }: MatrixWork): number {
  if (provider !== 'cpu') return GPU_COMPUTE;
  const { architecture, flags } = device.cpu;
  const rows = architecture === 'x64' || architecture === 'arm64' ? CORE_COMPUTE[architecture] : [];
  const row = rows.find(({ flag }) => flags.includes(flag)) ?? LEAST_COMPUTE;
  const kernels = backend === 'llama' ? (LLAMA_KERNELS.find(({ pattern }) => pattern.test(variant.quantisation))?.share ?? 1) : 1;
  return threads * (variant.bitsPerWeight < 12 ? row.int8 : row.float) * (ENGINE_SHARE[backend] ?? 1) * kernels;
}

/** Milliseconds that every call of an encoder takes besides its arithmetic, on the machine of the VNNI row. */
const CALL_MILLISECONDS: Readonly<Partial<Record<BackendId, number>>> = { onnx: 1.3, tflite: 0.2, llama: 6 };

/** Seconds that a call of an encoder takes besides its arithmetic. */
export function callOverheadSeconds(_device: DeviceProfile, { backend }: MatrixWork): number {
  return (CALL_MILLISECONDS[backend] ?? 1) * 1e-3;
}

function lookUp(rows: readonly BandwidthRow[], name: string): number | undefined {
  return rows.find(({ pattern }) => pattern.test(name))?.gigabytesPerSecond;
}
