/** Text vectors from an embedding GGUF; pooling is what the file says. */
import type { CallOptions } from '#edge/contracts/backend.ts';
import type { EmbedRequest, EmbedResponse } from '#edge/contracts/embed.ts';
import type { EmbeddingProfile } from '#edge/contracts/model.ts';
import type { EngineRef } from '#edge/contracts/parts.ts';
import { throwIfAborted } from '#edge/core/abort.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { LlamaEmbeddingContext } from './llama-native.ts';

/** Tokens that the library puts around a text: one before, one after; and one cell of a context stays free. */
const RESERVED_TOKENS = 3;

export interface EmbedderOptions {
  readonly context: LlamaEmbeddingContext;
  readonly profile: EmbeddingProfile;
  readonly contextTokens: number;
  readonly engine: EngineRef;
}

export class LlamaEmbedder {
  readonly #options: EmbedderOptions;

  constructor(options: EmbedderOptions) {
    this.#options = options;
  }

  async embed(request: EmbedRequest, { signal }: CallOptions): Promise<EmbedResponse> {
    const { context, profile, contextTokens, engine } = this.#options;
    if (request.output === 'tokens') {
      throw new EdgeError('E_UNSUPPORTED', { what: 'token vectors', expected: 'an engine that gives them (onnx)', found: 'llama' });
    }
    const prefix = { plain: '', query: profile.queryPrefix, passage: profile.passagePrefix }[request.purpose];
    const vectors: Float32Array[] = [];
    let promptTokens = 0;
    let truncated = 0;
    for (const text of request.texts) {
      throwIfAborted(signal, 'embed');
      const tokens = context.model.tokenize(prefix + text, false);
      if (tokens.length > contextTokens - RESERVED_TOKENS) {
        truncated++;
        tokens.length = contextTokens - RESERVED_TOKENS;
      }
      promptTokens += context.calculateInputLength([...tokens]);
      const { vector } = await context.getEmbeddingFor(tokens);
      vectors.push(profile.normalize ? unit(vector) : Float32Array.from(vector));
    }
    return { vectors, dimensions: profile.dimensions, promptTokens, truncated, engine };
  }
}

function unit(vector: readonly number[]): Float32Array {
  const length = Math.hypot(...vector) || 1;
  return Float32Array.from(vector, (value) => value / length);
}
