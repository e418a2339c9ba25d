/** The quantiser on real models, in its real child. What is skipped elsewhere needs /proc or /dev/full. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { llamaQuantizer, requireQuality } from '#edge/backends/llama/llama-quantize.ts';
import { loadConfig } from '#edge/config/load.ts';
import type { Progress } from '#edge/contracts/progress.ts';
import type { Quantize, QuantizeRequest } from '#edge/contracts/quantize.ts';
import { silentLogger } from '#edge/core/log.ts';
import { expectCode } from '#test/support/expect-code.ts';
import { cardOf, storedVariant } from '#test/support/models.ts';

const folder = mkdtempSync(join(tmpdir(), 'nearside-quantize-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const quantize: Quantize = llamaQuantizer(loadConfig().environment, silentLogger);
const smollm = storedVariant('smollm2-135m-instruct').files.weights as string;
/** An encoder of 36 MB, which is made and compared in two seconds. */
const encoder = new URL('../../../models/artifacts/e5-small-v2-q8_0.gguf', import.meta.url).pathname;
/** Two readings of 900 tokens by one thread, on a machine that is busy. */
const READING_MS = 240_000;

const requestOf = (over: Partial<QuantizeRequest>): QuantizeRequest => ({
  model: 'model',
  from: encoder,
  to: join(folder, 'out.gguf'),
  quantization: 'Q6_K',
  measure: 'cosine',
  signal: new AbortController().signal,
  onProgress: () => undefined,
  ...over,
});

/** Process ids of the quantisers that this process runs. */
function quantizerPids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const status = readFileSync(`/proc/${pid}/status`, 'utf8');
        return status.includes(`\nPPid:\t${process.pid}\n`) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('llama-quantize-main');
      } catch {
        return false; // It ended meanwhile.
      }
    })
    .map(Number);
}

describe('a generator', () => {
  test('in Q8_0 keeps its perplexity within 1 %, in a file of the size that the card names', { timeout: READING_MS }, async () => {
    const seen: Progress[] = [];
    const to = join(folder, 'smollm.gguf');
    const kept = await quantize(
      requestOf({ from: smollm, to, quantization: 'Q8_0', measure: 'perplexity', onProgress: (each) => seen.push(each) }),
    );
    expect(kept.measure).toBe('perplexity');
    expect(kept.derived / kept.source).toBeGreaterThan(0.99);
    expect(kept.derived / kept.source).toBeLessThan(1.01);
    expect(kept.source).toBeGreaterThan(15);
    expect(kept.source).toBeLessThan(30);
    const variant = cardOf('smollm2-135m-instruct').variants.find(({ id }) => id === 'q8_0');
    expect(readFileSync(to)).toHaveLength(variant?.files[0]?.bytes ?? 0);
    expect([...new Set(seen.map(({ label }) => label))]).toEqual(['quantising model to Q8_0', 'comparing Q8_0 of model']);
    expect(seen.at(-1)).toMatchObject({ done: 100, total: 100 });
  });

  test('in Q4_0 made of Q4_1 loses a fifth, and is refused with both numbers', { timeout: READING_MS }, async () => {
    const to = join(folder, 'lossy.gguf');
    const lost = await expectCode(quantize(requestOf({ from: smollm, to, quantization: 'Q4_0', measure: 'perplexity' })), 'E_QUALITY_LOST');
    const { source, derived } = lost.details as { source: number; derived: number };
    expect(derived / source).toBeGreaterThan(1.1);
    expect(lost.message).toContain(derived.toFixed(2));
    expect(lost.message).toContain(source.toFixed(2));
  });
});

describe('an encoder', () => {
  test('in Q6_K keeps its vectors', { timeout: READING_MS }, async () => {
    const kept = await quantize(requestOf({}));
    expect(kept).toMatchObject({ measure: 'cosine', source: 1 });
    expect(kept.derived).toBeGreaterThan(0.999);
    expect(kept.derived).toBeLessThan(1);
  });

  test('in Q4_0 does not', { timeout: READING_MS }, async () => {
    const lost = await expectCode(quantize(requestOf({ quantization: 'Q4_0' })), 'E_QUALITY_LOST');
    expect(lost.details).toMatchObject({ measure: 'cosine', derived: expect.closeTo(0.985, 2) });
  });
});

describe('a source that cannot be read', () => {
  test.each([
    ['HTML', (path: string) => writeFileSync(path, '<html>please log in</html>')],
    ['an empty file', (path: string) => writeFileSync(path, '')],
    ['a file that was cut', (path: string) => truncateSync(path, 20_000_000)],
  ])('%s is a coded error with what llama.cpp said', async (_, damage) => {
    const from = join(folder, 'damaged.gguf');
    await copyFile(encoder, from);
    damage(from);
    const error = await expectCode(quantize(requestOf({ from })), 'E_MODEL_CORRUPT');
    expect(error.message).toMatch(/found .+/);
    expect(quantizerPids()).toEqual([]);
  });

  test('a file that is not there', async () => {
    await expectCode(quantize(requestOf({ from: join(folder, 'nowhere.gguf') })), 'E_MODEL_NOT_STORED');
  });
});

test.skipIf(process.platform !== 'linux')('a disk that is full is told from a bad source', async () => {
  await expectCode(quantize(requestOf({ to: '/dev/full' })), 'E_DISK_FULL');
});

describe.skipIf(process.platform !== 'linux')('the child', () => {
  test('that is killed in mid-work is an error which names the signal', async () => {
    let killed = false;
    const onProgress = (): void => {
      if (killed) return;
      killed = true;
      for (const pid of quantizerPids()) process.kill(pid, 'SIGSEGV');
    };
    const error = await expectCode(quantize(requestOf({ onProgress })), 'E_ENGINE_CRASHED');
    expect(error.message).toContain('SIGSEGV');
  });

  test('is gone when a cancelled call has failed', async () => {
    const controller = new AbortController();
    await expectCode(quantize(requestOf({ signal: controller.signal, onProgress: () => controller.abort() })), 'E_CANCELLED');
    expect(quantizerPids()).toEqual([]);
  });

  test('does not start for a call that was cancelled before', async () => {
    const to = join(folder, 'never.gguf');
    await expectCode(quantize(requestOf({ to, signal: AbortSignal.abort() })), 'E_CANCELLED');
    expect(existsSync(to)).toBe(false);
  });
});

test('a perplexity that is no number is no quality', () => {
  const subject = { model: 'm', quantization: 'Q8_0' } as const;
  expect(() => requireQuality({ measure: 'perplexity', source: 20, derived: Number.NaN }, subject)).toThrow('lost too much');
  expect(() => requireQuality({ measure: 'perplexity', source: 20, derived: 20.21 }, subject)).toThrow('20.20');
  expect(() => requireQuality({ measure: 'perplexity', source: 20, derived: 20.19 }, subject)).not.toThrow();
  expect(() => requireQuality({ measure: 'cosine', source: 1, derived: 0.9899 }, subject)).toThrow('0.9899');
});
