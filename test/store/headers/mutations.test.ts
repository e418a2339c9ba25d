/** Damaged files, by the thousand: what is read stays bounded, and the answer is a header or a coded error. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { EdgeError } from '#edge/core/errors.ts';
import { HEADER_LIMIT_BYTES } from '#edge/store/headers/bounded-reader.ts';
import { readHeader } from '#edge/store/headers/read-header.ts';
import { pulledVariant } from '#test/support/pulled-variant.ts';
import { generatorFile } from '../gguf-file.ts';
import { MemorySource } from './memory-source.ts';

/** Values that break a reader sooner than others. */
const NASTY: readonly number[] = [0, 1, 0x7f, 0x80, 0xff];

/** Uniform numbers below a limit from a seed (Park and Miller, 1988), so that a failure can be repeated. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed * 48_271 + 1;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}

/** Changes up to eight places among the first `within` bytes, and cuts every fourth file. */
function damage(whole: Buffer, within: number, seed: number): Buffer {
  const random = randomFrom(seed);
  const bytes = Buffer.from(whole);
  for (let count = random(8) + 1; count > 0; count--) {
    const at = random(within);
    const run = random(3) === 0 ? 8 : 1;
    bytes.fill(NASTY[random(NASTY.length)] ?? random(256), at, Math.min(at + run, bytes.length));
  }
  return random(4) === 0 ? bytes.subarray(0, random(bytes.length)) : bytes;
}

async function survive(bytes: Buffer, seed: number): Promise<'read' | 'refused'> {
  const source = new MemorySource(bytes);
  const outcome = await readHeader(source).then(
    (header) => {
      expect(Number.isFinite(header.weightBytes + header.parameters + header.bitsPerWeight), `seed ${seed}`).toBe(true);
      return 'read' as const;
    },
    (error: unknown) => {
      expect(EdgeError.is(error, 'E_MODEL_CORRUPT') || EdgeError.is(error, 'E_MODEL_FORMAT'), `seed ${seed}: ${error}`).toBe(true);
      return 'refused' as const;
    },
  );
  expect(source.bytesRead, `seed ${seed}`).toBeLessThanOrEqual(Math.min(HEADER_LIMIT_BYTES, 3 * bytes.length + 128 * 1024));
  return outcome;
}

async function surviveAll(whole: Buffer, within: number, count: number): Promise<void> {
  const outcomes = { read: 0, refused: 0 };
  for (let seed = 1; seed <= count; seed++) outcomes[await survive(damage(whole, within, seed), seed)]++;
  expect(outcomes.refused).toBeGreaterThan(count / 20);
}

describe('damaged copies', () => {
  test('of a small GGUF', () => surviveAll(generatorFile(4096), 700, 1500));

  test('of a real GGUF', async () => {
    const { files } = await pulledVariant('e5-small-v2', 'q8_0');
    const header = readFileSync(files.weights as string).subarray(0, 1024 * 1024);
    await surviveAll(header, 2000, 25);
  });

  test('of a real TFLite file', async () => {
    const { files } = await pulledVariant('hand-landmark-lite', 'fp16');
    const whole = readFileSync(files.weights as string);
    await surviveAll(whole, whole.length, 60);
  });

  test('of a real ONNX file', async () => {
    const { files } = await pulledVariant('e5-small-v2', 'int8');
    // The names of the graph's nodes come first.
    const start = readFileSync(files.weights as string).subarray(0, 400_000);
    await surviveAll(start, start.length, 60);
  });
});
