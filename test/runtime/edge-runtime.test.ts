import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openModelStore } from '#apps/device/device.ts';
import { CalibrationStore } from '#edge/calibration/calibration-store.ts';
import type { WatchConditions } from '#edge/calibration/conditions.ts';
import { loadConfig } from '#edge/config/load.ts';
import type { DeviceProfile } from '#edge/contracts/hardware.ts';
import { silentLogger } from '#edge/core/log.ts';
import { probeDevice } from '#edge/hardware/device-profile.ts';
import { makePlan } from '#edge/planner/make-plan.ts';
import { EdgeRuntime } from '#edge/runtime/edge-runtime.ts';
import { expectCode } from '#test/support/expect-code.ts';

const MIB = 1024 * 1024;
const config = loadConfig();
const machine = await probeDevice();

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function runtimeOn(calibration: CalibrationStore, probe = async () => machine): EdgeRuntime {
  const recorder = { event: () => undefined, observe: () => undefined };
  return new EdgeRuntime({
    config,
    store: openModelStore(config, silentLogger),
    calibration,
    recorder,
    log: silentLogger,
    probe,
  });
}

/** A runtime on this machine with so little memory that one encoder fits, beside another program. */
function smallRuntime(other = { bytes: 0 }): EdgeRuntime {
  const probe = async (): Promise<DeviceProfile> => {
    const taken = (await runtime.listEngines()).reduce((sum, { residentBytes }) => sum + residentBytes, other.bytes);
    return { ...machine, memory: { ...machine.memory, availableBytes: 500 * MIB - taken } };
  };
  const recorder = { event: () => undefined, observe: () => undefined };
  const calibration = new CalibrationStore({ path: ':memory:', log: silentLogger });
  const store = openModelStore(config, silentLogger);
  const runtime = new EdgeRuntime({ config, store, calibration, recorder, log: silentLogger, probe });
  return runtime;
}

it('loads with the memory that is free now, not with what was free when the device was last looked at', async () => {
  const other = { bytes: 400 * MIB };
  await using runtime = smallRuntime(other);
  const request = { model: 'e5-small-v2', texts: ['a tent'], purpose: 'query' } as const;
  const refusal = await expectCode(runtime.embed(request), 'E_NO_CANDIDATE');
  expect(refusal.message).toContain('e5-small-v2/int8/onnx/cpu');
  expect(refusal.message).not.toContain('bge-small');
  other.bytes = 0;
  expect((await runtime.embed(request)).vectors).toHaveLength(1);
});

it('takes turns with two models of which one fits', async () => {
  await using runtime = smallRuntime();
  for (const model of ['e5-small-v2', 'bge-small-en-v1.5', 'e5-small-v2']) {
    const { vectors } = await runtime.embed({ model, texts: ['a tent'], purpose: 'query' });
    expect(vectors).toHaveLength(1);
    expect((await runtime.listEngines()).map((engine) => engine.model)).toEqual([model]);
  }
});

it('answers a caller who is gone already without loading anything', async () => {
  await using runtime = smallRuntime();
  const gone = { signal: AbortSignal.abort() };
  await expect(runtime.embed({ model: 'e5-small-v2', texts: ['a tent'], purpose: 'query' }, gone)).rejects.toMatchObject({
    code: 'E_CANCELLED',
  });
  expect(await runtime.listEngines()).toEqual([]);
});

it('measures the candidates of a model and plans with that', async () => {
  await using runtime = smallRuntime();
  const model = 'bge-small-en-v1.5';
  const before = makePlan(await runtime.planInput('embed', { model }));
  expect(before.chosen?.measured).toBe(null);
  // Other tests share the cores: what they do to the numbers is no matter here.
  const watchConditions = async () => ({ disturbance: async () => undefined });
  const { measured } = await runtime.calibrate({ models: [model], budgetMs: 100, watchConditions });
  const after = makePlan(await runtime.planInput('embed', { model }));
  expect(after.chosen?.measured).toEqual(measured.find(({ threads }) => threads === after.chosen?.threads));
  expect(after.because).toContain('measured');
});

