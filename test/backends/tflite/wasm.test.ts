import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tfliteBackend } from '#edge/backends/tflite/tflite-backend.ts';
import { LITERT_JS_VERSION } from '#edge/backends/tflite/tflite-wasm.ts';
import type { EmbedRequest } from '#edge/contracts/embed.ts';
import { describeBackend } from '#test/contract/backend.contract.ts';
import { expectCode } from '#test/support/expect-code.ts';
import { pulledWasm } from '#test/support/pulled-variant.ts';
import { encoderSpec, fixture, handSpec, onWasm, retrievalSpec, specOf } from './fixtures.ts';

const NO_GENERATION = { feature: 'generate', reason: 'LiteRT has no decoding loop; llama generates' } as const;
const NO_SCORES = { feature: 'score', reason: 'no cross-encoder is made for TFLite' } as const;
const NO_TEXT = [
  { feature: 'embed', reason: 'no text signature' },
  { feature: 'token-vectors', reason: 'no text signature' },
] as const;

const retrieval = await onWasm(await retrievalSpec());
const hand = await onWasm(handSpec);
const { library, loader } = await pulledWasm();
describeBackend('tflite on WebAssembly (e5-small-v2)', () => retrieval, { unsupported: [NO_GENERATION, NO_SCORES] });
describeBackend('tflite on WebAssembly (hand landmarks)', () => hand, { unsupported: [NO_GENERATION, NO_SCORES, ...NO_TEXT] });

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tflite-wasm-'));
});
afterAll(() => rm(folder, { recursive: true }));

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array): number => x.reduce((sum, value, index) => sum + value * (y[index] as number), 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

describe('provider "wasm"', () => {
  it('gives the vectors of the native library, through signatures of every length', async () => {
    await using native = await tfliteBackend.load(await retrievalSpec());
    await using wasm = await tfliteBackend.load(retrieval);
    expect(wasm.info).toMatchObject({ provider: 'wasm', version: LITERT_JS_VERSION, threads: 1, features: native.info.features });
    const texts = [
      'tent',
      'How long do I have to return an opened tent?',
      'Une tente ouverte. '.repeat(12),
      'rain '.repeat(100),
      'x '.repeat(400),
    ];
    const request: EmbedRequest = { model: 'e5-small-v2', texts, purpose: 'passage', output: 'tokens' };
    const [expected, found] = [await native.embed(request), await wasm.embed(request)];
    expect(found.promptTokens).toBe(expected.promptTokens);
    for (const [at, vector] of found.vectors.entries()) {
      expect(cosine(vector, expected.vectors[at] as Float32Array), texts[at]?.slice(0, 20)).toBeGreaterThan(0.999);
      const [rows, native] = [found.tokenVectors?.[at], expected.tokenVectors?.[at]];
      expect(rows?.tokens).toEqual(native?.tokens);
      expect(cosine(rows?.data as Float32Array, native?.data as Float32Array)).toBeGreaterThan(0.999);
    }
  });

  it('takes the signature that fits, and carries int8 tensors', async () => {
    await using two = await tfliteBackend.load(await onWasm(specOf(fixture('tflite/signatures.tflite'))));
    const tensor = (...values: number[]) => ({ dtype: 'float32', shape: [values.length], data: Float32Array.from(values) }) as const;
    const double = await two.runTensors({ model: 'tiny', inputs: { x: tensor(1, 2) } });
    expect(double.outputs.y?.data).toEqual(Float32Array.of(2, 4));
    const sum = await two.runTensors({ model: 'tiny', inputs: { x: tensor(1, 2, 3), y: tensor(10, 20, 30) } });
    expect(sum.outputs.z?.data).toEqual(Float32Array.of(11, 22, 33));
    await using quantised = await tfliteBackend.load(await onWasm(specOf(fixture('tflite/quantised.tflite'))));
    const x = { dtype: 'int8', shape: [4], data: Int8Array.of(-128, -1, 0, 127) } as const;
    expect((await quantised.runTensors({ model: 'tiny', inputs: { x } })).outputs.y).toEqual({ ...x, shape: [2, 2] });
  });

  it('refuses a graph with free dimensions, which it would answer with noise', async () => {
    const error = await expectCode(tfliteBackend.load(await onWasm(specOf(fixture('tflite/tensors.tflite')))), 'E_UNSUPPORTED');
    expect(error.message).toContain('"a" of shape [-1, 3]');
    expect(error.details).toMatchObject({ rejection: 'io-dtype-unsupported' });
  });

  it('and the native ones refuse the library of the other', async () => {
    await expectCode(tfliteBackend.load({ ...retrieval, provider: 'cpu' }), 'E_UNSUPPORTED');
    const error = await expectCode(tfliteBackend.load(encoderSpec({ provider: 'wasm' })), 'E_UNSUPPORTED');
    expect(error.hint).toContain('Use provider "cpu"');
  });

  it('says which file of the library is missing or damaged, and the next load works', async () => {
    const spec = await onWasm(specOf(fixture('tflite/encoder.tflite')));
    const written = async (name: string, content: Buffer | string): Promise<string> => {
      await writeFile(join(folder, name), content);
      return join(folder, name);
    };
    const cut = await written('cut.wasm', (await readFile(library)).subarray(0, 100_000));
    const page = await written('page.js', '<html>not found</html>');
    const other = await written('other.js', 'module.exports = { version: 1 };');
    for (const files of [
      { library: join(folder, 'absent'), loader },
      { library: cut, loader },
      { library, loader: page },
      { library, loader: other },
    ]) {
      const error = await expectCode(
        tfliteBackend.load({ ...spec, stored: { ...spec.stored, files: { ...spec.stored.files, ...files } } }),
        'E_MODEL_LOAD',
      );
      expect(error.message).toContain(files.library);
    }
    await (await tfliteBackend.load(spec))[Symbol.asyncDispose]();
  });

  it('runs a graph that no delegate takes', async () => {
    await using slow = await tfliteBackend.load(await onWasm(specOf(fixture('tflite/slow.tflite'))));
    const x = { dtype: 'float32', shape: [1_000_000], data: new Float32Array(1_000_000) } as const;
    expect((await slow.runTensors({ model: 'tiny', inputs: { x } })).outputs.y?.data.length).toBe(1_000_000);
  });
});
