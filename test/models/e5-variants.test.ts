/** The formats of the retrieval encoder give the same vectors, as far as eight bits allow; `models/recipes/e5-small-v2` tells the numbers. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { importBackend } from '#edge/backends/registry.ts';
import { EdgeError } from '#edge/core/errors.ts';
import sentences from '#models/recipes/e5-small-v2/sentences.json' with { type: 'json' };
import { cardOf } from '#test/support/models.ts';
import { e5Spec, hostE5 } from './e5-engines.ts';

const MODEL = 'e5-small-v2';
const PURPOSES = ['query', 'passage'] as const;
const REFERENCE = 'int8';
const variants = cardOf(MODEL).variants.map(({ id }) => id);

async function vectorsOf(variant: string): Promise<readonly Float32Array[]> {
  await using host = hostE5(variant);
  const vectors: Float32Array[] = [];
  for (const purpose of PURPOSES) vectors.push(...(await host.embed({ model: MODEL, purpose, texts: sentences[purpose] })).vectors);
  return vectors;
}

function cosine(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
}

/** False while the backend of a variant, or the engine library that it loads, is not part of the project. */
async function canRun(variant: string): Promise<boolean> {
  const { backend, stored } = e5Spec(variant);
  try {
    await importBackend(backend);
    return backend !== 'tflite' || 'library' in stored.files;
  } catch (error) {
    if (EdgeError.is(error, 'E_UNSUPPORTED')) return false;
    throw error;
  }
}

describe('files', () => {
  it.each(variants)('of %s are those that the card names', (variant) => {
    const files = cardOf(MODEL).variants.find(({ id }) => id === variant)?.files ?? [];
    const spec = e5Spec(variant);
    for (const { role, sha256, bytes } of files) {
      const content = readFileSync(spec.stored.files[role] ?? '');
      expect(content.length).toBe(bytes);
      expect(createHash('sha256').update(content).digest('hex')).toBe(sha256);
    }
  });

  it('have one hash in the card and in the recipe', () => {
    const sums = readFileSync(new URL('../../models/recipes/e5-small-v2/SHA256SUMS', import.meta.url), 'utf8');
    const shipped = cardOf(MODEL).variants.flatMap(({ files }) =>
      files.filter(({ sources }) => sources.some(({ kind }) => kind === 'file')),
    );
    expect(shipped).toHaveLength(2);
    for (const { sha256 } of shipped) expect(sums).toContain(sha256);
  });
});

const runnable = (await Promise.all(variants.map(async (id) => ((await canRun(id)) ? [id] : [])))).flat();

describe('vectors', () => {
  let reference: readonly Float32Array[];
  beforeAll(async () => {
    reference = await vectorsOf(REFERENCE);
  }, 120_000);

  it('can be had from two engines at least', () => {
    expect(runnable).toEqual(expect.arrayContaining([REFERENCE, 'q8_0']));
    expect(reference).toHaveLength(sentences.query.length + sentences.passage.length);
  });

  it.each(runnable.filter((id) => id !== REFERENCE))(
    'of %s point where those of the packaged file point',
    async (variant) => {
      const vectors = await vectorsOf(variant);
      expect(vectors).toHaveLength(reference.length);
      for (const [index, vector] of vectors.entries()) {
        expect(cosine(vector, vector), `length of text ${index}`).toBeCloseTo(1, 4);
        expect(cosine(vector, reference[index] as Float32Array), `text ${index}`).toBeGreaterThanOrEqual(0.99);
      }
    },
    120_000,
  );

  it('tell different texts apart', () => {
    const [first, ...others] = reference;
    for (const other of others) expect(cosine(first as Float32Array, other)).toBeLessThan(0.97);
  });
});
