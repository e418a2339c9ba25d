import { describe, expect, it } from 'vitest';
import type { Measurement } from '#edge/contracts/plan.ts';
import { estimateMemory } from '#edge/planner/estimate-memory.ts';
import { makePlan } from '#edge/planner/make-plan.ts';
import { memoryBudget, videoMemoryBudget } from '#edge/planner/memory-budget.ts';
import { cardOf } from '#test/support/models.ts';
import { CHAT, chatCard, inputFor, NOW_MS, profileOf, RETRIEVAL, storeAll, weightsOf } from './plan-inputs.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const DAY_MS = 24 * 3600 * 1000;
const vm = await profileOf('x64-avx512-vm');

function bytesOf(model: string, backend: 'llama' | 'onnx', sequences: number): number {
  const card = cardOf(model);
  const [variant] = card.variants;
  if (!variant) throw new TypeError(`${model} has no variant`);
  const contextTokens = Math.min(2048, card.contextTokens);
  return estimateMemory({ card, variant, backend, provider: 'cpu', contextTokens, sequences }).totalBytes;
}

describe('memory', () => {
  // Resident sizes measured on a quiet machine: llama.cpp with context 2048, ONNX Runtime after texts of 512 tokens.
  it.each([
    [CHAT, 'llama', 1, 295],
    [CHAT, 'llama', 4, 431],
    [RETRIEVAL, 'onnx', 1, 241],
  ] as const)('of %s in %s with %i sequences is within 15 % of the %i MiB measured', (model, backend, sequences, measured) => {
    expect(bytesOf(model, backend, sequences) / MIB / measured).toBeGreaterThan(0.85);
    expect(bytesOf(model, backend, sequences) / MIB / measured).toBeLessThan(1.15);
  });

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
  const card = cardOf(CHAT);
  const sha256 = storeAll([card])[0]?.sha256 ?? '';
  const measurement: Measurement = {
    modelSha256: sha256,
    variant: 'q4_1',
    backend: 'llama',
    backendVersion: 'b1',
    provider: 'cpu',
    threads: 2,
    fingerprint: vm.fingerprint,
    rates: { prefill: 256, decode: 64 },
    loadMs: 500,
    residentBytes: 300 * MIB,
    atMs: NOW_MS - 1000,
  };

  // What this kind of machine did, alone in its process: llama-bench; e5-small-v2 in ONNX Runtime, 16 and 128 tokens.
  it.each([
    ['generate', 'prefill', 300],
    ['generate', 'decode', 124],
    ['embed', 'short', 312],
    ['embed', 'long', 62],
  ] as const)('of %s predicts %s within a factor of two of the %i a second measured', (task, name, measured) => {
    const rate = makePlan(inputFor(vm, { task, cards: [cardOf(task === 'generate' ? CHAT : RETRIEVAL)] })).chosen?.estimate.rates[name];
    expect(rate).toMatchObject({ source: 'predicted', confidence: 0.4 });
    expect((rate?.value ?? 0) / measured).toBeGreaterThan(0.5);
    expect((rate?.value ?? 0) / measured).toBeLessThan(2);
  });

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
    const own = makePlan(inputFor(vm, { cards })).chosen?.estimate.rates.decode?.value ?? 0;
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
  });
});
