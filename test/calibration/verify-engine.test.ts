/** The golden cases of the cards on the real engines, and what they catch. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { EngineHost } from '#edge/backends/engine-host.ts';
import { importBackend } from '#edge/backends/registry.ts';
import { decodeGoldenVector, encodeGoldenVector } from '#edge/calibration/golden-vector.ts';
import { continueGreedily, verifyEngine } from '#edge/calibration/verify-engine.ts';
import type { Engine, LoadSpec } from '#edge/contracts/backend.ts';
import type { GoldenCase, StoredVariant } from '#edge/contracts/model.ts';
import { silentLogger } from '#edge/core/log.ts';
import { loadCatalog } from '#edge/store/catalog.ts';
import { expectCode } from '#test/support/expect-code.ts';
import { fakeSpec } from '#test/support/fake-model.ts';
import { pulledVariant } from '#test/support/pulled-variant.ts';
import { specOf } from './fixtures.ts';

const catalog = loadCatalog();
const hosts: EngineHost[] = [];

afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host[Symbol.asyncDispose]()));
});

async function verify(
  spec: LoadSpec,
  cases: readonly GoldenCase[] | undefined,
  more = { deadlineMs: 120_000, cancelGraceMs: 60_000 },
): Promise<void> {
  const host = new EngineHost({ spec, environment: process.env, log: silentLogger, idleStopMs: 0, ...more });
  hosts.push(host);
  await verifyEngine({ engine: host, info: await host.load(), options: {} }, cases);
}

async function fakeEngine(): Promise<Engine> {
  return await (await importBackend('fake')).load(fakeSpec());
}

const verifyFake = async (cases: readonly GoldenCase[] | undefined): Promise<void> => {
  await using engine = await fakeEngine();
  await verifyEngine({ engine, info: engine.info, options: {} }, cases);
};

describe('a sound engine passes', () => {
  it.each([
    ['e5-small-v2', 'int8'],
    ['e5-small-v2', 'int8-tflite'],
    ['e5-small-v2', 'q8_0'],
    ['bge-small-en-v1.5', 'int8'],
    ['smollm2-135m-instruct', 'q4_1'],
    ['smollm2-135m-instruct', 'q8_0'],
    ['hand-landmark-lite', 'fp16'],
  ])(
    '%s %s',
    async (model, variant) => {
      const { golden } = catalog.get(model);
      expect(golden?.length).toBeGreaterThan(0);
      await verify(specOf(await pulledVariant(model, variant)), golden);
    },
    180_000,
  );

  it('and gives the same continuation with two threads', { timeout: 180_000 }, async () => {
    const { golden } = catalog.get('smollm2-135m-instruct');
    await verify({ ...specOf(await pulledVariant('smollm2-135m-instruct', 'q4_1')), threads: 2 }, golden);
  });
});

describe('golden cases catch', () => {
  /** The same file format, pre-tokenizer and words, but other ids: what the tokenizer of another model of the family looks like. */
  function tokenizerOfAnother(stored: StoredVariant): StoredVariant {
    const tokenizer = JSON.parse(readFileSync(stored.files.tokenizer ?? '', 'utf8')) as { model: { vocab: Record<string, number> } };
    const words = Object.keys(tokenizer.model.vocab).filter((word) => !word.startsWith('['));
    const ids = words.map((word) => tokenizer.model.vocab[word] as number);
    for (const [i, word] of words.entries()) tokenizer.model.vocab[word] = ids[(i + 1000) % ids.length] as number;
    const path = join(mkdtempSync(join(tmpdir(), 'nearside-tokenizer-')), 'tokenizer.json');
    writeFileSync(path, JSON.stringify(tokenizer));
    return { ...stored, files: { ...stored.files, tokenizer: path } };
  }

  it.each(['int8', 'int8-tflite'])('the tokenizer of another model beside e5-small-v2 %s', { timeout: 180_000 }, async (variant) => {
    const stored = tokenizerOfAnother(await pulledVariant('e5-small-v2', variant));
    const error = await expectCode(verify(specOf(stored), catalog.get('e5-small-v2').golden), 'E_GOLDEN_MISMATCH');
    expect(error.message).toMatch(/e5-small-v2 .* failed golden case 1 \(vector\).*at least 0\.99.*0\.\d{4}/s);
  });

  it('the weights of another model of the same shape', { timeout: 180_000 }, async () => {
    const stored = await pulledVariant('bge-small-en-v1.5', 'int8');
    await expectCode(verify(specOf(stored), catalog.get('e5-small-v2').golden), 'E_GOLDEN_MISMATCH');
  });

  it('the wrong pooling', { timeout: 180_000 }, async () => {
    const spec = specOf(await pulledVariant('e5-small-v2', 'int8'));
    const embedding = spec.embedding && { ...spec.embedding, pooling: 'cls' as const };
    await expectCode(verify({ ...spec, ...(embedding ? { embedding } : {}) }, catalog.get('e5-small-v2').golden), 'E_GOLDEN_MISMATCH');
  });

  it('another text', async () => {
    const error = await expectCode(verifyFake([{ kind: 'continuation', prompt: 'One, two,', startsWith: ' three' }]), 'E_GOLDEN_MISMATCH');
    expect(error.message).toMatch(/expected " three", found "/);
  });

  it('a vector of other dimensions', async () => {
    const vector = encodeGoldenVector(Float32Array.of(1, 2, 3));
    const error = await expectCode(verifyFake([{ kind: 'vector', text: 'a', vector }]), 'E_GOLDEN_MISMATCH');
    expect(error.message).toMatch(/3 dimensions.*48/s);
  });

  it('scores in the wrong order', async () => {
    const golden = { kind: 'scores', query: 'a red boat', better: 'a red boat', worse: 'the moon' } as const;
    await verifyFake([golden]);
    await expectCode(verifyFake([{ ...golden, better: golden.worse, worse: golden.better }]), 'E_GOLDEN_MISMATCH');
  });

  it('other numbers, a missing output, and the case by its number', async () => {
    const golden = { kind: 'tensor', tolerance: 0.001, outputs: { doubled: [0, 2 / 17, 4 / 17] } } as const;
    await verifyFake([golden]);
    const error = await expectCode(verifyFake([golden, { ...golden, outputs: { doubled: [0, 0.13] } }]), 'E_GOLDEN_MISMATCH');
    expect(error.message).toMatch(/golden case 2 \(tensor\).*doubled\[1\] = 0\.13/s);
    await expectCode(verifyFake([{ ...golden, outputs: { tripled: [0] } }]), 'E_GOLDEN_MISMATCH');
  });
});

