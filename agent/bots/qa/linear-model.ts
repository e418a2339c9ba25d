/** One feature of a {@link LinearModel}: its value is standardised before it is weighed. */
export interface LinearTerm {
  readonly mean: number;
  readonly scale: number;
  readonly weight: number;
}

/** Weights of standardised features, as trained by `scripts/eval-qa.ts --calibrate`. */
export interface LinearModel {
  readonly bias: number;
  readonly terms: Readonly<Record<string, LinearTerm>>;
}

/** Feature values by name; one that is missing counts as average. */
export type Features = Readonly<Record<string, number | undefined>>;

/** The weighted sum. */
export function scoreLinear(model: LinearModel, features: Features): number {
  let sum = model.bias;
  for (const [name, { mean, scale, weight }] of Object.entries(model.terms)) {
    const value = features[name];
    if (value !== undefined) sum += (weight * (value - mean)) / scale;
  }
  return sum;
}

/** Logistic function: any score to 0..1. */
export function sigmoid(score: number): number {
  return 1 / (1 + Math.exp(-score));
}

/** Scores to probabilities that sum to 1. */
export function softmax(scores: readonly number[]): number[] {
  const top = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - top));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}
