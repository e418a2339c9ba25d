/** A whole calibration on real engine processes of the fake backend, under plans that are written here. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { type CalibrateOptions, type CalibrationTarget, calibrate } from '#edge/calibration/calibrate.ts';
import { CalibrationStore } from '#edge/calibration/calibration-store.ts';
import type { WatchConditions } from '#edge/calibration/conditions.ts';
import type { ModelCard } from '#edge/contracts/model.ts';
import type { Candidate } from '#edge/contracts/plan.ts';
import type { Progress } from '#edge/contracts/progress.ts';
import { createLogger } from '#edge/core/log.ts';
import { systemIo } from '#edge/hardware/probe-io.ts';
import { expectCode } from '#test/support/expect-code.ts';
import { fakeSpec } from '#test/support/fake-model.ts';
import { cardOf } from '#test/support/models.ts';
import { candidate, measurement } from './fixtures.ts';

const FINGERPRINT = 'here';
const stores: CalibrationStore[] = [];
const undisturbed: WatchConditions = async () => ({ disturbance: async () => undefined });
const disturbed: WatchConditions = async () => ({ disturbance: async () => 'other work took 1.9 of 2 cores' });

afterEach(() => {
  for (const store of stores.splice(0)) store[Symbol.dispose]();
});

interface SetUp {
  readonly options: CalibrateOptions;
  readonly store: CalibrationStore;
  readonly events: string[];
  readonly progress: Progress[];
}

function setUp(targetsOf: (store: CalibrationStore) => readonly CalibrationTarget[], more: Partial<CalibrateOptions> = {}): SetUp {
  const events: string[] = [];
  const progress: Progress[] = [];
  const log = createLogger({ level: 'info', format: 'json', write: (line) => events.push(JSON.parse(line).event) });
  const store = new CalibrationStore({ path: ':memory:', log });
  stores.push(store);
  const cpu = { architecture: 'x64', model: '', flags: [], logicalCores: 2, physicalCores: 2, usableCores: 2 } as const;
  const options: CalibrateOptions = {
    targets: targetsOf(store),
    store,
    device: { cpu, fingerprint: FINGERPRINT },
    io: systemIo(),
    environment: process.env,
    log,
    budgetMs: 20,
    totalBudgetMs: 600_000,
    watchConditions: undisturbed,
    threadCounts: [],
    onProgress: (step) => progress.push(step),
    ...more,
  };
  return { options, store, events, progress };
}

/** A model of the fake backend; what a variant's file says comes from `texts`, its weights are known by the variant's id. */
function target(model: string, texts: Readonly<Record<string, string>>, card: Partial<ModelCard> = {}) {
  return (store: CalibrationStore): CalibrationTarget => ({
    card: { ...cardOf('e5-small-v2'), id: model, golden: [{ kind: 'scores', query: 'ship', better: 'ship', worse: 'bell' }], ...card },
    plan: async () => ({
      task: 'embed',
      profile: 'latency',
      because: '',
      candidates: candidatesOf(model, Object.keys(texts), store),
      fallbacks: [],
      budgetBytes: 0,
    }),
    specOf: ({ variant, threads }) => {
      const spec = fakeSpec(texts[variant]);
      return { ...spec, threads, stored: { ...spec.stored, model, variant, sha256: `${model}/${variant}` } };
    },
  });
}

/** As the planner does: the measured ones know it, with the threads they were measured with; those in quarantine have a reason. */
function candidatesOf(model: string, variants: readonly string[], store: CalibrationStore): readonly Candidate[] {
  const quarantined = store.quarantined(FINGERPRINT, Date.now()).map(({ candidateId }) => candidateId);
  return variants.flatMap((variant, i) => {
    const measured = store.measurements(FINGERPRINT, Date.now()).filter(({ modelSha256 }) => modelSha256 === `${model}/${variant}`);
    const threads = new Set([2, ...measured.map((one) => one.threads)]);
    return [...threads].map((count) => {
      const own = measured.find((one) => one.threads === count) ?? null;
      const planned = candidate({ model, variant, backend: 'fake', threads: count, measured: own }, 1 + i / 10);
      return quarantined.includes(planned.id) ? { ...planned, reasons: [{ code: 'quarantined', detail: '' }] as const } : planned;
    });
  });
}

