import type { Round } from './engine-subject.ts';

/** Tokens of the two texts whose rates are `short` and `long`. */
export const SHORT_TOKENS = 16;
export const LONG_TOKENS = 128;
/** Every vocabulary has these words whole. */
const WORDS = 'the house on the hill has a red door and the man in the garden has a new dog that can run to the river and back'.split(' ');
/** Attempts to meet the length; the second one does where a word is a token. */
const MOST_ATTEMPTS = 4;

/**
 * Finds texts of 16 and 128 tokens, which warms the engine up too; a round is one of each, one a call.
 * @param run encodes a text and tells how many tokens it had, those included that the model adds
 */
export async function prepareEncoder(run: (text: string) => Promise<number>): Promise<Round> {
  const short = await textOf(SHORT_TOKENS, run);
  const long = await textOf(LONG_TOKENS, run);
  return async () => ({ short: await rateOf(() => run(short)), long: await rateOf(() => run(long)) });
}

/** A text that fills the input of an encoder: its arena is then as large as it gets. */
export function longestText(contextTokens: number): string {
  return textOfWords(Math.max(1, contextTokens));
}

async function textOf(tokens: number, run: (text: string) => Promise<number>): Promise<string> {
  let words = tokens - 2;
  let text = textOfWords(words);
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    const found = await run(text);
    if (found === tokens) break;
    words = Math.max(1, words + tokens - found);
    text = textOfWords(words);
  }
  return text;
}

function textOfWords(count: number): string {
  return Array.from({ length: count }, (_, i) => WORDS[i % WORDS.length]).join(' ');
}

async function rateOf(run: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await run();
  return 1000 / (performance.now() - startedAt);
}
