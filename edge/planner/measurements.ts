import type { BackendId } from '#edge/contracts/backend.ts';
import type { ModelCard, ModelVariant } from '#edge/contracts/model.ts';
import type { Measurement } from '#edge/contracts/plan.ts';
import type { PlanInput } from './plan-input.ts';

const MEASUREMENT_LIFE_MS = 30 * 24 * 3600 * 1000;

/** One way to run a variant, as far as its speed depends on it. */
export interface Way {
  readonly card: ModelCard;
  readonly variant: ModelVariant;
  readonly backend: BackendId;
  readonly provider: string;
  readonly threads: number;
}

/** Measurements that count, latest first: taken on this device, within the last 30 days, with rates that can be divided by. */
export function validMeasurements({ measurements, device, nowMs }: PlanInput): readonly Measurement[] {
  return measurements
    .filter(({ fingerprint, atMs }) => fingerprint === device.fingerprint && nowMs - atMs < MEASUREMENT_LIFE_MS)
    .filter(({ rates }) => Object.values(rates).every((rate) => Number.isFinite(rate) && rate > 0))
    .toSorted((a, b) => b.atMs - a.atMs || compareText(JSON.stringify(a), JSON.stringify(b)));
}

/** The latest measurement of exactly this way. */
export function measurementOf(way: Way, input: PlanInput): Measurement | undefined {
  return measurementsOf(way, input).find(({ threads }) => threads === way.threads);
}

/** Thread counts with which a variant was measured here. */
export function measuredThreads(way: Omit<Way, 'threads'>, input: PlanInput): readonly number[] {
  return [...new Set(measurementsOf(way, input).map(({ threads }) => threads))];
}

/** The way that a measurement was taken of; undefined when its file is not stored any more. */
export function wayOf(measurement: Measurement, input: PlanInput): Way | undefined {
  const { backend, provider, threads } = measurement;
  const stored = input.stored.find(({ sha256, variant }) => sha256 === measurement.modelSha256 && variant === measurement.variant);
  const card = input.cards.find(({ id }) => id === stored?.model);
  const variant = card?.variants.find(({ id }) => id === measurement.variant);
  return card && variant ? { card, variant, backend, provider, threads } : undefined;
}

function measurementsOf({ card, variant, backend, provider }: Omit<Way, 'threads'>, input: PlanInput): readonly Measurement[] {
  const stored = input.stored.find((one) => one.model === card.id && one.variant === variant.id);
  return validMeasurements(input).filter(
    (one) => one.modelSha256 === stored?.sha256 && one.variant === variant.id && one.backend === backend && one.provider === provider,
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
