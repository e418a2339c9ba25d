import type { EmbedRequest, EmbedResponse } from './embed.ts';
import type { GenerateRequest } from './generate.ts';
import type { EmbeddingProfile, ModelFormat, StoredVariant } from './model.ts';
import type { ReplyPart } from './parts.ts';
import type { OnProgress } from './progress.ts';
import type { ScoreRequest, ScoreResponse } from './score.ts';
import type { TensorRequest, TensorResponse, TensorSpec } from './tensor.ts';

export const BACKENDS = ['onnx', 'tflite', 'llama', 'remote', 'fake'] as const;
export type BackendId = (typeof BACKENDS)[number];

export const ENGINE_FEATURES = ['generate', 'embed', 'token-vectors', 'score', 'tensors'] as const;
export type EngineFeature = (typeof ENGINE_FEATURES)[number];

/** Everything an engine needs to load one variant; made by the planner, sent to the engine child. */
export interface LoadSpec {
  readonly stored: StoredVariant;
  readonly backend: BackendId;
  /** Execution provider: `cpu`, `cuda`, `metal`, `vulkan`, `coreml` ... */
  readonly provider: string;
  readonly threads: number;
  /** Context in tokens (generators). */
  readonly contextTokens: number;
  /** Parallel sequences (generators). */
  readonly sequences: number;
  /** Layers on the GPU; 0 on a CPU. */
  readonly gpuLayers: number;
  readonly embedding?: EmbeddingProfile;
  /** Folder of the library's build that the provider names, when it was built on this device; absent for the packaged one. */
  readonly localBuild?: string;
}

/** What a loaded engine says of itself. */
export interface EngineInfo {
  readonly backend: BackendId;
  readonly provider: string;
  /** Version of the native library. */
  readonly version: string;
  readonly model: string;
  readonly variant: string;
  readonly features: readonly EngineFeature[];
  readonly contextTokens: number;
  readonly threads: number;
  readonly inputs?: readonly TensorSpec[];
  readonly outputs?: readonly TensorSpec[];
}

export interface CallOptions {
  /** Aborting stops native work within one step (a decode step, a batch of an embedding). */
  readonly signal?: AbortSignal;
}

/**
 * One loaded model. A feature that `info.features` does not list throws `E_UNSUPPORTED`.
 * Calls may overlap; the engine queues them.
 */
export interface Engine {
  readonly info: EngineInfo;
  /** Ends with `response-end`, or throws. */
  generate(request: GenerateRequest, options?: CallOptions): AsyncIterable<ReplyPart>;
  embed(request: EmbedRequest, options?: CallOptions): Promise<EmbedResponse>;
  score(request: ScoreRequest, options?: CallOptions): Promise<ScoreResponse>;
  runTensors(request: TensorRequest, options?: CallOptions): Promise<TensorResponse>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** One runtime library. Importing its module loads no native code; {@link load} does. */
export interface Backend {
  readonly id: BackendId;
  readonly formats: readonly ModelFormat[];
  load(spec: LoadSpec, options?: CallOptions & { readonly onProgress?: OnProgress }): Promise<Engine>;
}
