import type { EngineRef } from './parts.ts';

/**
 * Scores texts against a query. A cross-encoder gives its relevance logit; a generator gives the mean
 * log-probability a token of `text` as the continuation of `query`. Higher is better; scores of different
 * models cannot be compared.
 */
export interface ScoreRequest {
  readonly model: string;
  readonly query: string;
  /** 1..256 texts. */
  readonly texts: readonly string[];
}

export interface ScoreResponse {
  /** One a text, in order. */
  readonly scores: readonly number[];
  readonly promptTokens: number;
  readonly engine: EngineRef;
}
