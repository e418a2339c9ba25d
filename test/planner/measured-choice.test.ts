import { describe, expect, it } from 'vitest';
import type { DeviceProfile } from '#edge/contracts/hardware.ts';
import type { Plan } from '#edge/contracts/plan.ts';
import { makePlan } from '#edge/planner/make-plan.ts';
import type { PlanInput } from '#edge/planner/plan-input.ts';
import { cardOf } from '#test/support/models.ts';
import { CHAT, inputFor, measurementOn, NOW_MS, profileOf, RETRIEVAL, retrievalInput, retrievalMeasurement } from './plan-inputs.ts';

const MIB = 1024 * 1024;
const vm = await profileOf('x64-avx512-vm');

const ONNX = `${RETRIEVAL}/int8/onnx/cpu/t2`;
const TFLITE = `${RETRIEVAL}/int8-tflite/tflite/cpu/t2`;
const LLAMA = `${RETRIEVAL}/q8_0/llama/cpu/t2`;

/** All three engines measured: 19 ms a call on ONNX Runtime, 23 on LiteRT, 60 on llama.cpp. */
const measurements = [
  retrievalMeasurement(vm, 'int8', 'onnx', { short: 312.5, long: 63.2 }),
  retrievalMeasurement(vm, 'int8-tflite', 'tflite', { short: 400, long: 48.8 }),
  retrievalMeasurement(vm, 'q8_0', 'llama', { short: 111, long: 19.6 }),
];

function embed(changes: Partial<PlanInput> = {}): Plan {
  return makePlan(retrievalInput(vm, { measurements, ...changes }));
}

describe('two tasks on one device', () => {
  it('get two engines, each for what was measured', () => {
    const chat = makePlan(inputFor(vm, { cards: [cardOf(CHAT)], measurements: [measurementOn(vm)] }));
    expect([embed().chosen?.backend, chat.chosen?.backend]).toEqual(['onnx', 'llama']);
    expect(embed().because).toContain(`it takes 19 ms a call against 23 ms of ${TFLITE}`);
    expect(embed().because).toContain('does 313 short and 63 long texts/s, measured here on 2025-12-31');
  });

  it('are told against another engine, not against the same one with fewer threads', () => {
    const oneThread = retrievalMeasurement(vm, 'int8', 'onnx', { short: 310, long: 61 }, { threads: 1 });
    const plan = embed({ measurements: [...measurements, oneThread] });
    expect(plan.fallbacks[0]).toBe(`${RETRIEVAL}/int8/onnx/cpu/t1`);
    expect(plan.because).toContain(`it takes 19 ms a call against 23 ms of ${TFLITE}`);
  });

  it('tell small amounts of energy apart', () => {
    expect(embed({ profile: 'battery' }).because).toContain(`it takes 190 mJ a call against 230 mJ of ${TFLITE}`);
  });
});

