import { describe, expect, it } from 'vitest';
import { makePlan } from '#edge/planner/make-plan.ts';
import { memoryBudget, videoMemoryBudget } from '#edge/planner/memory-budget.ts';
import { cardOf } from '#test/support/models.ts';
import { CHAT, chatCard, defaultCards, inputFor, measurementOn, NOW_MS, profileOf, weightsOf } from './plan-inputs.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const DAY_MS = 24 * 3600 * 1000;
const vm = await profileOf('x64-avx512-vm');

describe('memory budget', () => {
  it('leaves a reserve to the system, a smaller one on a small board, and honours the cap', () => {
    const budget = (availableBytes: number, memoryBytes: number, inUse = 0): number =>
      memoryBudget(
        { ...vm, memory: { ...vm.memory, availableBytes } },
        { threads: 0, contextTokens: 2048, memoryBytes },
        {
          residentBytes: 0,
          expectedBytes: inUse,
        },
      );
    expect(budget(10 * GIB, 0)).toBe(6 * GIB);
    expect(budget(10 * GIB, 100 * GIB)).toBe(9 * GIB);
    expect(budget(2 * GIB, 100 * GIB)).toBe(2 * GIB - 256 * MIB);
    expect(budget(512 * MIB, 100 * GIB)).toBe(384 * MIB);
    expect(budget(10 * GIB, GIB)).toBe(GIB);
    expect(budget(10 * GIB, GIB, 600 * MIB)).toBe(424 * MIB);
    expect(budget(10 * GIB, GIB, 2 * GIB)).toBe(0);
    expect(videoMemoryBudget(12 * GIB)).toBe(Math.floor(12 * GIB * 0.92));
    expect(videoMemoryBudget(GIB)).toBe(GIB - 300 * MIB);
  });
});

describe('speed', () => {
  const [card = cardOf(CHAT)] = defaultCards;
  const measurement = measurementOn(vm);

  it('is the latest valid measurement when there is one', () => {
    const measurements = [{ ...measurement, rates: { prefill: 1, decode: 1 }, atMs: NOW_MS - DAY_MS }, measurement];
    const chosen = makePlan(inputFor(vm, { measurements })).chosen;
    expect(chosen?.measured).toEqual(measurement);
    expect(chosen?.estimate.rates).toEqual({
      prefill: { value: 256, source: 'measured', confidence: 0.95 },
      decode: { value: 64, source: 'measured', confidence: 0.95 },
    });
    expect(chosen?.estimate.callSeconds).toEqual({ value: 2, source: 'measured', confidence: 0.95 });
  });

  it('is only as sure as the rate that was not measured', () => {
    const measurements = [{ ...measurement, rates: { decode: 64 } }];
    const estimate = makePlan(inputFor(vm, { measurements })).chosen?.estimate;
    expect(estimate?.rates.decode?.source).toBe('measured');
    expect(estimate?.rates.prefill?.source).toBe('predicted');
    expect(estimate?.callSeconds.source).toBe('predicted');
  });

  it.each([
    ['of another device', { fingerprint: 'other' }],
    ['older than 30 days', { atMs: NOW_MS - 31 * DAY_MS }],
    ['of another provider', { provider: 'cuda' }],
    ['of a file that is not stored', { modelSha256: 'other' }],
  ])('ignores a measurement %s', (_, changes) => {
    const chosen = makePlan(inputFor(vm, { measurements: [{ ...measurement, ...changes }] })).chosen;
    expect(chosen).toMatchObject({ measured: null, estimate: { callSeconds: { source: 'predicted' } } });
  });

  it('is extrapolated from another model on the same engine', () => {
    const twice = chatCard('chat-twice', 3e8, [{ files: weightsOf(200_000_000) }]);
    const cards = [card, twice];
    const before = makePlan(inputFor(vm, { cards, model: 'chat-twice' })).chosen?.estimate.rates.decode;
    const own = makePlan(inputFor(vm, { cards: [card] })).chosen?.estimate.rates.decode?.value ?? 0;
    const measurements = [{ ...measurement, rates: { decode: own / 2 } }];
    const after = makePlan(inputFor(vm, { cards, model: 'chat-twice', measurements })).chosen?.estimate.rates.decode;
    expect(after).toMatchObject({ source: 'extrapolated', confidence: 0.7 });
    expect(after?.value).toBeCloseTo((before?.value ?? 0) / 2, 1);
  });

  it('adds a candidate for every thread count that was measured, and takes the fastest', () => {
    const measurements = [measurement, { ...measurement, threads: 1, rates: { prefill: 512, decode: 128 } }];
    const plan = makePlan(inputFor(vm, { measurements }));
    expect(plan.chosen).toMatchObject({ threads: 1, estimate: { callSeconds: { value: 1, source: 'measured' } } });
    expect(plan.loadSpec?.threads).toBe(1);
    expect(plan.fallbacks).toEqual([`${CHAT}/q4_1/llama/cpu/t2`]);
    const withOdd = makePlan(inputFor(vm, { measurements: [{ ...measurement, threads: 2 }] }));
    expect([withOdd.chosen?.threads, ...withOdd.fallbacks]).toEqual([2, `${CHAT}/q4_1/llama/cpu/t1`]);
  });
});
