import { type Attributes, LANES, type Lane, type Recorder, type TelemetryEvent } from '#edge/contracts/telemetry.ts';
import type { Clock } from '#edge/core/clock.ts';
import type { Logger } from '#edge/core/log.ts';
import { MetricAggregates, type MetricSeries } from './metric-aggregates.ts';
import type { DropCount, DropReason, NewRow } from './outbox.ts';
import { EVENTS } from './semantic-conventions.ts';
import type { TelemetryRecord } from './wire/record.ts';

/** Most attributes of one event or series, and most characters of a text among them; the rest is cut off. */
const MAX_ATTRIBUTES = 16;
const MAX_TEXT = 128;

export interface EventRecorderOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Most events that wait for the outbox; further ones are dropped and counted. Defaults to 4096. */
  readonly capacity?: number;
  /** Told after each event that was taken, so that its owner can plan the next commit. */
  readonly onEvent?: (lane: Lane) => void;
}

/** What the outbox gets in one transaction. */
export interface Handover {
  readonly rows: readonly NewRow[];
  readonly drops: readonly DropCount[];
}

/**
 * Takes events and observations in memory, in constant time and without I/O; what it cannot take it counts. Its owner
 * moves them on: {@link peek}, write, {@link confirm}.
 */
export class EventRecorder implements Recorder {
  readonly #options: EventRecorderOptions;
  readonly #capacity: number;
  readonly #aggregates: MetricAggregates;
  readonly #rows: NewRow[] = [];
  readonly #drops = new Map<string, DropCount>();
  readonly #complained = new Set<string>();

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#capacity = options.capacity ?? 4096;
    this.#aggregates = new MetricAggregates(now(options.clock));
  }

  event(event: TelemetryEvent): void {
    try {
      const { lane, name, attributes } = event;
      if (!LANES.includes(lane)) this.#refuse('traces', 'invalid-value', `lane ${lane}`);
      else if (!Object.hasOwn(EVENTS, name)) this.#refuse(lane, 'unknown-name', name);
      else {
        this.#push(lane, { kind: 'event', name, attributes: cleanAttributes(attributes) });
        this.#options.onEvent?.(lane);
      }
    } catch (error) {
      this.#refuse('traces', 'invalid-value', String(error));
    }
  }

  observe(metric: string, value: number, attributes?: Attributes): void {
    try {
      const refused = this.#aggregates.observe(metric, value, cleanAttributes(attributes));
      if (refused) this.#refuse('metrics', refused, metric);
    } catch (error) {
      this.#refuse('metrics', 'invalid-value', String(error));
    }
  }

  /** Rows that wait for the outbox. */
  get waiting(): number {
    return this.#rows.length;
  }

  /** Turns what was observed since the last call into rows. */
  stageMetrics(): void {
    for (const record of this.#aggregates.takeDeltas(now(this.#options.clock))) this.#push('metrics', record);
  }

  /** Metrics since the start of the process. */
  totals(): MetricSeries[] {
    return this.#aggregates.totals();
  }

  /** The oldest waiting rows, at most `limit`, and every drop not yet written; nothing is removed. */
  peek(limit: number): Handover {
    return { rows: this.#rows.slice(0, limit), drops: [...this.#drops.values()] };
  }

  /** Removes what {@link peek} gave, after it was written. Both must happen without a pause in between. */
  confirm(handover: Handover): void {
    this.#rows.splice(0, handover.rows.length);
    this.#drops.clear();
  }

  #push(lane: Lane, record: TelemetryRecord): void {
    if (this.#rows.length >= this.#capacity) this.#refuse(lane, 'handover-full', record.name);
    else this.#rows.push({ lane, time: now(this.#options.clock), payload: JSON.stringify(record) });
  }

  #refuse(lane: Lane, reason: DropReason, name: string): void {
    const key = `${lane} ${reason}`;
    this.#drops.set(key, { lane, reason, count: (this.#drops.get(key)?.count ?? 0) + 1 });
    const complaint = reason === 'handover-full' ? reason : `${reason} ${name}`;
    if (this.#complained.has(complaint) || this.#complained.size >= 100) return;
    this.#complained.add(complaint);
    this.#options.log.warn('telemetry dropped', { reason, name: name.slice(0, MAX_TEXT), further: 'counted, not logged' });
  }
}

function now(clock: Clock): number {
  return Math.trunc(clock.now());
}

function cleanAttributes(attributes: Attributes = {}): Attributes {
  const clean: Record<string, string | number | boolean> = {};
  for (const [key, value] of Object.entries(attributes).slice(0, MAX_ATTRIBUTES)) {
    if (typeof value === 'string') clean[key.slice(0, MAX_TEXT)] = value.slice(0, MAX_TEXT);
    else if (typeof value === 'boolean' || Number.isFinite(value)) clean[key.slice(0, MAX_TEXT)] = value;
  }
  return clean;
}