describe('without golden cases', () => {
  it('an engine that answers passes', async () => {
    await verifyFake(undefined);
  });

  it.each([
    ['[crash]', 'E_ENGINE_CRASHED'],
    ['[hang]', 'E_DEADLINE'],
    ['[stall]', 'E_DEADLINE'],
  ])('one that meets %s fails with %s', async (fault, code) => {
    const golden = { kind: 'continuation', prompt: `Go on ${fault}`, startsWith: 'a text of more than three tokens' } as const;
    await expectCode(verify(fakeSpec(), [golden], { deadlineMs: 1500, cancelGraceMs: 100 }), code);
  });

  const answers = async (engine: Partial<Engine>, features: Engine['info']['features']): Promise<void> => {
    await using fake = await fakeEngine();
    await verifyEngine({ engine: { ...fake, ...engine }, info: { ...fake.info, features }, options: {} }, undefined);
  };

  it('vectors of NaN or of zeros fail', async () => {
    for (const value of [Number.NaN, 0, Number.POSITIVE_INFINITY]) {
      const embed = async () => ({
        vectors: [new Float32Array(4).fill(value)],
        dimensions: 4,
        promptTokens: 1,
        truncated: 0,
        engine: ENGINE,
      });
      await expectCode(answers({ embed }, ['embed']), 'E_GOLDEN_MISMATCH');
    }
  });

  it('a score or a tensor of NaN fails', async () => {
    const score = async () => ({ scores: [Number.NaN], promptTokens: 1, engine: ENGINE });
    await expectCode(answers({ score }, ['score']), 'E_GOLDEN_MISMATCH');
    const broken = { dtype: 'float32', shape: [1], data: Float32Array.of(Number.NaN) } as const;
    await expectCode(answers({ runTensors: async () => ({ outputs: { out: broken }, engine: ENGINE }) }, ['tensors']), 'E_GOLDEN_MISMATCH');
  });
});

const ENGINE = { engine: 'fake/cpu', model: 'fake-model', variant: 'words' };

it('a golden vector is as good as the vector it was written from', () => {
  const vector = Float32Array.from({ length: 384 }, (_, i) => Math.sin(i * 1.7));
  const read = decodeGoldenVector(encodeGoldenVector(vector));
  expect(Math.max(...read.map(Math.abs))).toBe(127);
  expect(read.every((value, i) => Math.abs(value - (vector[i] as number) * 127) < 0.6)).toBe(true);
});

it('a continuation ends as soon as it is long enough', async () => {
  await using engine = await fakeEngine();
  const text = await continueGreedily('Tell me', 10, { engine, info: engine.info, options: {} });
  expect(text.length).toBeGreaterThanOrEqual(10);
  expect(text.length).toBeLessThan(16);
});
