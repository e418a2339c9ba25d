import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CalibrationState, candidatesToMeasure, threadCountsOf } from '#edge/calibration/next-candidate.ts';
import type { CpuProfile } from '#edge/contracts/hardware.ts';
import type { Candidate, Plan } from '#edge/contracts/plan.ts';
import { candidate, measurement } from './fixtures.ts';

const planOf = (candidates: readonly Candidate[]): Plan => ({
  task: 'embed',
  profile: 'latency',
  because: '',
  candidates,
  fallbacks: [],
  budgetBytes: 0,
});

const state = (more: Partial<CalibrationState> = {}): CalibrationState => ({
  over: new Set(),
  expectedSeconds: new Map(),
  threadCounts: [1, 2, 4],
  ...more,
});

const measured = (more: Partial<Candidate>, seconds: number): Candidate => candidate({ measured: measurement(), ...more }, seconds);
const idsOf = (candidates: readonly Candidate[]): readonly string[] => candidates.map(({ id }) => id);

describe('worth measuring', () => {
  it('is what the plan could choose and nobody has measured, in the order of the plan', () => {
    const plan = planOf([
      candidate({ backend: 'tflite' }, 1),
      candidate({ backend: 'onnx' }, 2),
      candidate({ backend: 'llama', reasons: [{ code: 'mem-exceeds', detail: '' }] }, 1),
    ]);
    expect(idsOf(candidatesToMeasure(plan, state()))).toEqual(['m/v/tflite/cpu/t2', 'm/v/onnx/cpu/t2']);
    expect(idsOf(candidatesToMeasure(plan, state({ over: new Set(['m/v/tflite/cpu/t2']) })))).toEqual(['m/v/onnx/cpu/t2']);
  });

  it('is nothing that is hopelessly behind what was measured', () => {
    const plan = planOf([measured({ backend: 'tflite' }, 1), candidate({ backend: 'onnx' }, 3.9), candidate({ backend: 'llama' }, 4.1)]);
    expect(idsOf(candidatesToMeasure(plan, state({ threadCounts: [] })))).toEqual(['m/v/onnx/cpu/t2']);
  });

  it('is each way to run before another number of threads of any', () => {
    const plan = planOf([
      candidate({ backend: 'tflite' }, 1),
      candidate({ backend: 'tflite', threads: 1 }, 1.5),
      candidate({ backend: 'llama' }, 3),
    ]);
    expect(idsOf(candidatesToMeasure(plan, state()))).toEqual(['m/v/tflite/cpu/t2', 'm/v/llama/cpu/t2']);
    // What failed with two threads may work with one.
    expect(idsOf(candidatesToMeasure(plan, state({ over: new Set(['m/v/tflite/cpu/t2']) })))).toEqual([
      'm/v/tflite/cpu/t1',
      'm/v/llama/cpu/t2',
    ]);
  });

  it('is no number of threads that may not run', () => {
    const plan = planOf([measured({}, 1), candidate({ threads: 4, reasons: [{ code: 'quarantined', detail: '' }] }, 1)]);
    expect(idsOf(candidatesToMeasure(plan, state()))).toEqual(['m/v/onnx/cpu/t1']);
  });

  it('are then the next lower and higher thread counts of what is measured, the quickest first', () => {
    const plan = planOf([measured({ backend: 'onnx' }, 1.5), measured({ backend: 'tflite' }, 1)]);
    expect(idsOf(candidatesToMeasure(plan, state()))).toEqual([
      'm/v/tflite/cpu/t1',
      'm/v/tflite/cpu/t4',
      'm/v/onnx/cpu/t1',
      'm/v/onnx/cpu/t4',
    ]);
  });

  it('goes outwards from the best count, and ends when both neighbours are measured', () => {
    const [one, two, four] = [measured({ threads: 1 }, 3), measured({ threads: 2 }, 2), measured({ threads: 4 }, 1)];
    const counts = { threadCounts: [1, 2, 4, 8] };
    expect(idsOf(candidatesToMeasure(planOf([four, two]), state(counts)))).toEqual(['m/v/onnx/cpu/t8']);
    expect(candidatesToMeasure(planOf([four, two, one, measured({ threads: 8 }, 5)]), state(counts))).toEqual([]);
  });

  it('leaves out the thread counts of what is far behind, unless it reached too little of what was expected', () => {
    const plan = planOf([measured({ backend: 'tflite' }, 1), measured({ backend: 'llama' }, 2.5)]);
    const only = { over: new Set(['m/v/tflite/cpu/t1', 'm/v/tflite/cpu/t4']) };
    expect(candidatesToMeasure(plan, state(only))).toEqual([]);
    const expected = (seconds: number) => ({ expectedSeconds: new Map([['m/v/llama/cpu/t2', seconds]]) });
    expect(candidatesToMeasure(plan, state({ ...only, ...expected(1.6) }))).toEqual([]);
    expect(idsOf(candidatesToMeasure(plan, state({ ...only, ...expected(1.4) })))).toEqual(['m/v/llama/cpu/t1', 'm/v/llama/cpu/t4']);
  });

  it('has no other thread counts on a GPU, nor where the count is fixed', () => {
    expect(candidatesToMeasure(planOf([measured({ backend: 'llama', provider: 'cuda' }, 1)]), state())).toEqual([]);
    expect(candidatesToMeasure(planOf([measured({}, 1)]), state({ threadCounts: [] }))).toEqual([]);
  });

  it('comes to an end, each candidate once, whatever is measured', () => {
    const seconds = fc.double({ min: 0.001, max: 10, noNaN: true });
    fc.assert(
      fc.property(fc.array(seconds, { minLength: 1, maxLength: 4 }), fc.infiniteStream(seconds), (predictions, results) => {
        let candidates = predictions.map((value, i) => candidate({ variant: `v${i}` }, value));
        const over = new Set<string>();
        for (let steps = 0; ; steps++) {
          const [next] = candidatesToMeasure(planOf(candidates), state({ over }));
          if (!next) break;
          expect(over.has(next.id)).toBe(false);
          expect(steps).toBeLessThan(3 * predictions.length);
          over.add(next.id);
          const { value: result = 1 } = results.next();
          candidates = [...candidates.filter(({ id }) => id !== next.id), measured(next, result)];
        }
        expect(over.size).toBeGreaterThan(0);
      }),
    );
  });
});

describe('thread counts', () => {
  const cpu = (more: Partial<CpuProfile>): CpuProfile => ({
    architecture: 'x64',
    model: '',
    flags: [],
    logicalCores: 8,
    physicalCores: 8,
    usableCores: 8,
    ...more,
  });

  it('are the powers of two, all cores, and where the kinds of cores end', () => {
    expect(threadCountsOf(cpu({}))).toEqual([1, 2, 4, 8]);
    expect(threadCountsOf(cpu({ logicalCores: 12, physicalCores: 6, usableCores: 12 }))).toEqual([1, 2, 4, 6, 8, 12]);
    expect(threadCountsOf(cpu({ performanceCores: 3, usableCores: 7 }))).toEqual([1, 2, 3, 4, 7]);
  });

  it('are one on a sliver of a core', () => {
    expect(threadCountsOf(cpu({ usableCores: 0.3 }))).toEqual([1]);
  });
});