describe('the choice changes with', () => {
  it('what was measured', () => {
    const slow = retrievalMeasurement(vm, 'int8', 'onnx', { short: 100, long: 20 }, { atMs: NOW_MS - 1 });
    const plan = embed({ measurements: [...measurements, slow] });
    expect(plan.chosen?.id).toBe(TFLITE);
    expect(plan.because).toContain(`it takes 23 ms a call against 60 ms of ${ONNX}`);
  });

  it('the memory that is free', () => {
    const tight: DeviceProfile = { ...vm, memory: { ...vm.memory, availableBytes: 330 * MIB } };
    const plan = embed({ device: tight });
    expect(plan.chosen?.id).toBe(TFLITE);
    expect(plan.because).toMatch(/ONNX Runtime on the CPU is out \(needs 248\.5 MiB, 19\d\.\d MiB available; variant int8-tflite/);
  });

  it('the cores that a quota leaves, for which nothing was measured', () => {
    const halved: DeviceProfile = { ...vm, cpu: { ...vm.cpu, usableCores: 1 }, fingerprint: 'one core' };
    const plan = embed({ device: halved });
    expect(plan.chosen).toMatchObject({ threads: 1, measured: null, estimate: { callSeconds: { source: 'predicted' } } });
  });

  it('a failure', () => {
    const quarantined = [{ candidateId: ONNX, untilMs: NOW_MS + 60_000, reason: 'crashed with SIGILL' }];
    const plan = embed({ quarantined });
    expect(plan.chosen?.id).toBe(TFLITE);
    expect(plan.because).toContain('ONNX Runtime on the CPU is out (crashed with SIGILL; tried again after 2026-01-01T00:01:00.000Z)');
  });
});

describe('token vectors', () => {
  it('put llama.cpp last for embed, however fast it is', () => {
    const fast = retrievalMeasurement(vm, 'q8_0', 'llama', { short: 5000, long: 1000 });
    const plan = embed({ measurements: [...measurements, fast] });
    expect(plan.chosen?.id).toBe(ONNX);
    expect(plan.fallbacks.at(-1)).toMatch(/q8_0\/llama/);
    const onlyTwo = embed({
      measurements: [fast],
      cards: [{ ...cardOf(RETRIEVAL), variants: cardOf(RETRIEVAL).variants.filter(({ id }) => id !== 'int8-tflite') }],
      settings: { threads: 2, memoryBytes: 0, contextTokens: 2048 },
    });
    expect(onlyTwo.because).toContain(`it gives a vector for each token, which ${LLAMA} does not`);
  });

  it('are no question where nothing else can run', () => {
    const others = [ONNX, TFLITE].map((candidateId) => ({ candidateId, untilMs: NOW_MS + 1, reason: 'crashed' }));
    const unmeasured = embed({ quarantined: others, measurements: [] });
    expect(unmeasured.chosen?.id).toMatch(/tflite\/wasm/);
    const wasm = { candidateId: unmeasured.chosen?.id ?? '', untilMs: NOW_MS + 1, reason: 'crashed' };
    expect(embed({ quarantined: [...others, wasm], measurements: [] }).chosen?.id).toBe(LLAMA);
  });
});

describe('an unusual number of threads', () => {
  it('is offered, and not chosen before it was measured', () => {
    const plan = embed();
    expect(plan.candidates.map(({ id }) => id)).toContain(`${RETRIEVAL}/int8/onnx/cpu/t1`);
    const promising = retrievalMeasurement(vm, 'int8', 'onnx', { short: 5, long: 1 });
    expect(
      embed({ measurements: [promising], cards: [{ ...cardOf(RETRIEVAL), variants: cardOf(RETRIEVAL).variants.slice(0, 1) }] }).chosen
        ?.threads,
    ).toBe(2);
    const measuredOne = retrievalMeasurement(vm, 'int8', 'onnx', { short: 500, long: 90 }, { threads: 1 });
    expect(embed({ measurements: [...measurements, measuredOne] }).chosen?.id).toBe(`${RETRIEVAL}/int8/onnx/cpu/t1`);
  });

  it('is one of at most four, on a GPU the only one', async () => {
    const desktop = await profileOf('nvidia-desktop');
    const counts = (provider: string, backend: string) =>
      makePlan(retrievalInput(desktop))
        .candidates.filter((one) => one.provider === provider && one.backend === backend)
        .map(({ threads }) => threads)
        .toSorted((a, b) => a - b);
    expect(counts('cpu', 'onnx')).toEqual([1, 2, 6, 12]);
    expect(counts('cpu', 'llama')).toEqual([2, 4, 6, 12]);
    expect(counts('cuda', 'llama')).toEqual([4]);
  });
});

describe('the candidate that serves', () => {
  const faster = (share: number) =>
    retrievalMeasurement(vm, 'int8-tflite', 'tflite', { short: 312.5 / share, long: 63.2 / share }, { atMs: NOW_MS - 1 });

  it('stays when another would save less than 15 %', () => {
    const plan = embed({ current: ONNX, measurements: [...measurements, faster(0.9)] });
    expect(plan.chosen?.id).toBe(ONNX);
    expect(plan.fallbacks[0]).toBe(TFLITE);
    expect(plan.because).toContain(
      `it serves now, and ${TFLITE}, first by call time, would save only 10 % of a call (a change takes 15 %)`,
    );
    expect(embed({ measurements: [...measurements, faster(0.9)] }).chosen?.id).toBe(TFLITE);
  });

  it('goes when another saves 15 %, or when it cannot run any more', () => {
    expect(embed({ current: ONNX, measurements: [...measurements, faster(0.84)] }).chosen?.id).toBe(TFLITE);
    const quarantined = [{ candidateId: TFLITE, untilMs: NOW_MS + 1, reason: 'crashed' }];
    expect(embed({ current: TFLITE, quarantined }).chosen?.id).toBe(ONNX);
    expect(embed({ current: 'gone/v/onnx/cpu/t2' }).chosen?.id).toBe(ONNX);
  });

  it('stays when another reaches the target speed by a hair', () => {
    const onnx = retrievalMeasurement(vm, 'int8', 'onnx', { short: 25, long: 6.25 });
    const tflite = retrievalMeasurement(vm, 'int8-tflite', 'tflite', { short: 25.7, long: 6.42 });
    const near = [onnx, tflite];
    expect(embed({ measurements: near }).because).toContain('it reaches 250 ms a call');
    expect(embed({ current: ONNX, measurements: near }).chosen?.id).toBe(ONNX);
    const clear = [onnx, retrievalMeasurement(vm, 'int8-tflite', 'tflite', { short: 30, long: 7.5 })];
    expect(embed({ current: ONNX, measurements: clear }).chosen?.id).toBe(TFLITE);
  });

  it('is measured, and does not go for a promise', () => {
    const measured = [retrievalMeasurement(vm, 'int8', 'onnx', { short: 100, long: 20 })];
    expect(embed({ measurements: measured }).chosen).toMatchObject({ id: TFLITE, measured: null });
    const plan = embed({ current: ONNX, measurements: measured });
    expect(plan.chosen?.id).toBe(ONNX);
    expect(plan.because).toContain(`it serves now and was measured, while ${TFLITE}, first by call time, has yet to be measured here`);
    expect(embed({ current: ONNX, measurements: [...measured, faster(0.9)] }).chosen?.id).toBe(TFLITE);
  });

  it('goes for what counts more than time', () => {
    const plan = embed({ current: LLAMA });
    expect(plan.chosen?.id).toBe(ONNX);
    expect(plan.because).toContain(`it takes 19 ms a call against 23 ms of ${TFLITE}`);
  });

  it('stays among equals', () => {
    const equal = retrievalMeasurement(vm, 'int8', 'onnx', { short: 400, long: 48.8 }, { atMs: NOW_MS - 1 });
    const both = { measurements: [...measurements, equal] };
    expect(embed(both).chosen?.id).toBe(TFLITE);
    expect(embed({ ...both, current: ONNX }).chosen?.id).toBe(ONNX);
  });
});
