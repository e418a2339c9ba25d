import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DriftDetector, speedOfGeneration, speedOfText } from '#edge/calibration/drift.ts';

/** Feeds one speed a second, and tells after how many the drift was said. */
function secondsUntilDrift(speeds: readonly number[], stepMs = 1000): number | undefined {
  let nowMs = 0;
  const detector = new DriftDetector({ now: () => 0, monotonic: () => nowMs });
  const said = speeds.flatMap((speed, index) => {
    nowMs += stepMs;
    return detector.observe(speed) ? [index + 1] : [];
  });
  expect(said.length).toBeLessThanOrEqual(1);
  return said[0];
}

describe('a drift', () => {
  it('is said once, after it has lasted for 30 s', () => {
    // Half as fast: the mean crosses 0.6 with the sixth call, and has been there for 30 s with the 36th.
    expect(secondsUntilDrift(Array(200).fill(0.5))).toBe(36);
    expect(secondsUntilDrift(Array(200).fill(2))).toBe(36);
  });

  it('needs ten calls, however long they take', () => {
    expect(secondsUntilDrift(Array(20).fill(0.1), 60_000)).toBe(10);
  });

  it('does not come from one odd call, nor from a short burst', () => {
    expect(secondsUntilDrift([...Array(20).fill(1), 0.01, ...Array(100).fill(1)])).toBeUndefined();
    const burst = [...Array(20).fill(1), ...Array(20).fill(0.3), ...Array(20).fill(1)];
    expect(secondsUntilDrift([...burst, ...burst, ...burst])).toBeUndefined();
  });

  it('is never said of speeds within the limits', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0.61, max: 1.59, noNaN: true }), { maxLength: 300 }), (speeds) => {
        expect(secondsUntilDrift(speeds, 10_000)).toBeUndefined();
      }),
    );
  });

  it('is always said of speeds far outside, on one side, whatever they are', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0.001, max: 0.3, noNaN: true }), { minLength: 60, maxLength: 80 }), (speeds) => {
        expect(secondsUntilDrift(speeds)).toBeLessThanOrEqual(60);
        expect(secondsUntilDrift(speeds.map((speed) => 1 / speed))).toBe(secondsUntilDrift(speeds));
      }),
    );
  });

  it('ignores what is no speed', () => {
    const detector = new DriftDetector();
    for (const nonsense of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) expect(detector.observe(nonsense)).toBe(false);
    expect(detector.speed).toBe(1);
  });
});

describe('the speed of a generation', () => {
  const measured = { prefill: 200, decode: 50 };

  it('is expected by needed time, prompt and answer together', () => {
    const usage = { promptTokens: 300, cachedTokens: 100, completionTokens: 101 };
    // 1 s of prompt and 2 s of answer were expected; 6 s were needed.
    expect(speedOfGeneration(measured, usage, { totalMs: 6000, prefillMs: 2000, decodeMs: 4000 })).toBeCloseTo(0.5);
  });

  it('leaves out what was too short or came out of the cache', () => {
    const usage = { promptTokens: 300, cachedTokens: 290, completionTokens: 101 };
    expect(speedOfGeneration(measured, usage, { totalMs: 6000, prefillMs: 2000, decodeMs: 4000 })).toBeCloseTo(0.5);
    expect(
      speedOfGeneration(measured, { ...usage, completionTokens: 3 }, { totalMs: 6000, prefillMs: 2000, decodeMs: 4000 }),
    ).toBeUndefined();
    expect(speedOfGeneration({}, usage, { totalMs: 6000, prefillMs: 2000, decodeMs: 4000 })).toBeUndefined();
  });
});

describe('the speed of texts', () => {
  const measured = { short: 100, long: 20 };

  it('is 1 at the measured lengths, and grows evenly between', () => {
    expect(speedOfText(measured, 16, 0.01)).toBeCloseTo(1);
    expect(speedOfText(measured, 128, 0.05)).toBeCloseTo(1);
    expect(speedOfText(measured, 72, 0.06)).toBeCloseTo(0.5);
  });

  it('is not told without measured rates or time', () => {
    expect(speedOfText({ short: 100 }, 16, 0.01)).toBeUndefined();
    expect(speedOfText(measured, 16, 0)).toBeUndefined();
  });
});
