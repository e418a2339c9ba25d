import type { Backend, CallOptions, Engine, EngineFeature, EngineInfo, LoadSpec } from '#edge/contracts/backend.ts';
import type { EmbedRequest, EmbedResponse } from '#edge/contracts/embed.ts';
import type { EngineRef, ReplyPart } from '#edge/contracts/parts.ts';
import type { ScoreResponse } from '#edge/contracts/score.ts';
import type { TensorRequest, TensorResponse } from '#edge/contracts/tensor.ts';
import { throwIfAborted } from '#edge/core/abort.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { openSession } from './tflite-session.ts';
import { findSignature, type TfliteSession } from './tflite-tensors.ts';
import { TextEncoder, textBuckets, textFeatures } from './tflite-text.ts';
import { readTokenizer, type TextTokenizer } from './tflite-tokenizer.ts';

/** LiteRT: encoders with a signature for each length of text, and any graph of plain tensors. It neither generates nor scores. */
export const tfliteBackend: Backend = {
  id: 'tflite',
  formats: ['tflite'],
  async load(spec, options) {
    const label = `loading ${spec.stored.model}`;
    const tokenizerFile = spec.stored.files.tokenizer;
    const tokenizer = tokenizerFile === undefined ? undefined : await readTokenizer(tokenizerFile);
    options?.onProgress?.({ label, done: 1, total: 2, unit: 'steps' });
    throwIfAborted(options?.signal, label);
    const session = await openSession(spec);
    options?.onProgress?.({ label, done: 2, total: 2, unit: 'steps' });
    const engine = new TfliteEngine(spec, session, tokenizer);
    try {
      await engine.requireVocabulary();
      return engine;
    } catch (error) {
      await engine[Symbol.asyncDispose]();
      throw error;
    }
  },
};

class TfliteEngine implements Engine {
  readonly info: EngineInfo;
  readonly #session: TfliteSession;
  readonly #text: TextEncoder | undefined;

  constructor(spec: LoadSpec, session: TfliteSession, tokenizer: TextTokenizer | undefined) {
    const buckets = tokenizer && spec.embedding ? textBuckets(session.signatures, spec.embedding.dimensions) : [];
    const contextTokens = Math.min(spec.contextTokens, buckets.at(-1)?.length ?? spec.contextTokens);
    this.info = describe(spec, session, textFeatures(buckets), contextTokens);
    this.#session = session;
    if (tokenizer && spec.embedding && buckets.length > 0) {
      this.#text = new TextEncoder(session, tokenizer, spec.embedding, buckets, contextTokens);
    }
  }

  /** @throws EdgeError `E_MODEL_CORRUPT` when the tokenizer is another model's. */
  async requireVocabulary(): Promise<void> {
    await this.#text?.requireVocabulary();
  }

  generate(): AsyncIterable<ReplyPart> {
    const next = (): Promise<never> => Promise.reject(this.#lacks('generate'));
    return { [Symbol.asyncIterator]: () => ({ next }) };
  }

  async embed(request: EmbedRequest, options?: CallOptions): Promise<EmbedResponse> {
    const feature: EngineFeature = request.output === 'tokens' ? 'token-vectors' : 'embed';
    if (!this.#text || !this.info.features.includes(feature)) throw this.#lacks(feature);
    return { ...(await this.#text.embed(request, options)), engine: this.#ref() };
  }

  async score(): Promise<ScoreResponse> {
    throw this.#lacks('score');
  }

  async runTensors(request: TensorRequest, options?: CallOptions): Promise<TensorResponse> {
    if (!this.info.features.includes('tensors')) throw this.#lacks('tensors');
    const signature = findSignature(this.#session.signatures, request.inputs);
    return { outputs: await this.#session.run(signature, request.inputs, options), engine: this.#ref() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
  }

  #lacks(feature: EngineFeature): EdgeError {
    return new EdgeError('E_UNSUPPORTED', {
      what: `"${this.info.model}" on tflite does not do "${feature}"`,
      expected: `one of ${this.info.features.join(', ') || 'nothing'}`,
    });
  }

  #ref(): EngineRef {
    return { engine: `tflite/${this.info.provider}`, model: this.info.model, variant: this.info.variant };
  }
}

/** Inputs and outputs are those of the first signature; the others differ in shapes, or in what they compute. */
function describe(spec: LoadSpec, session: TfliteSession, text: readonly EngineFeature[], contextTokens: number): EngineInfo {
  const { signatures } = session;
  const carriesAll = signatures.length > 0 && signatures.every(({ carriesAllTypes }) => carriesAllTypes);
  return {
    backend: 'tflite',
    provider: spec.provider,
    version: session.version,
    model: spec.stored.model,
    variant: spec.stored.variant,
    features: [...text, ...(carriesAll ? (['tensors'] as const) : [])],
    contextTokens,
    threads: session.threads,
    inputs: signatures[0]?.inputs ?? [],
    outputs: signatures[0]?.outputs ?? [],
  };
}
