import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { onnxBackend } from '#edge/backends/onnx/onnx-backend.ts';
import { planBatches } from '#edge/backends/onnx/text-model.ts';
import type { Engine, LoadSpec } from '#edge/contracts/backend.ts';
import type { Tensor } from '#edge/contracts/tensor.ts';
import { expectCode } from '#test/support/expect-code.ts';
import { crossEncoderSpec, encoderSpec, fixture, specOf } from './fixtures.ts';

async function withEngine<T>(spec: LoadSpec, use: (engine: Engine) => Promise<T>): Promise<T> {
  await using engine = await onnxBackend.load(spec);
  return await use(engine);
}

const embed = (engine: Engine, texts: string[], purpose: 'query' | 'passage' | 'plain' = 'plain') =>
  engine.embed({ model: 'tiny', texts, purpose, output: 'tokens' });

describe('embedding with a float graph', () => {
  it('pools, normalises and drops prefix and special tokens from the token rows', async () => {
    await withEngine(encoderSpec(), async (engine) => {
      expect(engine.info.features).toEqual(['embed', 'token-vectors', 'tensors']);
      const { vectors, tokenVectors, promptTokens } = await embed(engine, ['the raincoats'], 'query');
      expect(promptTokens).toBe(8);
      expect(tokenVectors?.[0]?.tokens).toEqual(['the', 'rain', '##coat', '##s']);
      expect(tokenVectors?.[0]?.rows).toBe(4);
      expect(Math.hypot(...(vectors[0] ?? []))).toBeCloseTo(1, 6);
      expect(Math.hypot(...(tokenVectors?.[0]?.data.subarray(4, 8) ?? []))).toBeCloseTo(1, 6);
    });
  });

  it('gives the same vectors in batches of like length as alone, in the order of the texts', async () => {
    const texts = Array.from({ length: 50 }, (_, i) => ['tent', 'boots', 'river'][i % 3] + ' the warm rain'.repeat((i * 7) % 13));
    await withEngine(encoderSpec(), async (engine) => {
      const together = await embed(engine, texts);
      for (const [i, text] of texts.entries()) expect((await embed(engine, [text])).vectors[0]).toEqual(together.vectors[i]);
    });
  });

  it('takes the first token where the card says cls, and the raw mean where it says not to normalise', async () => {
    const profile = { dimensions: 4, pooling: 'cls', normalize: false, queryPrefix: '', passagePrefix: '' } as const;
    const cls = await withEngine(encoderSpec({ embedding: profile }), (engine) => embed(engine, ['tent', 'river boots']));
    expect(cls.vectors[0]).toEqual(cls.vectors[1]);
    expect(cls.vectors[0]?.[0]).toBeCloseTo(Math.sin(3), 6);
    const mean = await withEngine(encoderSpec({ embedding: { ...profile, pooling: 'mean' } }), (engine) => embed(engine, ['tent']));
    expect(mean.vectors[0]?.[0]).toBeCloseTo((Math.sin(3) + Math.sin(9) + Math.sin(4)) / 3, 6);
  });

  it('resets the padding and truncation that the tokenizer file prescribes', async () => {
    await withEngine(encoderSpec(), async (engine) => {
      expect((await embed(engine, ['tent'])).promptTokens).toBe(3);
      expect(await embed(engine, ['tent '.repeat(20)])).toMatchObject({ promptTokens: 22, truncated: 0 });
      expect(await embed(engine, ['tent '.repeat(100), 'tent'])).toMatchObject({ promptTokens: 67, truncated: 1 });
    });
  });

  it('makes batches of at most sixteen texts that differ by less than sixteen tokens', () => {
    const lengths = Array.from({ length: 200 }, (_, i) => 3 + ((i * 37) % 120));
    const batches = planBatches(lengths, 16);
    expect(batches.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
    for (const batch of batches) {
      const own = batch.map((i) => lengths[i] as number);
      expect(batch.length).toBeLessThanOrEqual(16);
      expect(Math.max(...own) - Math.min(...own)).toBeLessThan(16);
    }
  });
});

describe('scoring with a cross-encoder', () => {
  it('scores by shared words, cuts the text and never the query', async () => {
    await withEngine(crossEncoderSpec(), async (engine) => {
      const texts = ['cheap red boots', 'a dry tent', 'the tent is dry', `${'of '.repeat(200)}tent`];
      const { scores } = await engine.score({ model: 'tiny', query: 'dry tent', texts });
      expect(scores).toEqual([0, 2, 2, 0]);
      await expectCode(engine.score({ model: 'tiny', query: 'tent '.repeat(70), texts: ['a dry tent'] }), 'E_CONTEXT_OVERFLOW');
    });
  });
});

describe('tensors', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await onnxBackend.load(specOf(fixture('tensors.onnx')));
  });
  afterAll(() => engine[Symbol.asyncDispose]());

  const inputs: Record<string, Tensor> = {
    a: { dtype: 'float32', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) },
    b: { dtype: 'float32', shape: [2, 3], data: Float32Array.of(10, 20, 30, 40, 50, 60) },
    float32: { dtype: 'float32', shape: [2], data: Float32Array.of(1.5, -2) },
    float16: { dtype: 'float16', shape: [2], data: Uint16Array.of(0x3c00, 0xc000) },
    int64: { dtype: 'int64', shape: [2], data: BigInt64Array.of(-(2n ** 62n), 7n) },
    int32: { dtype: 'int32', shape: [2], data: Int32Array.of(-5, 7) },
    int8: { dtype: 'int8', shape: [2], data: Int8Array.of(-128, 127) },
    uint8: { dtype: 'uint8', shape: [2], data: Uint8Array.of(0, 255) },
    bool: { dtype: 'bool', shape: [2], data: Uint8Array.of(1, 0) },
  };
  const run = (more: Record<string, Tensor> = {}) => engine.runTensors({ model: 'tiny', inputs: { ...inputs, ...more } });

  it('tells its inputs and carries every dtype through', async () => {
    expect(engine.info.features).toEqual(['tensors']);
    expect(engine.info.inputs).toContainEqual({ name: 'a', dtype: 'float32', shape: [-1, 3] });
    const { outputs, engine: ref } = await run();
    expect(ref).toEqual({ engine: 'onnx/cpu', model: 'tiny', variant: 'fp32' });
    expect(outputs.sum).toEqual({ dtype: 'float32', shape: [2, 3], data: Float32Array.of(11, 22, 33, 44, 55, 66) });
    for (const dtype of ['float32', 'float16', 'int64', 'int32', 'int8', 'uint8', 'bool']) {
      expect(outputs[`${dtype}_out`]).toEqual(inputs[dtype]);
    }
  });

  it('names the input that does not fit, with what is expected and what was found', async () => {
    const wrong: [string, Tensor, RegExp][] = [
      ['a', { dtype: 'float32', shape: [2, 4], data: new Float32Array(8) }, /input "a".*float32 \[any, 3\].*float32 \[2, 4\]/],
      ['a', { dtype: 'int32', shape: [2, 3], data: new Int32Array(6) }, /input "a".*float32.*int32/],
      ['a', { dtype: 'float32', shape: [2, 3], data: new Int32Array(6) }, /refuses these inputs.*Float32Array/],
      ['int8', { dtype: 'int8', shape: [2, 1], data: new Int8Array(2) }, /input "int8".*\[any\].*\[2, 1\]/],
      ['extra', { dtype: 'int8', shape: [1], data: new Int8Array(1) }, /no input "extra"/],
      ['b', { dtype: 'float32', shape: [5, 3], data: new Float32Array(15) }, /refuses these inputs/],
    ];
    for (const [name, tensor, message] of wrong)
      expect((await expectCode(run({ [name]: tensor }), 'E_BAD_REQUEST')).message).toMatch(message);
    const { a: _left, ...missing } = inputs;
    expect((await expectCode(engine.runTensors({ model: 'tiny', inputs: missing }), 'E_BAD_REQUEST')).message).toMatch(/"a" is missing/);
  });

  it('does not offer tensors of types that cannot be sent', async () => {
    const features = await withEngine(specOf(fixture('strings.onnx')), async ({ info }) => info.features);
    expect(features).toEqual([]);
  });
});

