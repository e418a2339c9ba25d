/** Where a fact was read, so that a plan can show its evidence. */
export interface Evidence {
  /** Dotted path in the profile: `cpu.flags`. */
  readonly fact: string;
  /** File or command it came from. */
  readonly from: string;
  /** The raw text, cut to 200 characters. */
  readonly raw: string;
}

export const ACCELERATORS = ['cuda', 'metal', 'ane', 'vulkan', 'directml', 'edgetpu'] as const;
export type AcceleratorKind = (typeof ACCELERATORS)[number];

export interface Accelerator {
  readonly kind: AcceleratorKind;
  readonly name: string;
  readonly memoryBytes?: number;
  /** True when it shares the main memory. */
  readonly unified: boolean;
  /** `library` = the user-space library that a backend needs was found too. */
  readonly confidence: 'device' | 'library';
  /** Version of the driver, where a file or tool tells. */
  readonly driver?: string;
  /** Version of the user-space runtime that was found: CUDA's. */
  readonly runtime?: string;
  /** Why this process cannot use it as things stand, a sentence with the mend: `/dev/dri/renderD128 is not ...`. */
  readonly problem?: string;
  readonly evidence: readonly Evidence[];
}

export interface CpuProfile {
  readonly architecture: 'x64' | 'arm64' | 'arm' | 'riscv64' | 'other';
  readonly model: string;
  /** Instruction set flags in `/proc/cpuinfo` spelling. */
  readonly flags: readonly string[];
  readonly logicalCores: number;
  readonly physicalCores: number;
  /** Physical cores of the fastest kind; absent when all are alike or nothing tells. */
  readonly performanceCores?: number;
  /** What this process may use under affinity and cgroup quota; may be fractional, at least 0.1. */
  readonly usableCores: number;
}

export interface MemoryProfile {
  readonly totalBytes: number;
  /** What can be taken now without swapping. */
  readonly availableBytes: number;
  /** cgroup limit, absent when there is none. */
  readonly limitBytes?: number;
  readonly swapBytes: number;
}

/** What the device is. Pure data; equal facts give an equal `fingerprint`. */
export interface DeviceProfile {
  readonly platform: 'linux' | 'darwin' | 'win32' | 'other';
  readonly board: { readonly kind: 'jetson' | 'raspberry-pi' | 'apple' | 'generic'; readonly name: string };
  readonly cpu: CpuProfile;
  readonly memory: MemoryProfile;
  readonly accelerators: readonly Accelerator[];
  readonly libc: { readonly kind: 'glibc' | 'musl' | 'none'; readonly version: string };
  readonly disk: { readonly freeBytes: number; readonly totalBytes: number };
  readonly power: {
    readonly source: 'mains' | 'battery' | 'unknown';
    /** What limits the clocks by choice: `nvpmodel 15W`, `governor powersave, profile low-power`; absent when nothing tells. */
    readonly mode?: string;
  };
  readonly thermal: { readonly maxCelsius?: number; readonly throttled: boolean };
  readonly evidence: readonly Evidence[];
  /** SHA-256 over the facts that change speed (board, CPU, flags, cores, memory, accelerators and drivers, power mode, libc): the key of stored measurements. */
  readonly fingerprint: string;
}
