import type { BackendId } from '#edge/contracts/backend.ts';
import type { DeviceProfile } from '#edge/contracts/hardware.ts';
import type { ModelVariant } from '#edge/contracts/model.ts';
import { isOnCpu, packagedProvider } from './binaries.ts';

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
  const gpu = device.accelerators.find(({ kind, unified }) => kind === packagedProvider(provider) && !unified);
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
 * The row of x64 with AVX2 is fitted to SmolLM2 on Zen cores (Q4_1 with one and two: 78 and 124 tokens/s; Q8_0 128, Q4_0 179,
 * BF16 96 with two); the others are assumed by clock, vector width and published decode speeds.
 */
const DECODE_CORES = {
  apple: { efficiency: 0.5, perCore: 48, layerMicroseconds: 60 },
  avx2: { efficiency: 0.7, perCore: 24, layerMicroseconds: 110 },
  sse: { efficiency: 0.7, perCore: 2.4, layerMicroseconds: 300 },
  dotprod: { efficiency: 0.4, perCore: 9.5, layerMicroseconds: 200 },
  plain: { efficiency: 0.4, perCore: 4.8, layerMicroseconds: 400 },
} as const satisfies Readonly<Record<string, CoreRow>>;

/** Share of a GPU's memory bandwidth that decoding reaches, and microseconds to launch the kernels of a layer (assumed). */
const GPU_EFFICIENCY: Readonly<Record<string, number>> = { metal: 0.6, cuda: 0.6, vulkan: 0.4 };
const GPU_LAYER_MICROSECONDS = 40;

/** What the speed of matrix products depends on. */
export interface MatrixWork {
  readonly variant: ModelVariant;
  readonly backend: BackendId;
  readonly provider: string;
  readonly threads: number;
}

/** GB/s at which weights are really read while decoding: the roofline `efficiency * min(memory, threads * one core)`. */
export function decodeBandwidth(device: DeviceProfile, { variant, provider, threads }: MatrixWork): number {
  const memory = memoryBandwidth(device, provider);
  if (!isOnCpu(provider)) return memory * (GPU_EFFICIENCY[packagedProvider(provider)] ?? 0.4);
  const { efficiency, perCore } = coreOf(device);
  return efficiency * Math.min(memory, threads * perCore * kernelOf(variant).decode);
}

/** Seconds of a decode step that do not depend on the size of the weights: barriers between threads, or kernel launches. */
export function stepOverheadSeconds(device: DeviceProfile, provider: string, layers: number): number {
  return layers * 1e-6 * (isOnCpu(provider) ? coreOf(device).layerMicroseconds : GPU_LAYER_MICROSECONDS);
}

function coreOf({ cpu, board }: DeviceProfile): CoreRow {
  if (board.kind === 'apple') return DECODE_CORES.apple;
  // Windows tells no flags; a PC without AVX2 is rarer than one with.
  if (cpu.architecture === 'x64') return cpu.flags.length === 0 || cpu.flags.includes('avx2') ? DECODE_CORES.avx2 : DECODE_CORES.sse;
  return cpu.flags.includes('asimddp') ? DECODE_CORES.dotprod : DECODE_CORES.plain;
}

/** 10^9 operations a second of one core alone, in int8 and in floating point. */
interface ComputeRow {
  readonly flag: string;
  readonly int8: number;
  readonly float: number;
}

/**
 * Rates that ONNX Runtime's matrix kernels reach on one core, best flag first. The row of AVX-512 VNNI lies between what virtual
 * machines on Zen 4 and Zen 5 did (encoders at 128 tokens: 170 to 480 in int8, 70 to 140 in fp32), about a third of the peak; the
 * others are assumed in proportion to operations a cycle and clock.
 */
const CORE_COMPUTE: Readonly<Record<'x64' | 'arm64', readonly ComputeRow[]>> = {
  x64: [
    { flag: 'avx512_vnni', int8: 300, float: 90 },
    { flag: 'avx_vnni', int8: 190, float: 45 },
    { flag: 'avx2', int8: 90, float: 45 },
    { flag: 'avx', int8: 26, float: 20 },
  ],
  arm64: [
    { flag: 'i8mm', int8: 105, float: 26 },
    { flag: 'asimddp', int8: 52, float: 17 },
  ],
};
const LEAST_COMPUTE: ComputeRow = { flag: '', int8: 12, float: 9 };

/**
 * What more threads are worth: n of them do the work of n to this power. Texts of one call make small matrices, which leave cores
 * waiting for each other: two threads did 1.2 (ONNX Runtime, int8) to 1.9 (llama.cpp) times the work of one, LiteRT 1.7.
 */
