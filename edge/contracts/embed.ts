import type { EngineRef } from './parts.ts';

/** Texts to vectors. */
export interface EmbedRequest {
  readonly model: string;
  /** 1..2048 texts; a text longer than the model's input is cut and counted in {@link EmbedResponse.truncated}. */
  readonly texts: readonly string[];
  /** Which prefix of the card is put before each text. `plain` puts none. */
  readonly purpose: 'query' | 'passage' | 'plain';
  /** `tokens` also returns one vector a token, for late interaction. Defaults to `pooled`. */
  readonly output?: 'pooled' | 'tokens';
}

/** Vectors of one text's tokens, row-major, each row of unit length; prefix and special tokens are left out. */
export interface TokenVectors {
  readonly data: Float32Array;
  readonly rows: number;
  /** The token of each row, as the tokenizer spells it. */
  readonly tokens: readonly string[];
}

export interface EmbedResponse {
  /** One vector a text, in order; unit length when the card says `normalize`. */
  readonly vectors: readonly Float32Array[];
  readonly tokenVectors?: readonly TokenVectors[];
  readonly dimensions: number;
  /** Tokens read, over all texts. */
  readonly promptTokens: number;
  /** Number of texts that were cut. */
  readonly truncated: number;
  readonly engine: EngineRef;
}
