import type { CallOptions, EngineInfo } from './backend.ts';
import type { EmbedRequest, EmbedResponse } from './embed.ts';
import type { GenerateRequest } from './generate.ts';
import type { ModelCard, Task } from './model.ts';
import type { ReplyPart } from './parts.ts';
import type { Plan } from './plan.ts';
import type { ScoreRequest, ScoreResponse } from './score.ts';
import type { TensorRequest, TensorResponse } from './tensor.ts';

/** A model as the endpoint lists it. */
export interface ModelSummary {
  readonly card: ModelCard;
  /** Ids of the variants that stand verified in the store. */
  readonly stored: readonly string[];
  readonly loaded: boolean;
}

/** A running engine child. */
export interface EngineStatus extends EngineInfo {
  readonly pid: number;
  readonly residentBytes: number;
  /** Calls in flight. */
  readonly active: number;
  /** Crashes since the device started. */
  readonly crashes: number;
}

/**
 * What the rest of the device asks of the models. Implemented by `EdgeRuntime`, and over IPC by the runtime client
 * of the agent host. Model ids are those of the catalog, or a task name for the device's default model of that task.
 */
export interface RuntimePort {
  generate(request: GenerateRequest, options?: CallOptions): AsyncIterable<ReplyPart>;
  embed(request: EmbedRequest, options?: CallOptions): Promise<EmbedResponse>;
  score(request: ScoreRequest, options?: CallOptions): Promise<ScoreResponse>;
  runTensors(request: TensorRequest, options?: CallOptions): Promise<TensorResponse>;
  listModels(): Promise<readonly ModelSummary[]>;
  listEngines(): Promise<readonly EngineStatus[]>;
  plan(task: Task): Promise<Plan>;
}
