import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { CalibrationJob } from '#apps/device/calibration-job.ts';
import { openModelStore } from '#apps/device/device.ts';
import type { CalibrationResult, SkippedCandidate } from '#edge/calibration/calibrate.ts';
import { loadConfig } from '#edge/config/load.ts';
import { sleep } from '#edge/core/clock.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { createLogger, silentLogger } from '#edge/core/log.ts';
import { makeHome } from '#test/support/home.ts';

const MINUTE_MS = 60_000;
const store = openModelStore(loadConfig({ home: makeHome({ models: false }), environment: {} }), silentLogger);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
});

afterEach(() => {
  vi.useRealTimers();
});

function resultOf(...why: readonly SkippedCandidate['why'][]): CalibrationResult {
  return { measured: [], disturbed: [], skipped: why.map((one) => ({ candidateId: 'm', why: one, detail: '' })) };
}

interface Started {
  readonly job: CalibrationJob;
  /** Minutes after its start, in halves, at which the job calibrated. */
  readonly runs: number[];
  readonly events: string[];
}

function start(calibrate: (signal?: AbortSignal) => Promise<CalibrationResult>): Started {
  const runs: number[] = [];
  const events: string[] = [];
  const log = createLogger({ level: 'info', format: 'json', write: (line) => events.push(JSON.parse(line).event) });
  const begunAt = Date.now();
  const runtime = {
    calibrate: ({ signal }: { readonly signal?: AbortSignal } = {}) => {
      runs.push(Math.round((2 * (Date.now() - begunAt)) / MINUTE_MS) / 2);
      return calibrate(signal);
    },
  };
  const job = new CalibrationJob({ runtime, store, log });
  job.start();
  return { job, runs, events };
}

it('measures after the start, soon again what was put off, ever later, and looks again from time to time when all is done', async () => {
  const results = [resultOf('disturbed'), resultOf('no-time', 'failed'), resultOf('failed'), resultOf()];
  const { job, runs } = start(async () => results.shift() ?? resultOf());
  await vi.advanceTimersByTimeAsync(25 * MINUTE_MS);
  expect(runs).toEqual([0, 0.5, 1.5, 11.5, 21.5]);
  await job[Symbol.asyncDispose]();
});

it('goes on after a calibration that failed', async () => {
  let fails = 2;
  const { job, runs, events } = start(async () => {
    if (fails-- > 0) throw new EdgeError('E_LOCKED', { what: 'another process has the file' });
    return resultOf();
  });
  await vi.advanceTimersByTimeAsync(5 * MINUTE_MS);
  expect(runs).toEqual([0, 0.5, 1.5]);
  expect(events.filter((event) => event === 'calibration failed')).toHaveLength(2);
  await job[Symbol.asyncDispose]();
});

it('ends a calibration under way with the device, and says nothing of it', async () => {
  const { job, events } = start(async (signal) => {
    await sleep(MINUTE_MS, signal);
    return resultOf();
  });
  await vi.advanceTimersByTimeAsync(2000);
  await job[Symbol.asyncDispose]();
  expect(vi.getTimerCount()).toBe(0);
  expect(events).toEqual([]);
});
