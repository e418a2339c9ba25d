import type { Backend, CallOptions, Engine, EngineFeature, EngineInfo, LoadSpec } from '#edge/contracts/backend.ts';
import type { EmbedRequest, EmbedResponse } from '#edge/contracts/embed.ts';
import type { EngineRef, ReplyPart } from '#edge/contracts/parts.ts';
import type { ScoreRequest, ScoreResponse } from '#edge/contracts/score.ts';
import type { TensorRequest, TensorResponse } from '#edge/contracts/tensor.ts';
import { throwIfAborted } from '#edge/core/abort.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { type OnnxSession, openSession } from './onnx-session.ts';
import { checkInputs } from './tensor-check.ts';
import { TextModel, textFeatures } from './text-model.ts';
import { readTokenizer } from './tokenizer.ts';

/** ONNX Runtime: encoders, cross-encoders and any graph of plain tensors. It does not generate text. */
export const onnxBackend: Backend = {
  id: 'onnx',
  formats: ['onnx'],
  async load(spec, options) {
    const label = `loading ${spec.stored.model}`;
    const tokenizerFile = spec.stored.files.tokenizer;
    const tokenizer = tokenizerFile === undefined ? undefined : await readTokenizer(tokenizerFile, spec.contextTokens);
    options?.onProgress?.({ label, done: 1, total: 2, unit: 'steps' });
    const session = await openSession(spec);
    if (options?.signal?.aborted) await session[Symbol.asyncDispose]();
    throwIfAborted(options?.signal, label);
    options?.onProgress?.({ label, done: 2, total: 2, unit: 'steps' });
    try {
      const text = tokenizer && new TextModel(session, tokenizer, spec.embedding);
      const info = describe(spec, session, text !== undefined);
      if (info.features.includes('embed') || info.features.includes('score')) await text?.requireVocabulary();
      return new OnnxEngine(info, session, text);
    } catch (error) {
      await session[Symbol.asyncDispose]();
      throw error;
    }
  },
};

function describe(spec: LoadSpec, session: OnnxSession, hasTokenizer: boolean): EngineInfo {
  const features: EngineFeature[] = hasTokenizer ? textFeatures(session, spec.embedding) : [];
  if (session.carriesAllTypes) features.push('tensors');
  return {
    backend: 'onnx',
    provider: spec.provider,
    version: session.version,
    model: spec.stored.model,
    variant: spec.stored.variant,
    features,
    contextTokens: spec.contextTokens,
    threads: Math.max(1, spec.threads),
    inputs: session.inputs,
    outputs: session.outputs,
  };
}

class OnnxEngine implements Engine {
  readonly info: EngineInfo;
  readonly #session: OnnxSession;
  readonly #text: TextModel | undefined;

  constructor(info: EngineInfo, session: OnnxSession, text: TextModel | undefined) {
    this.info = info;
    this.#session = session;
    this.#text = text;
  }

  generate(): AsyncIterable<ReplyPart> {
    const next = (): Promise<never> => Promise.reject(this.#lacks('generate'));
    return { [Symbol.asyncIterator]: () => ({ next }) };
  }

  async embed(request: EmbedRequest, options?: CallOptions): Promise<EmbedResponse> {
    const text = this.#requireText(request.output === 'tokens' ? 'token-vectors' : 'embed');
    return { ...(await text.embed(request, options)), engine: this.#ref() };
  }

  async score(request: ScoreRequest, options?: CallOptions): Promise<ScoreResponse> {
    return { ...(await this.#requireText('score').score(request, options)), engine: this.#ref() };
  }

  async runTensors(request: TensorRequest): Promise<TensorResponse> {
    if (!this.info.features.includes('tensors')) throw this.#lacks('tensors');
    checkInputs(this.#session.inputs, request.inputs);
    return { outputs: await this.#session.run(request.inputs), engine: this.#ref() };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve(this.#session[Symbol.asyncDispose]());
  }

  #requireText(feature: EngineFeature): TextModel {
    if (!this.#text || !this.info.features.includes(feature)) throw this.#lacks(feature);
    return this.#text;
  }

  #lacks(feature: EngineFeature): EdgeError {
    return new EdgeError('E_UNSUPPORTED', {
      what: `"${this.info.model}" on onnx does not do "${feature}"`,
      expected: `one of ${this.info.features.join(', ') || 'nothing'}`,
    });
  }

  #ref(): EngineRef {
    return { engine: `onnx/${this.info.provider}`, model: this.info.model, variant: this.info.variant };
  }
}
