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
  'lossy',
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

/**
 * What the speed of a task is told in, all per second: `prefill` prompt tokens, `decode` completion tokens of one sequence, `short` and `long`
 * texts of 16 and of 128 tokens, one text a call, `runs` whole runs of a graph.
 */
export const TASK_RATES = {
  generate: ['prefill', 'decode'],
  embed: ['short', 'long'],
  classify: ['short', 'long'],
  rerank: ['short', 'long'],
  tensor: ['runs'],
} as const satisfies Readonly<Record<Task, readonly string[]>>;
export type RateName = (typeof TASK_RATES)[Task][number];
export type Rates = Readonly<Partial<Record<RateName, number>>>;

/**
 * Work of one typical call, in the units of {@link TASK_RATES}: a question with some context and an answer of a few sentences; a question and
 * a passage. The seconds it takes are what candidates are compared by.
 */
export const TYPICAL_CALL = {
  generate: { prefill: 256, decode: 64 },
  embed: { short: 1, long: 1 },
  classify: { short: 1, long: 1 },
  rerank: { short: 1, long: 1 },
  tensor: { runs: 1 },
} as const satisfies Readonly<Record<Task, Rates>>;

/** How one candidate really ran here; beats every estimate for the same key. Taken on a device that was neither loaded nor throttled. */
export interface Measurement {
  /** SHA-256 of the weights. */
  readonly modelSha256: string;
  readonly variant: string;
  readonly backend: BackendId;
  /** Version of the native library. */
  readonly backendVersion: string;
  readonly provider: string;
  readonly threads: number;
  /** `DeviceProfile.fingerprint` of the device it was taken on. */
  readonly fingerprint: string;
  /** Medians. */
  readonly rates: Rates;
  /** From the start of the engine's process until the model was loaded. */
  readonly loadMs: number;
  /** Resident memory of the engine's process after the runs, in bytes. */
  readonly residentBytes: number;
  /** Energy of one {@link TYPICAL_CALL} where the machine has a meter, in joules: of the whole package, idle power taken off. */
  readonly joules?: number;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

/** A llama.cpp that was built on this device (`nearside tune`). */
export interface LocalBuild {
  readonly backend: 'llama';
  /** What it appears as in plans. */
  readonly provider: 'cpu-tuned' | 'cuda-tuned';
  /** Absolute folder of the binaries. */
  readonly folder: string;
  /** Release of llama.cpp, such as `b9133`. */
  readonly release: string;
  /** `DeviceProfile.fingerprint` of the device it was built on: elsewhere it may not run. */
  readonly fingerprint: string;
}

export interface CandidateEstimate {
  /** Those of {@link TASK_RATES} for the task. */
  readonly rates: Readonly<Partial<Record<RateName, Estimate>>>;
  /** Seconds of one {@link TYPICAL_CALL}; its source is the weakest of the rates'. */
  readonly callSeconds: Estimate;
  readonly memory: MemoryEstimate;
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
  readonly estimate: CandidateEstimate;
  /** The measurement that the estimate rests on; `null` when this candidate was never measured here. */
  readonly measured: Measurement | null;
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
