/** GGUF models on llama.cpp: generators, and embedders where the load spec carries an embedding profile. */
import type { Backend, Engine, EngineFeature, EngineInfo, LoadSpec } from '#edge/contracts/backend.ts';
import type { EmbeddingProfile } from '#edge/contracts/model.ts';
import type { EngineRef } from '#edge/contracts/parts.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { prefillChunk } from './llama-accelerators.ts';
import { LlamaEmbedder } from './llama-embedder.ts';
import { loadNative, type NativeModel } from './llama-native.ts';
import { LlamaSession } from './llama-session.ts';

export const llamaBackend: Backend = {
  id: 'llama',
  formats: ['gguf'],
  async load(spec, { signal, onProgress } = {}) {
    const native = await loadNative(spec, { signal, onProgress });
    try {
      return spec.embedding ? await embedderOf(native, spec, spec.embedding, signal) : await generatorOf(native, spec, signal);
    } catch (error) {
      await native[Symbol.asyncDispose]();
      throw error;
    }
  },
};

async function generatorOf(native: NativeModel, spec: LoadSpec, signal: AbortSignal | undefined): Promise<Engine> {
  // An encoder would load, and write nonsense.
  if (native.model.fileInfo.architectureMetadata.attention?.causal === false) {
    throw new EdgeError('E_MODEL_LOAD', {
      what: `cannot load ${spec.stored.model} (${spec.stored.variant})`,
      expected: 'a model that generates text',
      found: `an encoder (${native.model.fileInfo.metadata.general.architecture})`,
      hint: 'Correct the task of the model card.',
      details: { rejection: 'format-mismatch' },
    });
  }
  const info = infoOf(native, spec, ['generate', 'score']);
  const { contextTokens } = info;
  const context = await native.createContext(spec, contextTokens, signal);
  const { sequences, provider } = spec;
  const session = new LlamaSession({
    native,
    context,
    sequences,
    contextTokens,
    prefillChunk: prefillChunk(provider),
    threads: info.threads,
    engine: refOf(info),
  });
  return {
    info,
    generate: (request, options = {}) => session.generate(request, options),
    score: (request, options = {}) => session.score(request, options),
    embed: () => Promise.reject(unsupported(info, 'embed')),
    runTensors: () => Promise.reject(unsupported(info, 'tensors')),
    [Symbol.asyncDispose]: () => native[Symbol.asyncDispose](),
  };
}

async function embedderOf(
  native: NativeModel,
  spec: LoadSpec,
  profile: EmbeddingProfile,
  signal: AbortSignal | undefined,
): Promise<Engine> {
  const { embeddingVectorSize } = native.model;
  if (embeddingVectorSize !== profile.dimensions) {
    throw new EdgeError('E_MODEL_LOAD', {
      what: `cannot load ${spec.stored.model} (${spec.stored.variant})`,
      expected: `vectors of ${profile.dimensions} dimensions`,
      found: `${embeddingVectorSize}`,
    });
  }
  const info = infoOf(native, spec, ['embed']);
  const { contextTokens } = info;
  const context = await native.createEmbeddingContext(spec, contextTokens, signal);
  const embedder = new LlamaEmbedder({ context, profile, contextTokens, engine: refOf(info) });
  return {
    info,
    embed: (request, options = {}) => embedder.embed(request, options),
    generate: () => refuse(unsupported(info, 'generate')),
    score: () => Promise.reject(unsupported(info, 'score')),
    runTensors: () => Promise.reject(unsupported(info, 'tensors')),
    [Symbol.asyncDispose]: () => native[Symbol.asyncDispose](),
  };
}

function infoOf(native: NativeModel, spec: LoadSpec, features: readonly EngineFeature[]): EngineInfo {
  return {
    backend: 'llama',
    provider: spec.provider,
    version: native.version,
    model: spec.stored.model,
    variant: spec.stored.variant,
    features,
    contextTokens: Math.min(spec.contextTokens, native.model.trainContextSize),
    threads: spec.threads,
  };
}

function refOf({ backend, provider, model, variant }: EngineInfo): EngineRef {
  return { engine: `${backend}/${provider}`, model, variant };
}

function unsupported(info: EngineInfo, feature: EngineFeature): EdgeError {
  return new EdgeError('E_UNSUPPORTED', {
    what: `${info.model} on llama`,
    expected: info.features.join(' or '),
    found: feature,
  });
}

// biome-ignore lint/correctness/useYield: a stream that only fails
async function* refuse(error: EdgeError): AsyncGenerator<never, void, undefined> {
  throw error;
}
