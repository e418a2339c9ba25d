import { expect, test } from 'vitest';
import { scoreLinear, sigmoid } from '#agent/bots/qa/linear-model.ts';
import { fitListwise, fitLogistic } from '#agent/eval/fit-linear.ts';
import { auroc, thresholdFor } from '#agent/eval/metrics.ts';

test('AUROC counts pairs, ties half', () => {
  expect(auroc([0.9, 0.8], [0.1, 0.2])).toBe(1);
  expect(auroc([0.9, 0.5], [0.5, 0.1])).toBe(0.875);
  expect(auroc([1, 1], [1, 1])).toBe(0.5);
  expect(auroc([], [1])).toBeNaN();
});

test('a threshold lets through the share that is allowed', () => {
  const scores = Array.from({ length: 100 }, (_, i) => i / 100);
  for (const allowed of [0, 0.03, 0.1, 0.5]) {
    const threshold = thresholdFor(scores, allowed);
    expect(scores.filter((score) => score >= threshold).length).toBe(Math.round(allowed * 100));
  }
});

test('logistic regression recovers the log-odds of a table', () => {
  // 3 of 4 positives with the feature, 1 of 4 without: log-odds +-ln 3.
  const examples = [1, 1, 1, 0].map((label) => ({ features: { x: 1 }, label: label as 0 | 1 }));
  const without = [0, 0, 0, 1].map((label) => ({ features: { x: 0 }, label: label as 0 | 1 }));
  const model = fitLogistic(['x'], [...examples, ...without], { l2: 0 });
  expect(sigmoid(scoreLinear(model, { x: 1 }))).toBeCloseTo(0.75, 3);
  expect(sigmoid(scoreLinear(model, { x: 0 }))).toBeCloseTo(0.25, 3);
  expect(scoreLinear(model, {})).toBeCloseTo(0, 3);
});

test('listwise regression learns which candidate of a list is right', () => {
  const examples = Array.from({ length: 21 }, (_, i) => ({
    candidates: [0, 1, 2].map((at) => ({ good: at === 1 ? i + 1 : i, noise: (i + at) % 3 })),
    right: [false, true, false],
  }));
  const model = fitListwise(['good', 'noise'], examples, { l2: 0.1 });
  expect(model.terms.good?.weight).toBeGreaterThan(1);
  expect(Math.abs(model.terms.noise?.weight ?? 1)).toBeLessThan(0.5);
});
