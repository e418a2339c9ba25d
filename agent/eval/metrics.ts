/**
 * Area under the ROC curve: the chance that a positive scores above a negative, ties counting half (the Mann-Whitney statistic).
 * NaN when either list is empty.
 */
export function auroc(positives: readonly number[], negatives: readonly number[]): number {
  const all = [...positives.map((score) => ({ score, positive: true })), ...negatives.map((score) => ({ score, positive: false }))];
  all.sort((a, b) => a.score - b.score);
  let rankSum = 0;
  for (let start = 0; start < all.length; ) {
    let end = start;
    while (end < all.length && all[end]?.score === all[start]?.score) end++;
    const rank = (start + 1 + end) / 2;
    for (let i = start; i < end; i++) if (all[i]?.positive) rankSum += rank;
    start = end;
  }
  const p = positives.length;
  return (rankSum - (p * (p + 1)) / 2) / (p * negatives.length);
}

/** Share of the values for which the test holds; NaN for none. */
export function share<T>(values: readonly T[], test: (value: T) => boolean): number {
  return values.filter(test).length / values.length;
}

/** The smallest threshold that at most this share of the scores reaches. */
export function thresholdFor(scores: readonly number[], allowedShare: number): number {
  const sorted = [...scores].sort((a, b) => b - a);
  const index = Math.floor(allowedShare * sorted.length);
  return ((sorted[index] ?? 0) + (sorted[index - 1] ?? 1)) / 2;
}
