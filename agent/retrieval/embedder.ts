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

/** Texts a call: few enough that a cancellation is heard soon. */
const BATCH = 32;

/** The device's embedding model, as retrieval uses it. */
export class Embedder {
  readonly #runtime: RuntimePort;
  readonly #log: Logger;
  #hasTokenVectors = true;

  constructor(runtime: RuntimePort, log: Logger) {
    this.#runtime = runtime;
    this.#log = log;
  }

  /** A question's vector, and its token vectors when the engine has them. */
  async embedQuery(text: string, options: CallOptions = {}): Promise<EmbeddedQuery> {
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
  async embedPassages(texts: readonly string[], options: CallOptions = {}, onBatch?: (count: number) => void): Promise<EmbeddedTexts> {
    const responses: EmbedResponse[] = [];
    for (let start = 0; start < texts.length; start += BATCH) {
      throwIfAborted(options.signal, 'embedding');
      const batch = texts.slice(start, start + BATCH);
      responses.push(await this.#runtime.embed({ model: 'embed', texts: batch, purpose: 'passage' }, options));
      onBatch?.(batch.length);
    }
    return toEmbedded(responses);
  }

  /** Token vectors of passages for late interaction; `undefined` when the engine has none. */
  async embedTokens(texts: readonly string[], options: CallOptions = {}): Promise<readonly TokenVectors[] | undefined> {
    if (!this.#hasTokenVectors) return undefined;
    return (await this.#embedTokens({ texts, purpose: 'passage' }, options)).tokenVectors;
  }

  async #embedTokens(request: Omit<EmbedRequest, 'model'>, options: CallOptions): Promise<EmbedResponse> {
    if (this.#hasTokenVectors) {
      try {
        const response = await this.#runtime.embed({ ...request, model: 'embed', output: 'tokens' }, options);
        if (!response.tokenVectors) this.#giveUpTokens('the engine returned none');
        return response;
      } catch (error) {
        if (!EdgeError.is(error, 'E_UNSUPPORTED')) throw error;
        this.#giveUpTokens(error.message);
      }
    }
    return await this.#runtime.embed({ ...request, model: 'embed' }, options);
  }

  #giveUpTokens(reason: string): void {
    this.#hasTokenVectors = false;
    this.#log.warn('retrieval fell back', { from: 'late interaction', to: 'pooled vectors', reason });
  }
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
