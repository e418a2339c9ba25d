import type { EmbedRequest, EmbedResponse } from '#edge/contracts/embed.ts';
import type { GenerateRequest } from '#edge/contracts/generate.ts';
import type { Task } from '#edge/contracts/model.ts';
import type { ReplyPart } from '#edge/contracts/parts.ts';
import type { Plan } from '#edge/contracts/plan.ts';
import type { EngineStatus, ModelSummary, RuntimePort } from '#edge/contracts/runtime.ts';
import type { ScoreRequest, ScoreResponse } from '#edge/contracts/score.ts';
import type { Attributes, Recorder, TelemetryEvent } from '#edge/contracts/telemetry.ts';
import type { TensorRequest, TensorResponse } from '#edge/contracts/tensor.ts';
import type { RpcHandlers } from '#edge/core/process/rpc.ts';

/** What a child process (the agent host) may ask of the device: its models and its recorder. */
export type RuntimeMethods = {
  readonly generate: { readonly params: GenerateRequest; readonly item: ReplyPart };
  readonly embed: { readonly params: EmbedRequest; readonly result: EmbedResponse };
  readonly score: { readonly params: ScoreRequest; readonly result: ScoreResponse };
  readonly runTensors: { readonly params: TensorRequest; readonly result: TensorResponse };
  readonly listModels: { readonly params: undefined; readonly result: readonly ModelSummary[] };
  readonly listEngines: { readonly params: undefined; readonly result: readonly EngineStatus[] };
  readonly plan: { readonly params: Task; readonly result: Plan };
  readonly recordEvent: { readonly params: TelemetryEvent; readonly result: undefined };
  readonly recordMetric: {
    readonly params: { readonly metric: string; readonly value: number; readonly attributes?: Attributes };
    readonly result: undefined;
  };
};

/** The device's side of {@link RuntimeMethods}. */
export function runtimeHandlers(runtime: RuntimePort, recorder: Recorder): RpcHandlers<RuntimeMethods> {
  return {
    generate: (request, { signal }) => runtime.generate(request, { signal }),
    embed: (request, { signal }) => runtime.embed(request, { signal }),
    score: (request, { signal }) => runtime.score(request, { signal }),
    runTensors: (request, { signal }) => runtime.runTensors(request, { signal }),
    listModels: () => runtime.listModels(),
    listEngines: () => runtime.listEngines(),
    plan: (task) => runtime.plan(task),
    recordEvent: async (event) => {
      recorder.event(event);
      return undefined;
    },
    recordMetric: async ({ metric, value, attributes }) => {
      recorder.observe(metric, value, attributes);
      return undefined;
    },
  };
}
