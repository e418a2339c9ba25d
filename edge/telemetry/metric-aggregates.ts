import type { Attributes } from '#edge/contracts/telemetry.ts';
import { METRICS, type MetricConvention } from './semantic-conventions.ts';
import type { TelemetryRecord } from './wire/record.ts';

/** Most attribute sets of one metric; what comes later is summed under {@link OVERFLOW}, so totals stay right. */
export const MAX_SERIES_PER_METRIC = 200;
/** As the OpenTelemetry metrics SDK specification names it (section "Cardinality limits"). */
const OVERFLOW: Attributes = { 'otel.metric.overflow': true };

interface Accumulator {
  count: number;
  sum: number;
  readonly buckets: number[];
}

/** One metric with one attribute set since the start of the process. */
export interface MetricSeries {
  readonly name: string;
  readonly convention: MetricConvention;
  readonly attributes: Attributes;
  /** A counter's or histogram's sum, a gauge's last value. */
  readonly sum: number;
  readonly count: number;
  /** Counts per bucket, not cumulated; empty unless a histogram. */
  readonly buckets: readonly number[];
}

interface Series {
  readonly name: string;
  readonly convention: MetricConvention;
  readonly attributes: Attributes;
  readonly total: Accumulator;
  delta: Accumulator;
}

/** Sums observations in memory: deltas for the outbox, totals for `/metrics`. Memory is bounded by the cardinality limit. */
export class MetricAggregates {
  readonly #series = new Map<string, Series>();
  readonly #seriesPerMetric = new Map<string, number>();
  #intervalStart: number;

  constructor(now: number) {
    this.#intervalStart = now;
  }

  /**
   * Adds one observation.
   * @returns why it was refused, or `undefined`.
   */
  observe(name: string, value: number, attributes: Attributes): 'unknown-name' | 'invalid-value' | undefined {
    const convention = Object.hasOwn(METRICS, name) ? METRICS[name] : undefined;
    if (!convention) return 'unknown-name';
    if (typeof value !== 'number' || !Number.isFinite(value) || (convention.kind !== 'gauge' && value < 0)) return 'invalid-value';
    const series = this.#find(name, convention, attributes);
    for (const accumulator of [series.total, series.delta]) add(accumulator, convention, value);
    return undefined;
  }

  /** What changed since the last call, as records; begins a new interval. */
  takeDeltas(now: number): TelemetryRecord[] {
    const startTime = this.#intervalStart;
    this.#intervalStart = now;
    const records: TelemetryRecord[] = [];
    for (const series of this.#series.values()) {
      if (series.delta.count === 0) continue;
      records.push(toRecord(series, startTime));
      series.delta = emptyAccumulator(series.convention);
    }
    return records;
  }

  /** Totals of every series, for `/metrics`. */
  totals(): MetricSeries[] {
    return Array.from(this.#series.values(), ({ name, convention, attributes, total }) => ({ name, convention, attributes, ...total }));
  }

  #find(name: string, convention: MetricConvention, attributes: Attributes): Series {
    const key = seriesKey(name, attributes);
    const known = this.#series.get(key);
    if (known) return known;
    const siblings = this.#seriesPerMetric.get(name) ?? 0;
    if (siblings >= MAX_SERIES_PER_METRIC && attributes !== OVERFLOW) return this.#find(name, convention, OVERFLOW);
    const series = { name, convention, attributes, total: emptyAccumulator(convention), delta: emptyAccumulator(convention) };
    this.#series.set(key, series);
    this.#seriesPerMetric.set(name, siblings + 1);
    return series;
  }
}

function seriesKey(name: string, attributes: Attributes): string {
  return JSON.stringify([name, ...Object.entries(attributes).toSorted(([a], [b]) => (a < b ? -1 : 1))]);
}

function emptyAccumulator(convention: MetricConvention): Accumulator {
  return { count: 0, sum: 0, buckets: convention.kind === 'histogram' ? new Array<number>(convention.boundaries.length + 1).fill(0) : [] };
}

function add(accumulator: Accumulator, convention: MetricConvention, value: number): void {
  accumulator.count++;
  accumulator.sum = convention.kind === 'gauge' ? value : accumulator.sum + value;
  if (convention.kind === 'histogram') {
    const above = convention.boundaries.findIndex((bound) => value <= bound);
    const bucket = above === -1 ? convention.boundaries.length : above;
    accumulator.buckets[bucket] = (accumulator.buckets[bucket] ?? 0) + 1;
  }
}

function toRecord({ name, convention, attributes, delta }: Series, startTime: number): TelemetryRecord {
  switch (convention.kind) {
    case 'gauge':
      return { kind: 'gauge', name, attributes, value: delta.sum };
    case 'counter':
      return { kind: 'counter', name, attributes, startTime, value: delta.sum };
    case 'histogram':
      return {
        kind: 'histogram',
        name,
        attributes,
        startTime,
        count: delta.count,
        sum: delta.sum,
        boundaries: [...convention.boundaries],
        buckets: delta.buckets,
      };
  }
}
