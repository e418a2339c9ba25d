/** What a build on this device is made for, and the options that follow; pure. */
import type { DeviceProfile } from '#edge/contracts/hardware.ts';
import type { LocalBuild } from '#edge/contracts/plan.ts';

export interface BuildTarget {
  readonly provider: LocalBuild['provider'];
  /** The CUDA compiler, for `cuda-tuned`. */
  readonly nvcc?: string;
  /** `CMAKE_CUDA_ARCHITECTURES`, such as `87`; `native` lets CMake ask the GPU. */
  readonly cudaArchitecture?: string;
}

/** CUDA where the device has such a GPU and its compiler was found, else the CPU. */
export function buildTarget(device: DeviceProfile, nvcc: string | undefined): BuildTarget {
  const gpu = device.accelerators.find(({ kind }) => kind === 'cuda');
  if (!gpu || nvcc === undefined) return { provider: 'cpu-tuned' };
  // The probe names the compute capability of a Jetson's chip; CMake before 3.24, which JetPack 5 has, cannot ask the GPU itself.
  const capability = /compute (\d+)\.(\d+)/.exec(gpu.name);
  return { provider: 'cuda-tuned', nvcc, cudaArchitecture: capability ? `${capability[1]}${capability[2]}` : 'native' };
}

/** Oldest CMake that understands the target: what the sources ask for, and 3.24 for the CUDA architecture `native`. */
export function minimumCmake({ cudaArchitecture }: BuildTarget): readonly [major: number, minor: number] {
  return cudaArchitecture === 'native' ? [3, 24] : [3, 19];
}

/**
 * CMake options of the build.
 *
 * - `GGML_NATIVE` is what it is for: kernels compiled for exactly this CPU, where the packaged library picks the nearest of a dozen.
 * - `GGML_OPENMP` keeps ggml's worker threads between two graphs, provided that one libuv thread runs them all, as in our engine child; the
 *   packaged library has no OpenMP and makes its workers anew. 120-122 tokens a second against 90-116 in one sitting on two quiet cores
 *   (SmolLM2-135M Q4_1), no difference by turns on busy ones. Apple's compiler has no OpenMP.
 * - No shared libraries: the addon is one file, so its hash covers all of it, and it meets no library of the packaged build in one process.
 * - The rest leaves out what the addon does not use, as node-llama-cpp's own build does: no network code, no compiler cache.
 */
export function cmakeOptions(target: BuildTarget, platform: DeviceProfile['platform']): Readonly<Record<string, string>> {
  return {
    GGML_NATIVE: 'ON',
    GGML_OPENMP: platform === 'darwin' ? 'OFF' : 'ON',
    GGML_METAL: 'OFF',
    GGML_CUDA: target.provider === 'cuda-tuned' ? 'ON' : 'OFF',
    ...(target.cudaArchitecture === undefined ? {} : { CMAKE_CUDA_ARCHITECTURES: target.cudaArchitecture }),
    BUILD_SHARED_LIBS: 'OFF',
    GGML_CCACHE: 'OFF',
    LLAMA_CURL: 'OFF',
    LLAMA_HTTPLIB: 'OFF',
    LLAMA_BUILD_BORINGSSL: 'OFF',
    LLAMA_OPENSSL: 'OFF',
  };
}

const GIB = 1024 ** 3;

/** What a build takes; CPU: measured, CUDA: an upper guess, not run on real hardware by this project. */
export interface BuildCosts {
  /** Sources, object files and result, in bytes. */
  readonly diskBytes: number;
  /** The largest compiler process, in bytes. */
  readonly jobBytes: number;
}

export function buildCosts({ provider }: BuildTarget): BuildCosts {
  return provider === 'cuda-tuned' ? { diskBytes: 3 * GIB, jobBytes: 2.5 * GIB } : { diskBytes: 0.3 * GIB, jobBytes: 0.75 * GIB };
}

/** Compilers that may run side by side without swapping: one a usable core at most; 0 when not even one fits. */
export function parallelJobs(target: BuildTarget, { cpu, memory }: DeviceProfile): number {
  const fitting = Math.floor((memory.availableBytes + memory.swapBytes) / buildCosts(target).jobBytes);
  return Math.min(fitting, Math.max(1, Math.floor(cpu.usableCores)));
}
