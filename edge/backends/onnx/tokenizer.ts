import { readFile } from 'node:fs/promises';
import { Tokenizer } from '@huggingface/tokenizers';
import { EdgeError } from '#edge/core/errors.ts';

/** Token ids of one text, or of a pair of texts, as the model reads them. */
export interface Encoded {
  readonly ids: readonly number[];
  /** 0 for the first text, 1 for the second. */
  readonly typeIds: readonly number[];
  /** The strings of `ids`. */
  readonly tokens: readonly string[];
  /** True when the text was cut to the model's input length. */
  readonly truncated: boolean;
}

/**
 * Longest text handed to the tokenizer, in characters a token of the input length. Tokens are far shorter than this, so the
 * cut cannot change a vector of natural text, and a text of megabytes costs no more than a long page.
 */
const MAX_CHARACTERS_PER_TOKEN = 64;

/** The tokenizer of one model with its input length. */
export class TextTokenizer {
  /** The largest id it can give. */
  readonly largestId: number;
  readonly #tokenizer: Tokenizer;
  readonly #maxTokens: number;

  constructor(tokenizer: Tokenizer, maxTokens: number, largestId: number) {
    this.#tokenizer = tokenizer;
    this.#maxTokens = maxTokens;
    this.largestId = largestId;
  }

  /** Encodes with special tokens and cuts the end to the model's input length. */
  encode(text: string): Encoded {
    const { text: head, cut } = this.#cut(text);
    const whole = this.#tokenizer.encode(head, { return_token_type_ids: true });
    return cutToLength(whole.ids, whole.token_type_ids, whole.tokens, this.#maxTokens, cut);
  }

  /**
   * Encodes a query and a text for a cross-encoder; only the text is cut.
   * @throws EdgeError `E_CONTEXT_OVERFLOW` when the query alone fills the model's input.
   */
  encodePair(query: string, text: string): Encoded {
    const { text: tail, cut } = this.#cut(text);
    const { text: head } = this.#cut(query);
    const whole = this.#tokenizer.encode(head, { text_pair: tail, return_token_type_ids: true });
    const excess = whole.ids.length - this.#maxTokens;
    if (excess > 0 && excess >= this.countWithoutSpecials(tail)) {
      throw new EdgeError('E_CONTEXT_OVERFLOW', {
        what: 'the query leaves no room for a text',
        expected: `a query of fewer than ${this.#maxTokens} tokens`,
        found: `${this.countWithoutSpecials(head)}`,
        hint: 'Shorten the query.',
      });
    }
    return cutToLength(whole.ids, whole.token_type_ids, whole.tokens, this.#maxTokens, cut);
  }

  countWithoutSpecials(text: string): number {
    return text === '' ? 0 : this.#tokenizer.encode(text, { add_special_tokens: false }).ids.length;
  }

  #cut(text: string): { text: string; cut: boolean } {
    const limit = this.#maxTokens * MAX_CHARACTERS_PER_TOKEN;
    return text.length > limit ? { text: text.slice(0, limit), cut: true } : { text, cut: false };
  }
}

/** Drops tokens before the last one (the closing special token) until the length fits. */
function cutToLength(ids: number[], typeIds: number[], tokens: string[], maxTokens: number, cut: boolean): Encoded {
  const excess = ids.length - maxTokens;
  if (excess <= 0) return { ids, typeIds, tokens, truncated: cut };
  const drop = <T>(items: T[]): T[] => items.toSpliced(maxTokens - 1, excess);
  return { ids: drop(ids), typeIds: drop(typeIds), tokens: drop(tokens), truncated: true };
}

/** Where `tokenizer.json` lists its tokens: pairs of token and score in the order of their ids, or ids by token. */
interface TokenizerFile {
  readonly model: { readonly vocab: unknown[] | Readonly<Record<string, number>> };
  readonly added_tokens?: readonly { readonly id: number }[];
}

function largestId({ model: { vocab }, added_tokens: added = [] }: TokenizerFile): number {
  const last = Array.isArray(vocab) ? vocab.length - 1 : Object.values(vocab).reduce((most, id) => Math.max(most, id), 0);
  return added.reduce((most, { id }) => Math.max(most, id), last);
}

/**
 * Reads a `tokenizer.json`. Truncation and padding that the file may prescribe (some fix 128) are reset: the input length
 * is the model's own, and padding is the batch's business.
 * @throws EdgeError `E_MODEL_NOT_STORED`, `E_MODEL_CORRUPT`.
 */
export async function readTokenizer(path: string, maxTokens: number): Promise<TextTokenizer> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new EdgeError('E_MODEL_NOT_STORED', { what: 'cannot read the tokenizer of the model', expected: `file ${path}`, cause: error });
  }
  try {
    const definition = JSON.parse(text) as TokenizerFile;
    const tokenizer = new Tokenizer({ ...definition, truncation: null, padding: null }, {});
    return new TextTokenizer(tokenizer, maxTokens, largestId(definition));
  } catch (error) {
    throw new EdgeError('E_MODEL_CORRUPT', {
      what: 'cannot read the tokenizer of the model',
      expected: 'a tokenizer.json',
      found: error instanceof Error ? error.message : String(error),
      cause: error,
    });
  }
}
