/** How much of a model's quality a file kept, by two measures on a fixed text. */
import type { KeptQuality, QualityMeasure } from '#edge/contracts/quantize.ts';
import { QUALITY_TEXT } from './quality-text.ts';

/** A loaded model that can be read token by token. */
export interface TextReader extends AsyncDisposable {
  /** Special tokens that begin or end a text are added as the model wants them. */
  tokenize(text: string): Int32Array;
  /**
   * Reads the tokens in order.
   * @param visit Called once a token with the logits of the token that follows it; they are valid during the call.
   */
  readLogits(tokens: Int32Array, visit: (index: number, logits: Float32Array) => void): Promise<void>;
  /** The pooled vector of the text. */
  embed(tokens: Int32Array): Promise<Float32Array>;
}

/** Longest context a file is read in; the fixed text has fewer tokens in the vocabularies at hand. */
export const MAX_TOKENS = 2048;

/** What one file says on the fixed text. */
export type Reading =
  | { readonly measure: 'perplexity'; readonly value: number }
  | { readonly measure: 'cosine'; readonly vectors: readonly Float32Array[] };

/** Reads the fixed text; `onShare` is told which share of it is done, 0..1. */
export async function readQuality(reader: TextReader, measure: QualityMeasure, onShare: (share: number) => void): Promise<Reading> {
  if (measure === 'perplexity') return { measure, value: await perplexity(reader, onShare) };
  const vectors: Float32Array[] = [];
  for (const text of QUALITY_TEXT) {
    vectors.push(await reader.embed(reader.tokenize(text)));
    onShare(vectors.length / QUALITY_TEXT.length);
  }
  return { measure, vectors };
}

/** Compares two readings of one measure. */
export function compareReadings(source: Reading, derived: Reading): KeptQuality {
  if (source.measure === 'perplexity' && derived.measure === 'perplexity') {
    return { measure: 'perplexity', source: source.value, derived: derived.value };
  }
  const [left, right] = [source, derived].map((each) => (each.measure === 'cosine' ? each.vectors : []));
  const cosines = (left ?? []).map((vector, index) => cosine(vector, right?.[index] ?? new Float32Array()));
  return { measure: 'cosine', source: 1, derived: cosines.reduce((sum, each) => sum + each, 0) / cosines.length };
}

/** exp of the mean negative log-likelihood of each token given those before it. */
async function perplexity(reader: TextReader, onShare: (share: number) => void): Promise<number> {
  const tokens = reader.tokenize(QUALITY_TEXT.join('\n\n')).subarray(0, MAX_TOKENS);
  let sum = 0;
  await reader.readLogits(tokens, (index, logits) => {
    const next = tokens[index + 1];
    if (next !== undefined) sum -= logProbability(logits, next);
    onShare((index + 1) / tokens.length);
  });
  return Math.exp(sum / (tokens.length - 1));
}

/** Logarithm of the softmax at `token`, with the largest logit taken out so that nothing overflows. */
function logProbability(logits: Float32Array, token: number): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > largest) largest = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - largest);
  return (logits[token] ?? Number.NaN) - largest - Math.log(sum);
}

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array): number => x.reduce((sum, value, index) => sum + value * (y[index] ?? Number.NaN), 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}
