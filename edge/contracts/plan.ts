import type { BackendId, LoadSpec } from './backend.ts';
import type { ModelFormat, Task } from './model.ts';

/** What the user wants most; the order of the lexicographic choice follows it. */
export const PLAN_PROFILES = ['latency', 'quality', 'battery'] as const;
export type PlanProfile = (typeof PLAN_PROFILES)[number];

/** Why a candidate cannot run here. */
export const REJECTION_CODES = [
  'no-binary',
  'libc-too-old',
  'cpu-flag-missing',
  'lib-missing',
  'driver-missing',
  'io-dtype-unsupported',
  'dynamic-shape-on-ane',
  'format-mismatch',
  'mem-exceeds',
  'ctx-exceeds-train',
  'not-downloaded',
  'probe-crashed',
  'quarantined',
  'user-excluded',
] as const;
export type RejectionCode = (typeof REJECTION_CODES)[number];

export interface Rejection {
  readonly code: RejectionCode;
  /** The numbers or names behind the code: `needs 912 MiB, 640 MiB available`. */
  readonly detail: string;
}

/** A number and where it comes from; `measured` beats `extrapolated` beats `predicted`. */
export interface Estimate {
  readonly value: number;
  readonly source: 'measured' | 'extrapolated' | 'predicted';
  /** 0..1. */
  readonly confidence: number;
}

export interface MemoryEstimate {
  readonly weightsBytes: number;
  readonly kvBytes: number;
  readonly computeBytes: number;
  readonly runtimeBytes: number;
  readonly totalBytes: number;
}

/** How fast one variant really ran; beats every estimate for the same key. Taken on a device that was neither loaded nor throttled. */
export interface Measurement {
  /** SHA-256 of the weights. */
  readonly modelSha256: string;
  readonly variant: string;
  readonly backend: BackendId;
  /** Version of the native library; absent in records of backends that cannot tell. */
  readonly backendVersion?: string;
  readonly provider: string;
  readonly threads: number;
  /** `DeviceProfile.fingerprint` of the device it was taken on. */
  readonly fingerprint: string;
  /** In the unit of {@link Candidate.speed}. */
  readonly speed: number;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

/** One way to run one task here. */
export interface Candidate {
  /** Stable: `model/variant/backend/provider/t2`. */
  readonly id: string;
  readonly model: string;
  readonly variant: string;
  readonly format: ModelFormat;
  readonly backend: BackendId;
  readonly provider: string;
  readonly threads: number;
  /** Empty for a candidate that may run. */
  readonly reasons: readonly Rejection[];
  readonly memory: MemoryEstimate;
  /** Decode tokens/s for `generate`, texts/s of 128 tokens for the others. */
  readonly speed: Estimate;
  readonly quality: number;
  readonly downloaded: boolean;
}

export interface Plan {
  readonly task: Task;
  readonly profile: PlanProfile;
  /** Absent when every candidate was rejected. */
  readonly chosen?: Candidate;
  readonly loadSpec?: Omit<LoadSpec, 'stored'>;
  /** One good sentence. */
  readonly because: string;
  readonly candidates: readonly Candidate[];
  /** Ids of the candidates that are tried next, best first. */
  readonly fallbacks: readonly string[];
  /** Memory that the plan may use. */
  readonly budgetBytes: number;
}
