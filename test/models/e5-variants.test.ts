/** The formats of the retrieval encoder give the same vectors, as far as eight bits allow; `models/recipes/e5-small-v2` tells the numbers. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { EmbedResponse } from '#edge/contracts/embed.ts';
import sentences from '#models/recipes/e5-small-v2/sentences.json' with { type: 'json' };
import { cardOf } from '#test/support/models.ts';
import { hostE5, MODEL } from './e5-engines.ts';

const models = new URL('../../models/', import.meta.url);

interface Encoded {
  readonly vectors: readonly Float32Array[];
  readonly promptTokens: number;
  readonly truncated: number;
}

async function encode(variant: string): Promise<Encoded> {
  await using host = await hostE5(variant);
  const responses: EmbedResponse[] = [];
  for (const purpose of ['query', 'passage'] as const) {
    responses.push(await host.embed({ model: MODEL, purpose, texts: sentences[purpose] }));
  }
  return {
    vectors: responses.flatMap(({ vectors }) => vectors),
    promptTokens: responses.reduce((sum, { promptTokens }) => sum + promptTokens, 0),
    truncated: responses.reduce((sum, { truncated }) => sum + truncated, 0),
  };
}

function cosine(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
}

it('the card, the recipe and the artifacts name the same files', () => {
  const sums = readFileSync(new URL('recipes/e5-small-v2/SHA256SUMS', models), 'utf8');
  const files = cardOf(MODEL).variants.flatMap((variant) => variant.files);
  const shipped = files.flatMap(({ sha256, bytes, sources }) =>
    sources.flatMap((source) => (source.kind === 'file' ? [{ sha256, bytes, path: source.path }] : [])),
  );
  expect(shipped).toHaveLength(2);
  for (const { sha256, bytes, path } of shipped) {
    const content = readFileSync(new URL(path, new URL('catalog/', models)));
    expect(content.length).toBe(bytes);
    expect(createHash('sha256').update(content).digest('hex')).toBe(sha256);
    expect(sums).toContain(`${sha256}  ${path.replace('../artifacts/', '')}\n`);
  }
});

describe('vectors', () => {
  let packaged: Encoded;
  beforeAll(async () => {
    packaged = await encode('int8');
  }, 120_000);

  it.each(['int8-tflite', 'q8_0'])(
    'of %s point where those of the packaged file point',
    async (variant) => {
      const { vectors, promptTokens, truncated } = await encode(variant);
      expect(vectors).toHaveLength(sentences.query.length + sentences.passage.length);
      for (const [index, vector] of vectors.entries()) {
        expect(cosine(vector, vector), `length of text ${index}`).toBeCloseTo(1, 4);
        expect(cosine(vector, packaged.vectors[index] as Float32Array), `text ${index}`).toBeGreaterThanOrEqual(0.99);
      }
      expect(truncated).toBe(1);
      // Of a text that is too long, llama.cpp keeps one token less.
      expect(promptTokens).toBe(variant === 'q8_0' ? packaged.promptTokens - 1 : packaged.promptTokens);
    },
    120_000,
  );

  it('tell different texts apart', () => {
    const [first, ...others] = packaged.vectors;
    for (const other of others) expect(cosine(first as Float32Array, other)).toBeLessThan(0.97);
  });
});
