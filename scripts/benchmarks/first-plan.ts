/** The first minutes of a new device: variants made, engines measured, and requests answered meanwhile. */
import { openRuntime } from '#apps/device/open-runtime.ts';
import { sleep } from '#edge/core/clock.ts';
import type { EdgeRuntime } from '#edge/runtime/edge-runtime.ts';
import { deriveMissing } from '#edge/store/extra-variants.ts';
import { type BenchContext, UNWATCHED } from './context.ts';
import { newDevice } from './fresh-home.ts';
import { type BenchRow, median } from './report.ts';

const QUESTION = 'How long do I have to return an opened tent?';
/** A question now and then, as a person asks: engines are measured between them. */
const ASK_EVERY_MS = 500;
const CALM_QUESTIONS = 20;

export interface FirstPlanReport {
  readonly rows: readonly BenchRow[];
  /** Of making the weights that are not downloaded. */
  readonly derivedSeconds: number;
  readonly calibratedSeconds: number;
  readonly measured: readonly string[];
  readonly skipped: readonly string[];
  readonly progressReports: number;
  /** Milliseconds of every question. */
  readonly calmMs: readonly number[];
  readonly busyMs: readonly number[];
}

/** Runs on a new home folder with the models as downloaded. */
export async function benchFirstPlan({ config, log, signal, onProgress }: BenchContext): Promise<FirstPlanReport> {
  using device = newDevice(config);
  await using opened = openRuntime(device.config, log);
  const { runtime, store } = opened;
  await ask(runtime);
  const calmMs: number[] = [];
  for (let i = 0; i < CALM_QUESTIONS; i++) calmMs.push(await ask(runtime));

  const done = new AbortController();
  const asking = askUntil(runtime, done.signal);
  let progressReports = 0;
  const startedAt = performance.now();
  await deriveMissing(store, { log, signal });
  const derivedAt = performance.now();
  const result = await runtime
    .calibrate({
      watchConditions: UNWATCHED,
      signal,
      onProgress: (progress) => {
        progressReports++;
        onProgress(progress);
      },
    })
    .finally(() => done.abort());
  const endedAt = performance.now();
  const figures = {
    derivedSeconds: (derivedAt - startedAt) / 1000,
    calibratedSeconds: (endedAt - derivedAt) / 1000,
    measured: result.measured.map(({ variant, backend, provider, threads }) => `${variant}/${backend}/${provider}/t${threads}`),
    skipped: result.skipped.map(({ candidateId, why, detail }) => `${candidateId}: ${why}, ${detail}`),
    progressReports,
    calmMs,
    busyMs: await asking,
  };
  return { ...figures, rows: rowsOf(figures) };
}

async function askUntil(runtime: EdgeRuntime, signal: AbortSignal): Promise<readonly number[]> {
  const tookMs: number[] = [];
  while (!signal.aborted) {
    tookMs.push(await ask(runtime));
    await sleep(ASK_EVERY_MS);
  }
  return tookMs;
}

async function ask(runtime: EdgeRuntime): Promise<number> {
  const startedAt = performance.now();
  await runtime.embed({ model: 'embed', texts: [QUESTION], purpose: 'query' });
  return performance.now() - startedAt;
}

function rowsOf({
  derivedSeconds,
  calibratedSeconds,
  measured,
  progressReports,
  calmMs,
  busyMs,
}: Omit<FirstPlanReport, 'rows'>): BenchRow[] {
  return [
    { what: 'weights made on the device', value: derivedSeconds, unit: 's' },
    {
      what: 'first plan with the calibration of the default models',
      value: calibratedSeconds,
      unit: 's',
      goal: { text: '<= 20', met: calibratedSeconds <= 20 },
    },
    { what: 'candidates measured', value: measured.length, unit: '' },
    {
      what: 'reports of progress',
      value: progressReports,
      unit: '',
      goal: { text: 'one a candidate', met: progressReports >= measured.length },
    },
    { what: 'a question embedded before (median)', value: median(calmMs), unit: 'ms' },
    {
      what: `a question embedded meanwhile (median of ${busyMs.length})`,
      value: median(busyMs),
      unit: 'ms',
      ratio: { to: 'before', value: median(busyMs) / median(calmMs) },
    },
    { what: 'a question embedded meanwhile, slowest', value: Math.max(...busyMs), unit: 'ms' },
  ];
}
