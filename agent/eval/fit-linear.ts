import type { Features, LinearModel } from '#agent/bots/qa/linear-model.ts';

/** A labelled example of a {@link fitLogistic}. */
export interface Example {
  readonly features: Features;
  readonly label: 0 | 1;
  readonly importance?: number;
}

/** The candidates of one question, and which of them are right, for {@link fitListwise}. */
export interface RankingExample {
  readonly candidates: readonly Features[];
  readonly right: readonly boolean[];
}

export interface FitOptions {
  /** Strength of the L2 penalty on the standardised weights. */
  readonly l2: number;
  /** Gradient steps. Defaults to 1500. */
  readonly steps?: number;
}

/** Logistic regression with an L2 penalty, by full-batch gradient descent with momentum; the bias is not penalised. */
export function fitLogistic(names: readonly string[], examples: readonly Example[], options: FitOptions): LinearModel {
  const { rows, means, scales } = standardise(
    names,
    examples.map((example) => example.features),
  );
  const weight = examples.map((example) => example.importance ?? 1);
  const total = weight.reduce((a, b) => a + b, 0);
  const parameters = descend(names.length + 1, options.steps, (p, gradient) => {
    rows.forEach((row, i) => {
      const error =
        ((weight[i] as number) * (1 / (1 + Math.exp(-(dot(p, row) + (p[row.length] as number)))) - (examples[i] as Example).label)) / total;
      for (let j = 0; j < row.length; j++) gradient[j] = (gradient[j] as number) + error * (row[j] as number);
      gradient[row.length] = (gradient[row.length] as number) + error;
    });
    penalise(p, gradient, { names, strength: options.l2 / total });
  });
  return toModel(names, parameters, { means, scales });
}

/** Listwise softmax regression: the probability mass on the right candidates of each question is raised. */
export function fitListwise(names: readonly string[], examples: readonly RankingExample[], options: FitOptions): LinearModel {
  const usable = examples.filter((example) => example.right.includes(true) && example.right.includes(false));
  const { rows, means, scales } = standardise(
    names,
    usable.flatMap((example) => example.candidates),
  );
  const parameters = descend(names.length + 1, options.steps, (p, gradient) => {
    let start = 0;
    for (const { right } of usable) {
      const list = rows.slice(start, start + right.length);
      start += right.length;
      const powers = list.map((row) => Math.exp(dot(p, row)));
      const all = powers.reduce((a, b) => a + b, 0);
      const good = powers.reduce((sum, power, i) => (right[i] ? sum + power : sum), 0);
      list.forEach((row, i) => {
        const power = powers[i] as number;
        const error = (power / all - (right[i] ? power / good : 0)) / usable.length;
        for (let j = 0; j < row.length; j++) gradient[j] = (gradient[j] as number) + error * (row[j] as number);
      });
    }
    penalise(p, gradient, { names, strength: options.l2 / usable.length });
  });
  return toModel(names, parameters, { means, scales });
}

interface Standardised {
  readonly rows: readonly Float64Array[];
  readonly means: readonly number[];
  readonly scales: readonly number[];
}

function standardise(names: readonly string[], examples: readonly Features[]): Standardised {
  const columns = names.map((name) => examples.map((features) => features[name]).filter((value) => value !== undefined));
  const means = columns.map((column) => column.reduce((a, b) => a + b, 0) / Math.max(1, column.length));
  const scales = columns.map((column, j) => {
    const variance = column.reduce((sum, value) => sum + (value - (means[j] as number)) ** 2, 0) / Math.max(1, column.length);
    return Math.sqrt(variance) || 1;
  });
  const rows = examples.map((features) =>
    Float64Array.from(names, (name, j) => {
      const value = features[name];
      return value === undefined ? 0 : (value - (means[j] as number)) / (scales[j] as number);
    }),
  );
  return { rows, means, scales };
}

function descend(size: number, steps = 1500, addGradient: (parameters: Float64Array, gradient: Float64Array) => void): Float64Array {
  const parameters = new Float64Array(size);
  const velocity = new Float64Array(size);
  for (let step = 0; step < steps; step++) {
    const gradient = new Float64Array(size);
    addGradient(parameters, gradient);
    for (let j = 0; j < size; j++) {
      velocity[j] = 0.9 * (velocity[j] as number) - 0.1 * (gradient[j] as number);
      parameters[j] = (parameters[j] as number) + (velocity[j] as number);
    }
  }
  return parameters;
}

function penalise(parameters: Float64Array, gradient: Float64Array, penalty: { names: readonly string[]; strength: number }): void {
  for (let j = 0; j < penalty.names.length; j++) gradient[j] = (gradient[j] as number) + penalty.strength * (parameters[j] as number);
}

function dot(parameters: Float64Array, row: Float64Array): number {
  let sum = 0;
  for (let j = 0; j < row.length; j++) sum += (parameters[j] as number) * (row[j] as number);
  return sum;
}

function toModel(names: readonly string[], parameters: Float64Array, { means, scales }: Omit<Standardised, 'rows'>): LinearModel {
  const round = (value: number): number => Number(value.toPrecision(5));
  const terms = names.map((name, j) => [
    name,
    { mean: round(means[j] as number), scale: round(scales[j] as number), weight: round(parameters[j] as number) },
  ]);
  return { bias: round(parameters[names.length] as number), terms: Object.fromEntries(terms) };
}
