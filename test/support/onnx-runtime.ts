import { onnxBackend } from '#edge/backends/onnx/onnx-backend.ts';
import type { Engine } from '#edge/contracts/backend.ts';
import type { RuntimePort } from '#edge/contracts/runtime.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { cardOf, storedVariant } from './models.ts';

/** The real embedding model in this process, behind the port that the agent talks to. */
export async function openOnnxRuntime(model = 'e5-small-v2', threads = 2): Promise<RuntimePort & AsyncDisposable> {
  const { embedding, contextTokens } = cardOf(model);
  if (!embedding) throw new Error(`${model} makes no embeddings`);
  const engine: Engine = await onnxBackend.load({
    stored: storedVariant(model),
    backend: 'onnx',
    provider: 'cpu',
    threads,
    contextTokens,
    sequences: 1,
    gpuLayers: 0,
    embedding,
  });
  return {
    embed: (request, options) => engine.embed(request, options),
    score: (request, options) => engine.score(request, options),
    runTensors: (request, options) => engine.runTensors(request, options),
    generate: () => {
      throw new EdgeError('E_UNSUPPORTED', { what: 'this runtime generates no text' });
    },
    listModels: async () => [],
    listEngines: async () => [],
    plan: () => {
      throw new EdgeError('E_UNSUPPORTED', { what: 'this runtime plans nothing' });
    },
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
}
