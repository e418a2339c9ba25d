import { expect, it, vi } from 'vitest';
import { CalibrationStore } from '#edge/calibration/calibration-store.ts';
import type { GenerateRequest } from '#edge/contracts/generate.ts';
import type { Measurement } from '#edge/contracts/plan.ts';
import type { TelemetryEvent } from '#edge/contracts/telemetry.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { createLogger, silentLogger } from '#edge/core/log.ts';
import { DriftWatch } from '#edge/runtime/drift-watch.ts';

const measured: Measurement = {
  modelSha256: 'a',
  variant: 'q4_1',
  backend: 'llama',
  backendVersion: '1',
  provider: 'cpu',
  threads: 2,
  fingerprint: 'board',
  rates: { prefill: 300, decode: 100 },
  loadMs: 1,
  residentBytes: 1,
  atMs: Date.now(),
};
const candidate = { id: 'chat/q4_1/llama/cpu/t2', model: 'chat', measured };
const usage = { promptTokens: 300, completionTokens: 101, cachedTokens: 0 };

const request: GenerateRequest = { model: 'chat', prompt: 'one' };

function generation(watch: DriftWatch, factor: number, more: Partial<GenerateRequest> = {}): void {
  const timings = { totalMs: 0, prefillMs: 1000 * factor, decodeMs: 1000 * factor };
  watch.sawGeneration(candidate, { ...request, ...more }, { usage, timings });
}

/** Generations, five seconds apart, on an engine that takes `factor` times as long as measured. */
function run(factor: number, saw = generation): { readonly events: readonly TelemetryEvent[]; readonly left: number } {
  vi.useFakeTimers({ now: Date.now(), toFake: ['performance', 'Date'] });
  using calibration = new CalibrationStore({ path: ':memory:', log: silentLogger });
  calibration.saveMeasurement(measured);
  const events: TelemetryEvent[] = [];
  const watch = new DriftWatch({
    calibration,
    recorder: { event: (event) => events.push(event), observe: () => undefined },
    log: silentLogger,
  });
  for (let call = 0; call < 30; call++) {
    saw(watch, factor);
    vi.advanceTimersByTime(5000);
  }
  vi.useRealTimers();
  return { events, left: calibration.measurements('board', Date.now()).length };
}

it('forgets what an engine was measured at when it has been far slower for long, and tells the fleet once', () => {
  const { events, left } = run(4);
  expect(left).toBe(0);
  expect(events).toMatchObject([{ lane: 'alerts', name: 'nearside.engine.drifted', attributes: { 'gen_ai.request.model': 'chat' } }]);
});

it('keeps a measurement that holds', () => {
  expect(run(1.2)).toEqual({ events: [], left: 1 });
});

it('counts only calls that are like those that were measured', () => {
  expect(run(4, (watch, factor) => generation(watch, factor, { grammar: 'root ::= "a"' })).left).toBe(1);
  const encoder = { ...candidate, measured: { ...measured, rates: { short: 100, long: 20 } } };
  const texts = (count: number, output: 'pooled' | 'tokens') => (watch: DriftWatch, factor: number) =>
    watch.sawTexts(encoder, { model: 'e', purpose: 'plain', texts: Array(count).fill('a'), output }, 16 * count, (factor * count) / 100);
  expect(run(4, texts(1, 'pooled')).left).toBe(0);
  expect(run(4, texts(1, 'tokens')).left).toBe(1);
  expect(run(4, texts(32, 'pooled')).left).toBe(1);
});

it('forgets what an older version of the library did', () => {
  using calibration = new CalibrationStore({ path: ':memory:', log: silentLogger });
  const watch = new DriftWatch({ calibration, recorder: { event: () => undefined, observe: () => undefined }, log: silentLogger });
  const versions = () => calibration.measurements('board', Date.now()).map(({ backendVersion }) => backendVersion);
  calibration.saveMeasurement(measured);
  watch.sawVersion(candidate, '1');
  expect(versions()).toEqual(['1']);
  calibration.saveMeasurement({ ...measured, threads: 1, backendVersion: '2' });
  watch.sawVersion(candidate, '2');
  expect(versions()).toEqual(['2']);
});

it('never fails the call that it looks at, when nothing can be written', () => {
  vi.useFakeTimers({ now: Date.now(), toFake: ['performance', 'Date'] });
  const lines: string[] = [];
  const watch = new DriftWatch({
    calibration: {
      forgetMeasurements: () => {
        throw new EdgeError('E_DISK_FULL', { what: 'no space' });
      },
    },
    recorder: { event: () => undefined, observe: () => undefined },
    log: createLogger({ level: 'warn', format: 'json', write: (line) => lines.push(JSON.parse(line).event) }),
  });
  for (let call = 0; call < 30; call++) {
    generation(watch, 4);
    vi.advanceTimersByTime(5000);
  }
  vi.useRealTimers();
  expect(lines).toEqual(['engine drifted from its measurement', 'measurements are not forgotten']);
});
