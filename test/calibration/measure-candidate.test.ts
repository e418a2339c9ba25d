/** A candidate in a process of its own: what a measurement holds, and how each way to fail ends. */
import { mkdtempSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { WatchConditions } from '#edge/calibration/conditions.ts';
import {
  blamesCandidate,
  type MeasureCandidateOptions,
  type MeasuredCandidate,
  measureCandidate,
} from '#edge/calibration/measure-candidate.ts';
import type { LoadSpec } from '#edge/contracts/backend.ts';
import type { GoldenCase } from '#edge/contracts/model.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { silentLogger } from '#edge/core/log.ts';
import { systemIo } from '#edge/hardware/probe-io.ts';
import { loadCatalog } from '#edge/store/catalog.ts';
import { expectCode } from '#test/support/expect-code.ts';
import { fakeSpec } from '#test/support/fake-model.ts';
import { pulledVariant } from '#test/support/pulled-variant.ts';
import { specOf } from './fixtures.ts';

const undisturbed: WatchConditions = async () => ({ disturbance: async () => undefined });

function measure(spec: LoadSpec, more: Partial<MeasureCandidateOptions> = {}): Promise<MeasuredCandidate> {
  return measureCandidate({
    spec,
    card: {},
    task: 'embed',
    fingerprint: 'here',
    environment: process.env,
    io: systemIo(),
    watchConditions: undisturbed,
    log: silentLogger,
    budgetMs: 50,
    ...more,
  });
}

describe('a measurement', () => {
  it('holds what identifies the candidate, its rates, and what it took', async () => {
    const { measurement, disturbance } = await measure({ ...fakeSpec(), threads: 3 });
    expect(disturbance).toBeUndefined();
    expect(measurement).toMatchObject({
      modelSha256: '0'.repeat(64),
      variant: 'words',
      backend: 'fake',
      backendVersion: '1.0.0',
      provider: 'cpu',
      threads: 3,
      fingerprint: 'here',
    });
    expect(measurement.rates.short).toBeGreaterThan(0);
    expect(measurement.rates.long).toBeGreaterThan(0);
    expect(measurement.loadMs).toBeGreaterThan(10);
    expect(measurement.residentBytes).toBeGreaterThan(20_000_000);
    expect(Math.abs(measurement.atMs - Date.now())).toBeLessThan(60_000);
    expect(measurement).not.toHaveProperty('joules');
  });

  it('tells what disturbed it', async () => {
    const pids: (number | undefined)[] = [];
    const watchConditions: WatchConditions = async ({ pid }) => {
      pids.push(pid);
      return { disturbance: async () => 'other work took 1.9 of 2 cores' };
    };
    expect((await measure(fakeSpec(), { watchConditions })).disturbance).toBe('other work took 1.9 of 2 cores');
    expect(pids[0]).toBeGreaterThan(1);
    expect(pids[0]).not.toBe(process.pid);
  });

  it.each(['int8', 'int8-tflite', 'q8_0'])('of e5-small-v2 %s is taken with its golden cases', { timeout: 180_000 }, async (variant) => {
    const stored = await pulledVariant('e5-small-v2', variant);
    const { measurement } = await measure(specOf(stored), { card: loadCatalog().get('e5-small-v2'), budgetMs: 300 });
    expect(measurement.modelSha256).toBe(stored.sha256);
    expect(measurement.rates.short).toBeGreaterThan(measurement.rates.long ?? Number.POSITIVE_INFINITY);
    expect(measurement.residentBytes).toBeGreaterThan(stored.bytes);
    expect(measurement.backendVersion).toMatch(/\d/);
  });

  it('of smollm2-135m-instruct tells prefill and decode', { timeout: 180_000 }, async () => {
    const stored = await pulledVariant('smollm2-135m-instruct', 'q4_1');
    const { measurement } = await measure(specOf(stored), { card: loadCatalog().get(stored.model), task: 'generate', budgetMs: 300 });
    // Reading many tokens at once is quicker than writing them one by one, however loaded the machine is.
    expect(measurement.rates.prefill).toBeGreaterThan(measurement.rates.decode ?? Number.POSITIVE_INFINITY);
  });
});

describe('a failure ends with the code of its class, and blames the candidate:', () => {
  const blamed = async (call: Promise<unknown>, code: string): Promise<EdgeError> => {
    const error = await expectCode(call, code);
    expect(blamesCandidate(error)).toBe(true);
    return error;
  };
  const goOn = (fault: string): readonly GoldenCase[] => [{ kind: 'continuation', prompt: `Go on ${fault}`, startsWith: 'a longer text' }];

  it('a crash while loading', async () => {
    const error = await blamed(measure(fakeSpec('some words [crash]')), 'E_ENGINE_CRASHED');
    expect(error.message).toContain('SIGKILL');
  });

  it('a crash while it is verified', async () => {
    await blamed(measure(fakeSpec(), { card: { golden: goOn('[crash]') } }), 'E_ENGINE_CRASHED');
  });

  it('a crash while it is measured, though the call works when it is repeated', async () => {
    const watchConditions: WatchConditions = async ({ pid = 0 }) => {
      process.kill(pid, 'SIGSEGV');
      return { disturbance: async () => undefined };
    };
    const error = await blamed(measure(fakeSpec(), { watchConditions }), 'E_ENGINE_CRASHED');
    expect(error.message).toContain('SIGSEGV');
  });

  it('a hang while loading', async () => {
    await blamed(measure(fakeSpec('some words [hang]'), { deadlineMs: 1500 }), 'E_DEADLINE');
  });

  it('a hang while it is verified', async () => {
    await blamed(measure(fakeSpec(), { card: { golden: goOn('[hang]') }, deadlineMs: 1500 }), 'E_DEADLINE');
  });

  it('wrong answers', async () => {
    const golden = [{ kind: 'tensor', tolerance: 0.01, outputs: { doubled: [0, 1] } }] as const;
    await blamed(measure(fakeSpec(), { card: { golden } }), 'E_GOLDEN_MISMATCH');
  });

  it('no model file at all', async () => {
    // The file is to blame, and can be fetched anew.
    expect(blamesCandidate(await expectCode(measure(fakeSpec('123 456')), 'E_MODEL_CORRUPT'))).toBe(false);
  });

  it.each([
    ['e5-small-v2', 'int8'],
    ['e5-small-v2', 'int8-tflite'],
    ['e5-small-v2', 'q8_0'],
  ])('a truncated file of %s %s', { timeout: 120_000 }, async (model, variant) => {
    const stored = await pulledVariant(model, variant);
    const weights = join(mkdtempSync(join(tmpdir(), 'nearside-truncated-')), 'weights');
    writeFileSync(weights, readFileSync(stored.files.weights ?? ''));
    truncateSync(weights, Math.round(stored.bytes / 2));
    const spec = specOf({ ...stored, files: { ...stored.files, weights } });
    const error = await measure(spec, { card: loadCatalog().get(model) }).catch((reason: unknown) => reason);
    expect(EdgeError.is(error, 'E_MODEL_CORRUPT'), String(error)).toBe(true);
    expect(blamesCandidate(error as EdgeError)).toBe(false);
  });
});

it('a cancellation blames nobody, and leaves no process', async () => {
  const controller = new AbortController();
  let pid = 0;
  const watchConditions: WatchConditions = async (measured) => {
    pid = measured.pid ?? 0;
    controller.abort();
    return { disturbance: async () => undefined };
  };
  const error = await expectCode(measure(fakeSpec(), { signal: controller.signal, watchConditions }), 'E_CANCELLED');
  expect(blamesCandidate(error)).toBe(false);
  expect(() => process.kill(pid, 0)).toThrow();
});
