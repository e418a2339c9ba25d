import { readFile } from 'node:fs/promises';
import { Tokenizer } from '@huggingface/tokenizers';
import { EdgeError } from '#edge/core/errors.ts';

/** Token ids of one text as the model reads them. */
export interface Encoded {
  readonly ids: readonly number[];
  /** The strings of `ids`. */
  readonly tokens: readonly string[];
  /** True when the text was cut to the model's input length. */
  readonly truncated: boolean;
}

/** Tokens of natural text are far shorter: this cut only keeps a text of megabytes as cheap as a long page. */
const MAX_CHARACTERS_PER_TOKEN = 64;

/** The tokenizer of one encoder. */
export class TextTokenizer {
  /** The largest id it can give. */
  readonly largestId: number;
  readonly #tokenizer: Tokenizer;

  constructor(tokenizer: Tokenizer, largestId: number) {
    this.#tokenizer = tokenizer;
    this.largestId = largestId;
  }

  /** Encodes with special tokens; drops tokens before the last one, which closes the text, until `maxTokens` are left. */
  encode(text: string, maxTokens: number): Encoded {
    const head = text.slice(0, maxTokens * MAX_CHARACTERS_PER_TOKEN);
    const { ids, tokens } = this.#tokenizer.encode(head);
    const excess = ids.length - maxTokens;
    if (excess <= 0) return { ids, tokens, truncated: head.length < text.length };
    const shorten = <T>(items: readonly T[]): T[] => items.toSpliced(maxTokens - 1, excess);
    return { ids: shorten(ids), tokens: shorten(tokens), truncated: true };
  }

  countWithoutSpecials(text: string): number {
    return text === '' ? 0 : this.#tokenizer.encode(text, { add_special_tokens: false }).ids.length;
  }
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
 * Reads a `tokenizer.json`, without the truncation and padding that it may prescribe.
 * @throws EdgeError `E_MODEL_NOT_STORED`, `E_MODEL_CORRUPT`.
 */
export async function readTokenizer(path: string): Promise<TextTokenizer> {
  const what = 'cannot read the tokenizer of the model';
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new EdgeError('E_MODEL_NOT_STORED', { what, expected: `file ${path}`, cause });
  });
  try {
    const definition = JSON.parse(text) as TokenizerFile;
    return new TextTokenizer(new Tokenizer({ ...definition, truncation: null, padding: null }, {}), largestId(definition));
  } catch (cause) {
    throw new EdgeError('E_MODEL_CORRUPT', { what, expected: 'a tokenizer.json', found: String(cause), cause });
  }
}
