import type { CallOptions } from '#edge/contracts/backend.ts';
import type { EmbedRequest, EmbedResponse, TokenVectors } from '#edge/contracts/embed.ts';
import type { EngineRef } from '#edge/contracts/parts.ts';
import type { RuntimePort } from '#edge/contracts/runtime.ts';
import { throwIfAborted } from '#edge/core/abort.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { Logger } from '#edge/core/log.ts';
import { makerOf, type VectorMaker } from './vector-tables.ts';

/** Vectors with what made them. */
export interface EmbeddedTexts {
  readonly vectors: readonly Float32Array[];
  readonly maker: VectorMaker;
  readonly engine: EngineRef;
  readonly promptTokens: number;
}

/** A question's vectors. */
export interface EmbeddedQuery extends Omit<EmbeddedTexts, 'vectors'> {
  readonly vector: Float32Array;
  readonly tokens?: TokenVectors;
}

export interface EmbedOptions extends CallOptions {
  /** What must make the vectors, so that they can be compared with those of an index; the device's own choice when absent. */
  readonly maker?: Pick<VectorMaker, 'model' | 'variant'> | undefined;
}

/** Texts a call: few enough that a cancellation is heard soon. */
const BATCH = 32;

/** The device's embedding model, as retrieval uses it. */
export class Embedder {
  readonly #runtime: RuntimePort;
  readonly #log: Logger;
  /** Names of the models that were seen to give no token vectors. */
  readonly #withoutTokens = new Set<string>();

  constructor(runtime: RuntimePort, log: Logger) {
    this.#runtime = runtime;
    this.#log = log;
  }

  /**
   * Model and variant that the device would choose now.
   * @throws EdgeError `E_NO_CANDIDATE` when none can run
   */
  async preferred(): Promise<Pick<VectorMaker, 'model' | 'variant'>> {
    const { chosen, because } = await this.#runtime.plan('embed');
    if (!chosen) throw new EdgeError('E_NO_CANDIDATE', { what: 'no model can embed here', found: because });
    return { model: chosen.model, variant: chosen.variant };
  }

  /** A question's vector, and its token vectors when the engine has them. */
  async embedQuery(text: string, options: EmbedOptions = {}): Promise<EmbeddedQuery> {
    const response = await this.#embedTokens({ texts: [text], purpose: 'query' }, options);
    const tokens = response.tokenVectors?.[0];
    return {
      vector: response.vectors[0] as Float32Array,
      maker: makerOf(response.engine, response.dimensions),
      engine: response.engine,
      promptTokens: response.promptTokens,
      ...(tokens ? { tokens } : {}),
    };
  }

  /** Embeds any number of passages; `onBatch` is told how many more are done. */
  async embedPassages(texts: readonly string[], options: EmbedOptions = {}, onBatch?: (count: number) => void): Promise<EmbeddedTexts> {
    const responses: EmbedResponse[] = [];
    for (let start = 0; start < texts.length; start += BATCH) {
      throwIfAborted(options.signal, 'embedding');
      const batch = texts.slice(start, start + BATCH);
      responses.push(await this.#embed({ texts: batch, purpose: 'passage' }, options));
      onBatch?.(batch.length);
    }
    return toEmbedded(responses);
  }

  /** Token vectors of passages for late interaction; `undefined` when the engine has none. */
  async embedTokens(texts: readonly string[], options: EmbedOptions = {}): Promise<readonly TokenVectors[] | undefined> {
    if (this.#withoutTokens.has(nameOf(options.maker))) return undefined;
    return (await this.#embedTokens({ texts, purpose: 'passage' }, options)).tokenVectors;
  }

  async #embedTokens(request: Omit<EmbedRequest, 'model'>, options: EmbedOptions): Promise<EmbedResponse> {
    const model = nameOf(options.maker);
    if (!this.#withoutTokens.has(model)) {
      try {
        const response = await this.#embed({ ...request, output: 'tokens' }, options);
        if (!response.tokenVectors) this.#giveUpTokens(model, 'the engine returned none');
        return response;
      } catch (error) {
        if (!EdgeError.is(error, 'E_UNSUPPORTED')) throw error;
        this.#giveUpTokens(model, error.message);
      }
    }
    return await this.#embed(request, options);
  }

  async #embed(request: Omit<EmbedRequest, 'model'>, options: EmbedOptions): Promise<EmbedResponse> {
    const { maker } = options;
    try {
      return await this.#runtime.embed({ ...request, model: nameOf(maker) }, options);
    } catch (error) {
      throw maker && isGone(error) ? withoutMaker(maker, error) : error;
    }
  }

  #giveUpTokens(model: string, reason: string): void {
    this.#withoutTokens.add(model);
    this.#log.warn('retrieval fell back', { model, from: 'late interaction', to: 'pooled vectors', reason });
  }
}

/** Name that the runtime knows a maker by. */
function nameOf(maker: EmbedOptions['maker']): string {
  return maker ? `${maker.model}:${maker.variant}` : 'embed';
}

/** A model that is gone is no fault of the text; what mends it is new vectors. */
function isGone(error: unknown): error is EdgeError {
  return EdgeError.is(error, 'E_MODEL_UNKNOWN') || EdgeError.is(error, 'E_MODEL_NOT_STORED') || EdgeError.is(error, 'E_NO_CANDIDATE');
}

function withoutMaker({ model, variant }: NonNullable<EmbedOptions['maker']>, error: EdgeError): EdgeError {
  return new EdgeError('E_INDEX_MISMATCH', {
    what: 'cannot make vectors that compare with those of the index',
    expected: `${model} (${variant}), which made them`,
    found: error.message,
    cause: error,
  });
}

function toEmbedded(responses: readonly EmbedResponse[]): EmbeddedTexts {
  const [first] = responses;
  if (!first) throw new EdgeError('E_BAD_REQUEST', { what: 'cannot embed', expected: 'at least one text', found: 'none' });
  return {
    vectors: responses.flatMap((response) => response.vectors),
    maker: makerOf(first.engine, first.dimensions),
    engine: first.engine,
    promptTokens: responses.reduce((sum, response) => sum + response.promptTokens, 0),
  };
}
