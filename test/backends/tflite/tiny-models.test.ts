import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tfliteBackend } from '#edge/backends/tflite/tflite-backend.ts';
import type { Engine, LoadSpec } from '#edge/contracts/backend.ts';
import type { Tensor } from '#edge/contracts/tensor.ts';
import { expectCode } from '#test/support/expect-code.ts';
import { encoderSpec, fixture, specOf } from './fixtures.ts';

async function withEngine<T>(spec: LoadSpec, use: (engine: Engine) => Promise<T>): Promise<T> {
  await using engine = await tfliteBackend.load(spec);
  return await use(engine);
}

const embed = (engine: Engine, texts: string[], purpose: 'query' | 'passage' | 'plain' = 'plain') =>
  engine.embed({ model: 'tiny', texts, purpose, output: 'tokens' });

/** The row of a word in the encoder's table, as `make.py` writes it. */
const row = (id: number): number[] => [Math.sin(id + 1), Math.cos(2 * id), Math.sin(3 * id + 2), Math.cos(id * id)];

function unit(vector: readonly number[]): number[] {
  return vector.map((value) => value / Math.hypot(...vector));
}

describe('embedding', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await tfliteBackend.load(encoderSpec());
  });
  afterAll(() => engine[Symbol.asyncDispose]());

  it('takes its input length from the longest signature', () => {
    expect(engine.info).toMatchObject({ features: ['embed', 'token-vectors', 'tensors'], contextTokens: 32 });
  });

  it('pools over the tokens and not over the padding, whichever signature takes the text', async () => {
    for (const words of [1, 6, 7, 14, 15, 30]) {
      const [vector] = (await embed(engine, ['tent '.repeat(words)])).vectors;
      const sum = row(2).map((value, axis) => value + words * (row(8)[axis] as number) + (row(3)[axis] as number));
      for (const [axis, value] of unit(sum).entries()) expect(vector?.[axis]).toBeCloseTo(value, 5);
    }
  });

  it('gives a unit row for each token of the text, without prefix and special tokens', async () => {
    const { tokenVectors, promptTokens } = await embed(engine, ['the raincoats'], 'query');
    expect(promptTokens).toBe(8);
    expect(tokenVectors?.[0]).toMatchObject({ rows: 4, tokens: ['the', 'rain', '##coat', '##s'] });
    for (const [axis, value] of unit(row(9)).entries()) expect(tokenVectors?.[0]?.data[4 + axis]).toBeCloseTo(value, 5);
  });

  it('cuts what is longer than the longest signature, and keeps the closing token', async () => {
    const response = await embed(engine, ['tent '.repeat(100), 'tent', 'tent '.repeat(2_000_000)]);
    expect(response).toMatchObject({ promptTokens: 32 + 3 + 32, truncated: 2 });
    expect(response.tokenVectors?.map(({ rows }) => rows)).toEqual([30, 1, 30]);
    expect(response.vectors[0]).toEqual(response.vectors[2]);
  });

  it('keeps to a shorter input length that the load asks for', async () => {
    await withEngine(encoderSpec({ contextTokens: 10 }), async (short) => {
      expect(short.info.contextTokens).toBe(10);
      expect(await embed(short, ['tent '.repeat(20)])).toMatchObject({ promptTokens: 10, truncated: 1 });
    });
  });

  it('does not embed where the card says another size than the file gives, or says nothing', async () => {
    const profile = encoderSpec().embedding;
    if (!profile) throw new TypeError('no profile');
    for (const embedding of [{ ...profile, dimensions: 8 }, undefined]) {
      const { embedding: _left, ...spec } = encoderSpec();
      await withEngine(embedding ? { ...spec, embedding } : spec, async ({ info }) => expect(info.features).toEqual(['tensors']));
    }
  });
});

