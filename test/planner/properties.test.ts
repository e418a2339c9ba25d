import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DeviceProfile } from '#edge/contracts/hardware.ts';
import { type LocalBuild, PLAN_PROFILES } from '#edge/contracts/plan.ts';
import { makePlan } from '#edge/planner/make-plan.ts';
import type { PlanInput } from '#edge/planner/plan-input.ts';
import { boardNames } from '#test/hardware/recorded-io.ts';
import { chatCard, inputFor, measurementOn, NOW_MS, profileOf, storeAll, weightsOf } from './plan-inputs.ts';

const GIB = 1024 ** 3;
const devices = await Promise.all(boardNames().map(profileOf));

const variant = fc.record({
  format: fc.constantFrom('gguf', 'onnx', 'tflite'),
  quality: fc.double({ min: 0, max: 1, noNaN: true }),
  files: fc.integer({ min: 1, max: 8 * GIB }).map(weightsOf),
});

/** Sizes as no card should tell them: nothing, contradictions, astronomic numbers. */
const architecture = fc.record({
  layers: fc.constantFrom(0, 1, 30, 10_000),
  hiddenSize: fc.constantFrom(0, 1, 576, 1_000_000),
  kvBytesPerToken: fc.constantFrom(0, 23_040, 1e9),
  vocabularySize: fc.constantFrom(0, 49_152, 1e9),
  attentionHeads: fc.constantFrom(0, 9, 1e6),
});

const cards = fc
  .uniqueArray(
    fc.record({
      name: fc.stringMatching(/^[a-z]{1,4}$/),
      task: fc.constantFrom('generate' as const, 'embed' as const, 'tensor' as const),
      contextTokens: fc.constantFrom(0, 512, 8192, 1e9),
      parameters: fc.oneof(fc.constantFrom(0, 1, 1e15), fc.integer({ min: 1e6, max: 1e10 })),
      architecture,
      variants: fc.array(variant, { maxLength: 3 }),
    }),
    {
      selector: ({ name }) => name,
      maxLength: 5,
    },
  )
  .map((list) => list.map(({ name, parameters, variants, ...sizes }) => ({ ...chatCard(name, parameters, variants), ...sizes })));

const device = fc
  .tuple(fc.constantFrom(...devices), fc.integer({ min: 0, max: 64 * GIB }))
  .map(([board, availableBytes]): DeviceProfile => ({ ...board, memory: { ...board.memory, availableBytes } }));

function buildFor({ fingerprint }: DeviceProfile, provider: LocalBuild['provider'], folder: string): LocalBuild {
  return { backend: 'llama', provider, folder, release: 'b1', fingerprint: folder === '/stale' ? 'other' : fingerprint };
}

/** Plans of random cards, stores, measurements, builds, quarantines and serving candidates on every recorded board with random memory. */
const input: fc.Arbitrary<PlanInput> = fc
  .record({
    cards,
    device,
    profile: fc.constantFrom(...PLAN_PROFILES),
    contextTokens: fc.integer({ min: 256, max: 32_768 }),
    task: fc.constantFrom('generate' as const, 'embed' as const, 'tensor' as const),
  })
  .chain(({ cards: drawn, device: here, profile, contextTokens, task }) => {
    const all = storeAll(drawn);
    const base = inputFor(here, { cards: drawn, profile, task });
    const ids = makePlan(base).candidates.map(({ id }) => id);
    return fc
      .record({
        stored: fc.subarray([...all]),
        preferredModel: fc.constantFrom('absent', ...drawn.map(({ id }) => id)),
        quarantined: fc.subarray(ids),
        current: fc.constantFrom('absent', ...ids),
        builds: fc.subarray([
          buildFor(here, 'cpu-tuned', '/a'),
          buildFor(here, 'cpu-tuned', '/b'),
          buildFor(here, 'cuda-tuned', '/c'),
          buildFor(here, 'cpu-tuned', '/stale'),
        ]),
        speeds: fc.array(
          fc.oneof(fc.constantFrom(0, Number.NaN, Number.POSITIVE_INFINITY), fc.double({ min: 0.1, max: 1000, noNaN: true })),
          {
            maxLength: all.length,
          },
        ),
      })
      .map(({ stored, preferredModel, current, builds, quarantined, speeds }) => ({
        ...base,
        current,
        localBuilds: builds,
        stored,
        settings: { threads: 0, memoryBytes: 0, contextTokens, preferredModel },
        quarantined: quarantined.map((candidateId) => ({ candidateId, untilMs: NOW_MS + 1, reason: 'crashed' })),
        measurements: speeds.map((speed, index) =>
          measurementOn(here, {
            modelSha256: all[index]?.sha256 ?? '',
            variant: all[index]?.variant ?? '',
            threads: 1 + (index % 2),
            rates: task === 'generate' ? { prefill: 4 * speed, decode: speed } : { short: speed, long: speed / 8 },
            atMs: NOW_MS - index,
          }),
        ),
      }));
  });

