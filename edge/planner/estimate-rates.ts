import type { CandidateEstimate, Measurement } from '#edge/contracts/plan.ts';
import { type Estimate, type RateName, type Rates, TASK_RATES, TYPICAL_CALL } from '#edge/contracts/plan.ts';
import { packagedProvider } from './binaries.ts';
import { measurementOf, validMeasurements, type Way, wayOf } from './measurements.ts';
import type { PlanInput } from './plan-input.ts';
import { predictRates } from './predict-rates.ts';

const CONFIDENCE = { measured: 0.95, extrapolated: 0.7, predicted: 0.4 } as const;

/** Sources from the weakest to the strongest. */
const SOURCES = ['predicted', 'extrapolated', 'measured'] as const satisfies readonly Estimate['source'][];

/** What is known of the speed of a way to run. */
export interface SpeedEstimate extends Pick<CandidateEstimate, 'rates' | 'callSeconds'> {
  readonly measured: Measurement | null;
}

/**
 * Each rate measured here, else extrapolated from what the same backend and provider did with another model or thread
 * count here, else predicted from the hardware.
 */
export function estimateRates(way: Way, input: PlanInput): SpeedEstimate {
  const measured = measurementOf(way, input) ?? null;
  const predicted = predictRates(way, input.device);
  const names: readonly RateName[] = TASK_RATES[way.card.task];
  const rates = names.map((name): readonly [RateName, Estimate] => {
    const own = measured?.rates[name];
    if (own !== undefined) return [name, estimateOf(own, 'measured')];
    const value = predicted.get(name) ?? 0;
    const ratio = learnedRatio(name, way, input);
    return [name, ratio === undefined ? estimateOf(value, 'predicted') : estimateOf(value * ratio, 'extrapolated')];
  });
  return { rates: Object.fromEntries(rates), callSeconds: callSecondsOf(rates, TYPICAL_CALL[way.card.task]), measured };
}

/** Seconds of one typical call; as sure as the least sure of its rates. */
function callSecondsOf(rates: readonly (readonly [RateName, Estimate])[], call: Rates): Estimate {
  const seconds = rates.reduce((sum, [name, { value }]) => sum + (call[name] ?? 0) / value, 0);
  const weakest = SOURCES.find((source) => rates.some(([, rate]) => rate.source === source)) ?? 'predicted';
  return estimateOf(seconds, weakest);
}

/**
 * Measured / predicted of the nearest relative that has the rate: the same provider before the packaged one of a local
 * build, then the same model, then the same variant, then the latest.
 */
function learnedRatio(name: RateName, way: Way, input: PlanInput): number | undefined {
  const relatives = validMeasurements(input).flatMap((measurement) => {
    const rate = measurement.rates[name];
    if (rate === undefined || measurement.backend !== way.backend || !isKin(measurement.provider, way.provider)) return [];
    const relative = wayOf(measurement, input);
    const predicted = relative && predictRates(relative, input.device).get(name);
    return relative && predicted ? [{ ratio: rate / predicted, nearness: nearnessOf(relative, way) }] : [];
  });
  return relatives.toSorted((a, b) => b.nearness - a.nearness)[0]?.ratio;
}

function isKin(a: string, b: string): boolean {
  return packagedProvider(a) === packagedProvider(b);
}

function nearnessOf(relative: Way, way: Way): number {
  const isSameModel = relative.card.id === way.card.id;
  return (
    4 * Number(relative.provider === way.provider) + 2 * Number(isSameModel) + Number(isSameModel && relative.variant.id === way.variant.id)
  );
}

/** Four digits are more than any of the sources is worth. */
function estimateOf(value: number, source: Estimate['source']): Estimate {
  return { value: Number(value.toPrecision(4)), source, confidence: CONFIDENCE[source] };
}