describe('tensors', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await tfliteBackend.load(specOf(fixture('tflite/tensors.tflite')));
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
  const rows = (count: number): Tensor => ({ dtype: 'float32', shape: [count, 3], data: new Float32Array(3 * count).fill(count) });

  it('tells its inputs and carries every dtype through', async () => {
    expect(engine.info.features).toEqual(['tensors']);
    expect(engine.info.inputs).toContainEqual({ name: 'a', dtype: 'float32', shape: [-1, 3] });
    const { outputs, engine: ref } = await run();
    expect(ref).toEqual({ engine: 'tflite/cpu', model: 'tiny', variant: 'fp32' });
    expect(outputs.sum).toEqual({ dtype: 'float32', shape: [2, 3], data: Float32Array.of(11, 22, 33, 44, 55, 66) });
    for (const dtype of ['float32', 'float16', 'int64', 'int32', 'int8', 'uint8', 'bool']) {
      expect(outputs[`${dtype}_out`]).toEqual(inputs[dtype]);
    }
  });

  it('takes another size of a free dimension with each call, side by side', async () => {
    const sizes = [1, 7, 2, 2, 1000, 1];
    const answers = await Promise.all(sizes.map((count) => run({ a: rows(count), b: rows(count) })));
    for (const [index, count] of sizes.entries()) {
      expect(answers[index]?.outputs.sum).toEqual({
        dtype: 'float32',
        shape: [count, 3],
        data: new Float32Array(3 * count).fill(2 * count),
      });
    }
  });

  it('names the input that does not fit, with what is expected and what was found, and goes on serving', async () => {
    const wrong: [string, Tensor, RegExp][] = [
      ['a', { dtype: 'float32', shape: [2, 4], data: new Float32Array(8) }, /input "a".*float32 \[any, 3\].*float32 \[2, 4\]/],
      ['a', { dtype: 'int32', shape: [2, 3], data: new Int32Array(6) }, /input "a".*float32.*int32/],
      ['int8', { dtype: 'int8', shape: [2], data: new Int32Array(2) }, /input "int8".*Int8Array.*Int32Array/],
      ['int8', { dtype: 'int8', shape: [2, 1], data: new Int8Array(2) }, /input "int8".*\[2\].*\[2, 1\]/],
      ['extra', { dtype: 'int8', shape: [1], data: new Int8Array(1) }, /no input "extra"/],
      ['b', rows(5), /refuses these inputs/],
      ['b', rows(0), /refuses these inputs/],
    ];
    for (const [name, tensor, message] of wrong) {
      expect((await expectCode(run({ [name]: tensor }), 'E_BAD_REQUEST')).message).toMatch(message);
    }
    const { a: _left, ...missing } = inputs;
    expect((await expectCode(engine.runTensors({ model: 'tiny', inputs: missing }), 'E_BAD_REQUEST')).message).toMatch(/"a" is missing/);
    expect((await run()).outputs.sum?.data[0]).toBe(11);
  });

  it('chooses the signature that takes the inputs', async () => {
    await withEngine(specOf(fixture('tflite/signatures.tflite')), async (both) => {
      const x: Tensor = { dtype: 'float32', shape: [2], data: Float32Array.of(1, 2) };
      const long: Tensor = { dtype: 'float32', shape: [3], data: Float32Array.of(1, 2, 3) };
      const call = (tensors: Record<string, Tensor>) => both.runTensors({ model: 'tiny', inputs: tensors });
      expect((await call({ x })).outputs).toEqual({ y: { ...x, data: Float32Array.of(2, 4) } });
      expect((await call({ x: long, y: long })).outputs).toEqual({ z: { ...long, data: Float32Array.of(2, 4, 6) } });
      expect((await expectCode(call({ x: long }), 'E_BAD_REQUEST')).message).toMatch(/signature "double"; 1 more/);
    });
  });

  it('tells scale and zero point of quantised tensors', async () => {
    await withEngine(specOf(fixture('tflite/quantised.tflite')), async (quantised) => {
      const quantization = { scale: 0.5, zeroPoint: -3 };
      expect(quantised.info.inputs).toEqual([{ name: 'x', dtype: 'int8', shape: [4], quantization }]);
      const x: Tensor = { dtype: 'int8', shape: [4], data: Int8Array.of(-128, -3, 0, 127) };
      expect((await quantised.runTensors({ model: 'tiny', inputs: { x } })).outputs.y).toEqual({ ...x, shape: [2, 2] });
    });
  });

  it('does not offer tensors of types that cannot be sent', async () => {
    expect(await withEngine(specOf(fixture('tflite/strings.tflite')), async ({ info }) => info.features)).toEqual([]);
  });
});

describe('a long run', () => {
  const x: Tensor = { dtype: 'float32', shape: [1_000_000], data: new Float32Array(1_000_000).fill(1e-9) };

  it('leaves the event loop free', async () => {
    await withEngine(specOf(fixture('tflite/slow.tflite')), async (engine) => {
      let turns = 0;
      const timer = setInterval(() => turns++, 1);
      await engine.runTensors({ model: 'tiny', inputs: { x } });
      clearInterval(timer);
      expect(turns).toBeGreaterThan(5);
    });
  });

  it('is stopped between two operators, and so are those that wait in line', async () => {
    await withEngine(specOf(fixture('tflite/slow.tflite')), async (engine) => {
      const controller = new AbortController();
      const { signal } = controller;
      const calls = [1, 2, 3].map(() => expectCode(engine.runTensors({ model: 'tiny', inputs: { x } }, { signal }), 'E_CANCELLED'));
      await setTimeout(10);
      controller.abort();
      await Promise.all(calls);
      expect((await engine.runTensors({ model: 'tiny', inputs: { x } })).outputs.y?.shape).toEqual([1_000_000]);
    });
  });
});