describe('every plan', () => {
  it('chooses nothing that has a reason against it, and something whenever it can', () => {
    fc.assert(
      fc.property(input, (one) => {
        const { chosen, candidates } = makePlan(one);
        expect(chosen?.reasons ?? []).toEqual([]);
        expect(chosen !== undefined).toBe(candidates.some(({ reasons }) => reasons.length === 0));
      }),
    );
  });

  it('falls back on distinct candidates that may run, never on the chosen one', () => {
    fc.assert(
      fc.property(input, (one) => {
        const { chosen, candidates, fallbacks } = makePlan(one);
        expect(new Set(fallbacks).size).toBe(fallbacks.length);
        expect(fallbacks).not.toContain(chosen?.id);
        const runnable = candidates.filter(({ reasons }) => reasons.length === 0).map(({ id }) => id);
        expect(chosen ? [chosen.id, ...fallbacks] : fallbacks).toEqual(runnable);
      }),
    );
  });

  it('is the same whatever the order of its input', () => {
    fc.assert(
      fc.property(input, (one) => {
        const reversed: PlanInput = {
          ...one,
          cards: one.cards.toReversed().map((card) => ({ ...card, variants: card.variants.toReversed() })),
          stored: one.stored.toReversed(),
          measurements: one.measurements.toReversed(),
          quarantined: one.quarantined.toReversed(),
          localBuilds: one.localBuilds.toReversed(),
        };
        expect(makePlan(reversed)).toEqual(makePlan(one));
      }),
    );
  });

  it('stays possible with more memory', () => {
    fc.assert(
      fc.property(input, fc.integer({ min: 0, max: 64 * GIB }), (one, moreBytes) => {
        const { memory } = one.device;
        const richer = { ...one.device, memory: { ...memory, availableBytes: memory.availableBytes + moreBytes } };
        const before = makePlan(one);
        const after = makePlan({ ...one, device: richer });
        expect(after.budgetBytes).toBeGreaterThanOrEqual(before.budgetBytes);
        const runnable = after.candidates.filter(({ reasons }) => reasons.length === 0).map(({ id }) => id);
        expect(runnable).toEqual(expect.arrayContaining(before.chosen ? [before.chosen.id, ...before.fallbacks] : []));
      }),
    );
  });

  it('lists each candidate once', () => {
    fc.assert(
      fc.property(input, (one) => {
        const ids = makePlan(one).candidates.map(({ id }) => id);
        expect(new Set(ids).size).toBe(ids.length);
      }),
    );
  });

  it('keeps the serving candidate, or has one that its profile ranks higher', () => {
    fc.assert(
      fc.property(input, (one) => {
        const { chosen } = makePlan(one);
        const { current: _, ...fresh } = one;
        expect([one.current, makePlan(fresh).chosen?.id]).toContain(chosen?.id);
      }),
    );
  });

  it('has finite positive rates and consistent memory for every candidate, whatever its card says', () => {
    fc.assert(
      fc.property(input, (one) => {
        const plan = makePlan(one);
        for (const { estimate } of plan.candidates) {
          const { rates, callSeconds, memory } = estimate;
          for (const { value } of [...Object.values(rates), callSeconds]) {
            expect(value).toBeGreaterThan(0);
            expect(Number.isFinite(value)).toBe(true);
          }
          expect(memory.totalBytes).toBe(memory.weightsBytes + memory.kvBytes + memory.computeBytes + memory.runtimeBytes);
        }
        expect(`${plan.because} ${JSON.stringify(plan.candidates.map(({ reasons }) => reasons))}`).not.toMatch(/NaN|Infinity|undefined/);
      }),
    );
  });

  it('has no chosen candidate without memory', () => {
    fc.assert(
      fc.property(input, (one) => {
        const empty = { ...one.device, memory: { ...one.device.memory, availableBytes: 0 } };
        const plan = makePlan({ ...one, device: empty });
        expect(plan.budgetBytes).toBe(0);
        expect(plan.chosen).toBeUndefined();
        expect(plan.candidates.every(({ reasons }) => reasons.length > 0)).toBe(true);
      }),
    );
  });
});
