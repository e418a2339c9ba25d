/** An engine without native code or weights: deterministic, quick, and able to fail on request. See README.md. */
import { readFile } from 'node:fs/promises';
import type { Backend, Engine, EngineInfo, LoadSpec } from '#edge/contracts/backend.ts';
import { ENGINE_FEATURES } from '#edge/contracts/backend.ts';
import type { TensorRequest, TensorResponse, TensorSpec } from '#edge/contracts/tensor.ts';
import { throwIfAborted } from '#edge/core/abort.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { commit, faultsIn } from './fake-faults.ts';
import { FakeSession } from './fake-session.ts';

const INPUT: TensorSpec = { name: 'x', dtype: 'float32', shape: [-1, 4] };
const OUTPUT: TensorSpec = { name: 'doubled', dtype: 'float32', shape: [-1, 4] };

export const fakeBackend: Backend = {
  id: 'fake',
  formats: ['gguf', 'onnx', 'tflite'],
  async load(spec, { signal, onProgress } = {}) {
    const words = await readWords(spec);
    onProgress?.({ label: `loading ${spec.stored.model}`, done: 1, total: 1, unit: 'steps' });
    throwIfAborted(signal, 'load');
    return engineOf(spec, words);
  },
};

/**
 * The model: a text file, whose words are the vocabulary. Its faults strike while it loads.
 * @throws EdgeError `E_MODEL_NOT_STORED`, `E_MODEL_CORRUPT` (no words, or a NUL character).
 */
async function readWords(spec: LoadSpec): Promise<readonly string[]> {
  const what = `cannot load ${spec.stored.model} (${spec.stored.variant})`;
  const path = spec.stored.files.weights;
  if (!path) throw new EdgeError('E_MODEL_NOT_STORED', { what, expected: 'a weights file', found: 'none' });
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new EdgeError('E_MODEL_NOT_STORED', { what, expected: `a file at ${path}`, found: String(error), cause: error });
  });
  await commit(faultsIn(text));
  const words = text.match(/\p{L}+/gu);
  if (!words || text.includes('\0')) throw new EdgeError('E_MODEL_CORRUPT', { what, expected: 'a text of words', found: 'another file' });
  return words;
}

function engineOf(spec: LoadSpec, words: readonly string[]): Engine {
  const info: EngineInfo = {
    backend: 'fake',
    provider: spec.provider,
    version: '1.0.0',
    model: spec.stored.model,
    variant: spec.stored.variant,
    features: ENGINE_FEATURES,
    contextTokens: spec.contextTokens,
    threads: spec.threads,
    inputs: [INPUT],
    outputs: [OUTPUT],
  };
  const session = new FakeSession(spec, info, words);
  return {
    info,
    generate: (request, options = {}) => session.generate(request, options),
    embed: (request, options = {}) => session.embed(request, options),
    score: (request, options = {}) => session.score(request, options),
    runTensors: async (request) => double(request, info),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

function double(request: TensorRequest, info: EngineInfo): TensorResponse {
  const tensor = request.inputs[INPUT.name];
  const names = Object.keys(request.inputs).join(', ');
  if (!tensor || names !== INPUT.name) {
    throw new EdgeError('E_BAD_REQUEST', { what: 'inputs', expected: `one tensor named ${INPUT.name}`, found: names || 'none' });
  }
  const { dtype, shape, data } = tensor;
  if (dtype !== 'float32' || !(data instanceof Float32Array) || shape.length !== 2 || shape[1] !== 4) {
    throw new EdgeError('E_BAD_REQUEST', {
      what: `inputs.${INPUT.name}`,
      expected: 'float32 [n, 4]',
      found: `${dtype} [${shape.join(', ')}]`,
    });
  }
  return {
    outputs: { [OUTPUT.name]: { dtype, shape, data: data.map((value) => value * 2) } },
    engine: { engine: `${info.backend}/${info.provider}`, model: info.model, variant: info.variant },
  };
}