const keysOf = (measured: readonly { readonly modelSha256: string; readonly threads: number }[]): readonly string[] =>
  measured.map(({ modelSha256, threads }) => `${modelSha256}/t${threads}`);

describe('a calibration', () => {
  it('measures every model in turns, the best-predicted first, keeps it all, and has nothing to do afterwards', async () => {
    const { options, store, progress } = setUp((made) => [
      target('a', { quick: 'ship bell', slow: 'ship bell fog' })(made),
      target('b', { only: 'ship bell lamp' })(made),
    ]);
    const { measured, skipped } = await calibrate(options);
    expect(keysOf(measured)).toEqual(['a/quick/t2', 'b/only/t2', 'a/slow/t2']);
    expect(skipped).toEqual([]);
    expect(keysOf(store.measurements(FINGERPRINT, Date.now()))).toEqual(['a/quick/t2', 'a/slow/t2', 'b/only/t2']);
    expect(progress).toEqual(
      [0, 1, 2].map((done) => ({ label: `measuring ${done === 1 ? 'b' : 'a'} on the fake engine`, done, total: 3, unit: 'steps' })),
    );
    expect(await calibrate(options)).toEqual({ measured: [], disturbed: [], skipped: [] });
  });

  it('tries other numbers of threads', async () => {
    const { options } = setUp((made) => [target('a', { only: 'ship bell' })(made)], { threadCounts: [1, 2] });
    expect(keysOf((await calibrate(options)).measured)).toEqual(['a/only/t2', 'a/only/t1']);
  });

  it('quarantines what fails, says why, and goes on', async () => {
    const { options, store, events } = setUp((made) => [
      target('a', { crashes: 'ship bell [crash]', broken: '1 2 3', sound: 'ship bell' })(made),
      target('b', { wrong: 'ship bell' }, { golden: [{ kind: 'continuation', prompt: 'One', startsWith: ' two' }] })(made),
    ]);
    const { measured, skipped } = await calibrate(options);
    expect(keysOf(measured)).toEqual(['a/sound/t2']);
    expect(skipped.map(({ candidateId, why }) => [candidateId, why])).toEqual([
      ['a/crashes/fake/cpu/t2', 'failed'],
      ['b/wrong/fake/cpu/t2', 'failed'],
      ['a/broken/fake/cpu/t2', 'failed'],
    ]);
    const quarantined = store.quarantined(FINGERPRINT, Date.now());
    expect(quarantined.map(({ candidateId }) => candidateId)).toEqual(['a/crashes/fake/cpu/t2', 'b/wrong/fake/cpu/t2']);
    expect(quarantined.map(({ reason }) => reason).join()).toMatch(/SIGKILL.*failed golden case 1/s);
    expect(events.filter((event) => event === 'candidate failed its calibration')).toHaveLength(3);
  });

  it('ends the row of failures of what runs well again', async () => {
    const { options, store } = setUp((made) => [target('a', { only: 'ship bell' })(made)]);
    store.quarantine('a/only/fake/cpu/t2', 'hung', FINGERPRINT, Date.now() - 2 * 3_600_000);
    await calibrate(options);
    const again = store.quarantine('a/only/fake/cpu/t2', 'hung', FINGERPRINT, Date.now());
    expect(again.untilMs - Date.now()).toBeLessThanOrEqual(3_600_000);
  });

  it('forgets what another version of the library did', async () => {
    const { options, store } = setUp((made) => [target('a', { only: 'ship bell' })(made)]);
    const old = measurement({ backend: 'fake', backendVersion: '0.9', modelSha256: 'x', atMs: Date.now() });
    store.saveMeasurement(old);
    store.saveMeasurement({ ...old, backend: 'onnx' });
    await calibrate(options);
    expect(store.measurements(FINGERPRINT, Date.now()).map(({ backend, backendVersion }) => `${backend} ${backendVersion}`)).toEqual([
      'fake 1.0.0',
      'onnx 0.9',
    ]);
  });
});

