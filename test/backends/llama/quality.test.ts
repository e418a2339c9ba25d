import { expect, test } from 'vitest';
import { compareReadings, readQuality, type TextReader } from '#edge/backends/llama/llama-quality.ts';

/** A model whose tokens are bytes, and whose logits and vectors are given. */
function readerOf({
  logits,
  vector = () => new Float32Array(),
}: {
  logits?: (next: number) => Float32Array;
  vector?: (text: Int32Array) => Float32Array;
}): TextReader {
  return {
    tokenize: (text) => Int32Array.from(Buffer.from(text).subarray(0, 500)),
    readLogits: async (tokens, visit) => {
      for (const index of tokens.keys()) visit(index, logits?.(tokens[index + 1] ?? 0) ?? new Float32Array());
    },
    embed: async (tokens) => vector(tokens),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

test('a model that knows nothing is as perplexed as its vocabulary is large', async () => {
  const reading = await readQuality(readerOf({ logits: () => new Float32Array(256).fill(-3) }), 'perplexity', () => undefined);
  expect(reading).toEqual({ measure: 'perplexity', value: expect.closeTo(256, 6) });
});

test('one that gives each right token a half is of perplexity two, however large its logits', async () => {
  const half = (next: number): Float32Array => {
    const logits = new Float32Array(256).fill(-1000);
    logits[next] = 900;
    logits[(next + 1) % 256] = 900;
    return logits;
  };
  const shares: number[] = [];
  const reading = await readQuality(readerOf({ logits: half }), 'perplexity', (share) => shares.push(share));
  expect(reading).toEqual({ measure: 'perplexity', value: expect.closeTo(2, 6) });
  expect(shares.at(-1)).toBe(1);
});

test('encoders are compared by the mean cosine of their vectors', async () => {
  const plain = readerOf({ vector: (tokens) => Float32Array.of(tokens.length, 0) });
  const turned = readerOf({ vector: (tokens) => Float32Array.of(0.6 * tokens.length, 0.8 * tokens.length) });
  const [source, derived] = [await readQuality(plain, 'cosine', () => undefined), await readQuality(turned, 'cosine', () => undefined)];
  expect(compareReadings(source, derived)).toEqual({ measure: 'cosine', source: 1, derived: expect.closeTo(0.6, 6) });
});

test('a vector of zeros, or of another size, has no cosine', async () => {
  const plain = await readQuality(readerOf({ vector: () => Float32Array.of(1, 0) }), 'cosine', () => undefined);
  const zeros = await readQuality(readerOf({ vector: () => Float32Array.of(0, 0) }), 'cosine', () => undefined);
  const short = await readQuality(readerOf({ vector: () => Float32Array.of(1) }), 'cosine', () => undefined);
  expect(compareReadings(plain, zeros).derived).toBeNaN();
  expect(compareReadings(plain, short).derived).toBeNaN();
});