const THREAD_SCALING = 0.7;

/**
 * Share of ONNX Runtime's rate that an engine reaches. Int8 from e5-small-v2 at 128 tokens with two threads, in the middle between Zen 5
 * (ONNX Runtime 13 ms, LiteRT 7.5, llama.cpp 33) and an older machine (16, 20 and 51 ms); LiteRT's float from a picture's convolutions
 * (hand landmarks, 1.6 ms); llama.cpp's float is assumed.
 */
const ENGINE_SHARE: Readonly<Partial<Record<BackendId, { readonly int8: number; readonly float: number }>>> = {
  tflite: { int8: 1.2, float: 1 },
  llama: { int8: 0.26, float: 1 },
};
const WHOLE_SHARE = { int8: 1, float: 1 };

/** WebAssembly against the native LiteRT: 3.4 to 4.5 times as slow with threads and 128-bit vectors. */
const WASM_SHARE = 0.25;

/** Speed of a quantisation's kernels as a share of those of Q8_0. */
interface KernelRow {
  readonly pattern: RegExp;
  readonly prompt: number;
  readonly decode: number;
}

/**
 * Kernels of llama.cpp by the quantisation's name; the first match counts. Measured on prompts of 512 tokens and on decoding:
 * Q4_1 300 and 124, Q8_0 544 and 128, Q4_0 (repacked when loaded) 743 and 179 tokens/s; the others are assumed.
 */
const LLAMA_KERNELS: readonly KernelRow[] = [
  { pattern: /^(Q4_0|IQ4_NL)/i, prompt: 1.35, decode: 1 },
  { pattern: /^(Q4_1|Q5_|IQ)/i, prompt: 0.55, decode: 0.63 },
  { pattern: /^Q\d_K/i, prompt: 0.7, decode: 0.65 },
];
const FULL_SPEED = { prompt: 1, decode: 1 };

function kernelOf({ format, quantisation }: ModelVariant): Pick<KernelRow, 'prompt' | 'decode'> {
  return (format === 'gguf' && LLAMA_KERNELS.find(({ pattern }) => pattern.test(quantisation))) || FULL_SPEED;
}

/** 10^9 operations a second that a GPU or a Neural Engine reaches on small models (assumed). */
const ACCELERATOR_COMPUTE = 2000;

/** True for weights in int8 that are multiplied as floats. */
export function isWeightOnly({ quantisation }: ModelVariant): boolean {
  return /weight/i.test(quantisation);
}

/** 10^9 operations a second that matrix products of many tokens reach. */
export function matrixRate(device: DeviceProfile, { variant, backend, provider, threads }: MatrixWork): number {
  if (!isOnCpu(provider)) return ACCELERATOR_COMPUTE;
  const { architecture, flags } = device.cpu;
  const rows = architecture === 'x64' || architecture === 'arm64' ? CORE_COMPUTE[architecture] : [];
  const row = rows.find(({ flag }) => flags.includes(flag)) ?? LEAST_COMPUTE;
  const kind = variant.bitsPerWeight < 12 && !isWeightOnly(variant) ? 'int8' : 'float';
  const share = (ENGINE_SHARE[backend] ?? WHOLE_SHARE)[kind] * (provider === 'wasm' ? WASM_SHARE : 1);
  return threads ** THREAD_SCALING * row[kind] * share * kernelOf(variant).prompt;
}

/** Milliseconds that a call of a graph takes besides its arithmetic: to the engine's process and back, and for each layer. */
const CALL_MILLISECONDS = 0.15;
const LAYER_MILLISECONDS: Readonly<Partial<Record<BackendId, number>>> = { onnx: 0.1, tflite: 0.06, llama: 0.3 };

/**
 * Seconds that a call of an encoder or a graph takes besides its arithmetic. Fitted to texts of 16 and 128 tokens on cores
 * with AVX-512 VNNI; in proportion to the overhead of a decode step elsewhere.
 */
export function callOverheadSeconds(device: DeviceProfile, backend: BackendId, layers: number): number {
  const slowness = coreOf(device).layerMicroseconds / DECODE_CORES.avx2.layerMicroseconds;
  return 1e-3 * slowness * (CALL_MILLISECONDS + layers * (LAYER_MILLISECONDS[backend] ?? 0.1));
}

function lookUp(rows: readonly BandwidthRow[], name: string): number | undefined {
  return rows.find(({ pattern }) => pattern.test(name))?.gigabytesPerSecond;
}
