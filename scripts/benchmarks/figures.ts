/** What many measurements say together; pure. */
import { median } from './report.ts';

/** A ratio, and what it is of. */
export interface Named {
  readonly id: string;
  readonly ratio: number;
}

export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
  /** The one that is furthest from 1, as a factor: 0.5 is as far as 2. */
  readonly worst: Named;
}

/** Spread of at least one ratio, which are all positive. */
export function spreadOf(ratios: readonly Named[]): Spread {
  const values = ratios.map(({ ratio }) => ratio);
  const [worst] = ratios.toSorted((a, b) => distanceOf(b) - distanceOf(a));
  return { min: Math.min(...values), median: median(values), max: Math.max(...values), worst: worst as Named };
}

const distanceOf = ({ ratio }: Named): number => Math.abs(Math.log(ratio));

/** A candidate of one model and its seconds of a typical call, in each round. */
export interface Timed {
  readonly id: string;
  readonly callSeconds: readonly number[];
}

export interface Regret {
  /** Id of the candidate with the least median. */
  readonly best: string;
  /** Median of the chosen / the least median, less one: 0.03 is 3 % slower than the best. */
  readonly regret: number;
}

/** How much longer the chosen candidate takes than the best one; `undefined` when it was not measured. */
export function regretOf(chosen: string, candidates: readonly Timed[]): Regret | undefined {
  const medians = candidates
    .flatMap(({ id, callSeconds }) => (callSeconds.length > 0 ? [{ id, seconds: median(callSeconds) }] : []))
    .toSorted((a, b) => a.seconds - b.seconds);
  const own = medians.find(({ id }) => id === chosen);
  const [best] = medians;
  return own && best && { best: best.id, regret: own.seconds / best.seconds - 1 };
}