it('plans a task that is served already as it is served, not as if the engine were needed twice', async () => {
  await using runtime = smallRuntime();
  const before = (await runtime.plan('embed')).chosen;
  await runtime.embed({ model: 'embed', texts: ['a tent'], purpose: 'query' });
  await expect.poll(async () => (await runtime.listEngines())[0]?.residentBytes, { timeout: 10_000 }).toBeGreaterThan(50 * MIB);
  const after = await runtime.plan('embed');
  expect(after.chosen?.id).toBe(before?.id);
});

it('ends a measurement whose memory a model needs, and holds it against nobody', async () => {
  const begun = Promise.withResolvers<void>();
  let taken: number | undefined;
  const probe = async (): Promise<DeviceProfile> => {
    const isTaken = taken !== undefined && isAlive(taken);
    return { ...machine, memory: { ...machine.memory, availableBytes: isTaken ? 100 * MIB : 500 * MIB } };
  };
  using calibration = new CalibrationStore({ path: ':memory:', log: silentLogger });
  await using runtime = runtimeOn(calibration, probe);
  const watchConditions: WatchConditions = async (measured) => {
    taken ??= measured.pid;
    if (taken !== undefined) begun.resolve();
    return { disturbance: async () => undefined };
  };
  const measuring = runtime.calibrate({ models: ['bge-small-en-v1.5'], budgetMs: 60_000, watchConditions });
  await begun.promise;
  await expectCode(runtime.calibrate(), 'E_BUSY');
  expect((await runtime.embed({ model: 'e5-small-v2', texts: ['a tent'], purpose: 'query' })).vectors).toHaveLength(1);
  const { measured, skipped } = await measuring;
  expect(measured).toEqual([]);
  expect(skipped[0]).toMatchObject({ why: 'disturbed', detail: 'a model needed the memory' });
  expect(calibration.quarantined(machine.fingerprint, Date.now())).toEqual([]);
});

it('forgets measurements of a library that was updated, as soon as an engine is loaded', async () => {
  using calibration = new CalibrationStore({ path: ':memory:', log: silentLogger });
  await using runtime = runtimeOn(calibration);
  const { chosen, loadSpec } = await runtime.plan('embed');
  const { sha256 = '' } = (await runtime.planInput('embed')).stored.find(({ variant }) => variant === chosen?.variant) ?? {};
  const { variant = '', threads = 1 } = chosen ?? {};
  const { backend = 'onnx', provider = 'cpu' } = loadSpec ?? {};
  const key = { modelSha256: sha256, variant, backend, provider, threads, fingerprint: machine.fingerprint };
  const rates = { short: 1e5, long: 1e5 };
  calibration.saveMeasurement({ ...key, backendVersion: '0.0.1', rates, loadMs: 1, residentBytes: 1, atMs: Date.now() });
  expect((await runtime.plan('embed')).chosen).toMatchObject({ id: chosen?.id, measured: { backendVersion: '0.0.1' } });
  await runtime.embed({ model: 'embed', texts: ['a tent'], purpose: 'query' });
  expect(calibration.measurements(machine.fingerprint, Date.now())).toEqual([]);
});

it('leaves out what failed, also after a restart', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'nearside-runtime-')), 'calibration.db');
  const open = () => new CalibrationStore({ path, log: silentLogger });
  using first = open();
  const [candidate] = makePlan(await runtimeOn(first).planInput('embed')).candidates;
  first.quarantine(candidate?.id ?? '', 'crashed with SIGILL', machine.fingerprint, Date.now());
  using second = open();
  const again = makePlan(await runtimeOn(second).planInput('embed')).candidates.find(({ id }) => id === candidate?.id);
  expect(again?.reasons).toMatchObject([{ code: 'quarantined', detail: expect.stringContaining('SIGILL') }]);
});
