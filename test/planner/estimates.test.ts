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
    provider: 'cpu',
    threads: 2,
    fingerprint: vm.fingerprint,
    speed: 60,
    atMs: NOW_MS - 1000,
  };

  it('is predicted within a factor of two of what this kind of machine did', () => {
    const chat = makePlan(inputFor(vm)).chosen?.speed;
    expect(chat).toMatchObject({ source: 'predicted', confidence: 0.4 });
    // llama-bench: 124 tokens/s with two threads. e5-small-v2 in ONNX Runtime: 16.2 ms a text of 128 tokens.
    expect((chat?.value ?? 0) / 124).toBeGreaterThan(0.5);
    expect((chat?.value ?? 0) / 124).toBeLessThan(2);
    const texts = makePlan(inputFor(vm, { task: 'embed' })).chosen?.speed.value ?? 0;
    expect(texts / 61.7).toBeGreaterThan(0.5);
    expect(texts / 61.7).toBeLessThan(2);
  });

  it('is the latest valid measurement when there is one', () => {
    const measurements = [{ ...measurement, speed: 10, atMs: NOW_MS - DAY_MS }, measurement];
    expect(makePlan(inputFor(vm, { measurements })).chosen?.speed).toEqual({ value: 60, source: 'measured', confidence: 0.95 });
  });

  it.each([
    ['of another device', { fingerprint: 'other' }],
    ['older than 30 days', { atMs: NOW_MS - 31 * DAY_MS }],
    ['of another provider', { provider: 'cuda' }],
    ['of a file that is not stored', { modelSha256: 'other' }],
  ])('ignores a measurement %s', (_, changes) => {
    const measurements = [{ ...measurement, ...changes }];
    expect(makePlan(inputFor(vm, { measurements })).chosen?.speed.source).toBe('predicted');
  });

  it('is extrapolated from another model on the same engine', () => {
    const twice = chatCard('chat-twice', 3e8, [{ files: weightsOf(200_000_000) }]);
    const cards = [card, twice];
    const before = makePlan(inputFor(vm, { cards, model: 'chat-twice' })).chosen?.speed;
    const own = makePlan(inputFor(vm, { cards })).chosen?.speed.value ?? 0;
    const after = makePlan(inputFor(vm, { cards, model: 'chat-twice', measurements: [{ ...measurement, speed: own / 2 }] })).chosen?.speed;
    expect(after).toMatchObject({ source: 'extrapolated', confidence: 0.7 });
    expect(after?.value).toBeCloseTo((before?.value ?? 0) / 2, 1);
  });

  it('adds a candidate for every thread count that was measured, and takes the fastest', () => {
    const measurements = [measurement, { ...measurement, threads: 1, speed: 90 }];
    const plan = makePlan(inputFor(vm, { measurements }));
    expect(plan.chosen).toMatchObject({ threads: 1, speed: { value: 90, source: 'measured' } });
    expect(plan.loadSpec?.threads).toBe(1);
    expect(plan.fallbacks).toEqual([`${CHAT}/q4_1/llama/cpu/t2`]);
  });
});