describe('loading what cannot be loaded', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'onnx-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function spoiled(change: (whole: Buffer) => Buffer | string): Promise<string> {
    const path = join(folder, 'model.onnx');
    await writeFile(path, change(await readFile(fixture('encoder.onnx'))));
    return path;
  }

  it.each([
    ['a truncated file', (whole: Buffer) => whole.subarray(0, 400)],
    ['an empty file', () => ''],
    ['a text file', () => 'not a model at all'],
  ])('%s is a corrupt model', async (_what, change) => {
    await expectCode(onnxBackend.load(specOf(await spoiled(change))), 'E_MODEL_CORRUPT');
  });

  it('a missing file, a missing tokenizer and a damaged tokenizer have their codes', async () => {
    await expectCode(onnxBackend.load(specOf(join(folder, 'absent.onnx'))), 'E_MODEL_NOT_STORED');
    const weights = fixture('encoder.onnx');
    await expectCode(onnxBackend.load(specOf(weights, { tokenizer: join(folder, 'absent.json') })), 'E_MODEL_NOT_STORED');
    await expectCode(onnxBackend.load(specOf(weights, { tokenizer: await spoiled(() => '{"model":') })), 'E_MODEL_CORRUPT');
    await expectCode(onnxBackend.load(specOf(weights, { tokenizer: await spoiled(() => '{"model":{}}') })), 'E_MODEL_CORRUPT');
  });

  it('refuses a provider that is not here, with the reason, and never runs on the CPU instead', async () => {
    for (const provider of ['coreml', 'dml', 'metal']) {
      if (process.platform !== 'linux' && provider !== 'metal') continue;
      const error = await expectCode(onnxBackend.load(specOf(fixture('encoder.onnx'), { provider })), 'E_UNSUPPORTED');
      expect(error.message).toContain(`"${provider}"`);
    }
  });

  it('gives up a load that was cancelled, and tells how far a load is', async () => {
    const steps: number[] = [];
    const controller = new AbortController();
    const load = onnxBackend.load(encoderSpec(), {
      signal: controller.signal,
      onProgress: ({ done }) => {
        steps.push(done);
        controller.abort();
      },
    });
    await expectCode(load, 'E_CANCELLED');
    expect(steps).toEqual([1]);
  });
});
