/** What the main process and an engine child say to each other. */
import type { EngineInfo, LoadSpec } from '#edge/contracts/backend.ts';
import type { EmbedRequest, EmbedResponse } from '#edge/contracts/embed.ts';
import type { GenerateRequest } from '#edge/contracts/generate.ts';
import type { ReplyPart } from '#edge/contracts/parts.ts';
import type { Progress } from '#edge/contracts/progress.ts';
import type { ScoreRequest, ScoreResponse } from '#edge/contracts/score.ts';
import type { TensorRequest, TensorResponse } from '#edge/contracts/tensor.ts';

/** What a child serves. It holds one engine: `load` comes first, and once. */
export type EngineMethods = {
  readonly load: { readonly params: LoadSpec; readonly result: EngineInfo };
  readonly generate: { readonly params: GenerateRequest; readonly item: ReplyPart };
  readonly embed: { readonly params: EmbedRequest; readonly result: EmbedResponse };
  readonly score: { readonly params: ScoreRequest; readonly result: ScoreResponse };
  readonly runTensors: { readonly params: TensorRequest; readonly result: TensorResponse };
};

/** What a child may call in the main process. */
export type EngineHostMethods = {
  /** Tells how far `load` is. */
  readonly progress: { readonly params: Progress; readonly result: undefined };
};
