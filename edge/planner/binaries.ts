import type { BackendId } from '#edge/contracts/backend.ts';
import type { AcceleratorKind, DeviceProfile } from '#edge/contracts/hardware.ts';
import type { ModelFormat, Task } from '#edge/contracts/model.ts';

/** What an engine's published binaries offer and ask for. */
export interface EngineBinaries {
  /** Name for people. */
  readonly label: string;
  readonly format: ModelFormat;
  /** What the backend of this project serves with that format. */
  readonly tasks: readonly Task[];
  /** True when it gives a vector for each token too, which the retrieval of the bots is better with. */
  readonly givesTokenVectors: boolean;
  /** Platforms (`linux/x64`) with a binary, by execution provider; a provider without any is named all the same. */
  readonly platforms: Readonly<Record<string, readonly string[] | 'any'>>;
  /** Oldest glibc that a Linux binary loads on. */
  readonly minimumGlibc: string;
  /** CPU flags that the x64 binary uses without asking. */
  readonly requiredFlags: readonly string[];
}

/**
 * Binaries of onnxruntime-node 1.30, node-llama-cpp 3.22 and LiteRT 2.3, read from the packages. ONNX Runtime uses AVX in
 * global constructors, so a CPU without it dies while loading; llama.cpp picks a variant at run time, down to plain x64.
 * The CUDA provider of ONNX Runtime is a separate download that the installation leaves out; llama.cpp has no CUDA binary
 * for ARM, but can be built there (`nearside tune`). LiteRT's WebAssembly runs wherever Node.js does.
 */
export const ENGINE_BINARIES: Readonly<Partial<Record<BackendId, EngineBinaries>>> = {
  llama: {
    label: 'llama.cpp',
    format: 'gguf',
    tasks: ['generate', 'embed', 'classify', 'rerank'],
    givesTokenVectors: false,
    platforms: {
      cpu: ['linux/x64', 'linux/arm64', 'linux/arm', 'linux/riscv64', 'darwin/x64', 'darwin/arm64', 'win32/x64', 'win32/arm64'],
      cuda: ['linux/x64', 'win32/x64'],
      vulkan: ['linux/x64', 'win32/x64'],
      metal: ['darwin/arm64'],
    },
    minimumGlibc: '2.34',
    requiredFlags: [],
  },
  onnx: {
    label: 'ONNX Runtime',
    format: 'onnx',
    tasks: ['embed', 'classify', 'rerank', 'tensor'],
    givesTokenVectors: true,
    platforms: {
      cpu: ['linux/x64', 'linux/arm64', 'darwin/arm64', 'win32/x64', 'win32/arm64'],
      cuda: [],
      coreml: ['darwin/arm64'],
    },
    minimumGlibc: '2.28',
    requiredFlags: ['avx'],
  },
  tflite: {
    label: 'LiteRT',
    format: 'tflite',
    tasks: ['embed', 'classify', 'tensor'],
    givesTokenVectors: true,
    platforms: { cpu: ['linux/x64', 'linux/arm64', 'darwin/arm64', 'win32/x64'], wasm: 'any' },
    minimumGlibc: '2.27',
    requiredFlags: [],
  },
};

/** Hardware that a packaged provider other than those of the CPU runs on, and what to name when it is absent. */
export const PROVIDER_HARDWARE: Readonly<
  Record<string, { readonly kind: AcceleratorKind; readonly driver: string; readonly library: string }>
> = {
  cuda: { kind: 'cuda', driver: 'no NVIDIA driver', library: 'libcuda.so.1 or libcudart.so' },
  vulkan: { kind: 'vulkan', driver: 'no GPU render node', library: 'libvulkan.so.1 or a hardware driver for it' },
  metal: { kind: 'metal', driver: 'no Metal GPU', library: 'Metal.framework' },
  coreml: { kind: 'ane', driver: 'no Neural Engine', library: 'CoreML.framework' },
};

/** Providers that take the place of a native one that cannot run; nobody wants to read of them anywhere else. */
export const STAND_INS: Readonly<Record<string, string>> = { wasm: 'cpu' };

/** The packaged provider that a local build is an alternative to: `cuda` for `cuda-tuned`; any other name stays as it is. */
export function packagedProvider(provider: string): string {
  return provider.replace(/-tuned$/, '');
}

/** True for a provider that computes on the processor, where the number of threads matters. */
export function isOnCpu(provider: string): boolean {
  return packagedProvider(provider) === 'cpu' || provider === 'wasm';
}

/** Packaged providers of an engine that could exist on this operating system; the others are not worth a line in a plan. */
export function providersOf(binaries: EngineBinaries, device: DeviceProfile): readonly string[] {
  const isApple = device.platform === 'darwin';
  return Object.keys(binaries.platforms).filter(
    (provider) => isOnCpu(provider) || (provider === 'metal' || provider === 'coreml') === isApple,
  );
}