describe('what was not measured is told:', () => {
  const three = (store: CalibrationStore): readonly CalibrationTarget[] => [
    target('a', { x: 'ship bell', y: 'ship fog bell', z: 'lamp ship bell' })(store),
  ];

  it('on a busy machine nothing is begun', async () => {
    const { options, events, progress } = setUp(three, { watchConditions: disturbed });
    const { measured, skipped } = await calibrate(options);
    expect(measured).toEqual([]);
    expect(skipped.map(({ why }) => why)).toEqual(['disturbed', 'disturbed', 'disturbed']);
    expect(progress).toEqual([]);
    expect(events).toEqual(['calibration put off']);
  });

  it('under load that comes meanwhile nothing is kept, and after two attempts the rest is put off', async () => {
    const watchConditions: WatchConditions = (measured) => (measured.pid === undefined ? undisturbed : disturbed)(measured);
    const { options, store, events } = setUp(three, { watchConditions });
    const { measured, skipped } = await calibrate(options);
    expect(measured).toEqual([]);
    expect(store.measurements(FINGERPRINT, Date.now())).toEqual([]);
    expect(store.quarantined(FINGERPRINT, Date.now())).toEqual([]);
    expect(skipped).toEqual(
      ['x', 'y', 'z'].map((variant) => ({
        candidateId: `a/${variant}/fake/cpu/t2`,
        why: 'disturbed',
        detail: 'other work took 1.9 of 2 cores',
      })),
    );
    expect(events.filter((event) => event === 'measurement put off')).toHaveLength(1);
    expect(keysOf((await calibrate({ ...options, watchConditions: undisturbed })).measured)).toHaveLength(3);
  });

  it('when time is up, but never before the first', async () => {
    const { options } = setUp(three, { totalBudgetMs: 1 });
    const { measured, skipped } = await calibrate(options);
    expect(keysOf(measured)).toEqual(['a/x/t2']);
    expect(skipped.map(({ candidateId, why }) => `${candidateId} ${why}`)).toEqual(['a/y/fake/cpu/t2 no-time', 'a/z/fake/cpu/t2 no-time']);
    expect(skipped[0]?.detail).toMatch(/^\d+\.?\d* s of 0\.001 s were spent$/);
  });

  it('waiting for real work to end is not counted', async () => {
    let waits = 0;
    const whenIdle = async (): Promise<void> => {
      waits++;
      await sleep(waits < 4 ? 3000 : 0);
    };
    const { options } = setUp(three, { whenIdle, totalBudgetMs: 8000 });
    const { measured } = await calibrate(options);
    expect(waits).toBeGreaterThan(measured.length);
    expect(measured.length).toBeGreaterThan(1);
  });
});

it('a cancellation ends it, and keeps what was measured', async () => {
  const controller = new AbortController();
  const { options, store } = setUp((made) => [target('a', { x: 'ship bell', y: 'ship fog bell' })(made)], {
    signal: controller.signal,
    onProgress: ({ done }) => done === 1 && controller.abort(),
  });
  await expectCode(calibrate(options), 'E_CANCELLED');
  expect(keysOf(store.measurements(FINGERPRINT, Date.now()))).toEqual(['a/x/t2']);
  expect(store.quarantined(FINGERPRINT, Date.now())).toEqual([]);
});

it('gives way when it is told to: what was begun and what is left can be measured later, and nothing is held against it', async () => {
  const giveWay = new AbortController();
  const { options, store } = setUp((made) => [target('a', { x: 'ship bell', y: 'ship fog bell', z: 'lamp bell' })(made)], {
    giveWay: giveWay.signal,
    watchConditions: async ({ pid }) => {
      if (pid !== undefined && store.measurements(FINGERPRINT, Date.now()).length === 1) giveWay.abort();
      return { disturbance: async () => undefined };
    },
  });
  const { measured, skipped } = await calibrate(options);
  expect(keysOf(measured)).toEqual(['a/x/t2']);
  expect(skipped.map(({ candidateId, why }) => `${candidateId} ${why}`)).toEqual([
    'a/y/fake/cpu/t2 disturbed',
    'a/z/fake/cpu/t2 disturbed',
  ]);
  expect(store.quarantined(FINGERPRINT, Date.now())).toEqual([]);
  expect((await calibrate({ ...options, giveWay: AbortSignal.abort() })).measured).toEqual([]);
});
