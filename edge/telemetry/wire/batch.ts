/**
 * Batches as columns, then gzip: what repeats (names, attributes, boundaries) stands once in `series`, numbers that grow
 * (`seq`, `time`) are differences.
 */
import { gunzipSync, gzipSync } from 'node:zlib';
import { z } from 'zod';
import { LANES, type Lane } from '#edge/contracts/telemetry.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { decodeJson } from './decode-json.ts';
import { recordSchema, type SequencedRecord, type TelemetryRecord } from './record.ts';

/** Rows of one lane of one boot, ascending by `seq`. */
export interface Batch {
  readonly boot: string;
  readonly lane: Lane;
  /** The device's own counts of this lane when the batch was made; the collector's ledger compares them. */
  readonly produced: number;
  readonly dropped: number;
  readonly rows: readonly SequencedRecord[];
}

/** Most rows a batch may hold. */
export const MAX_BATCH_ROWS = 10_000;
/** Most bytes a batch may unpack to; a bomb ends here. */
const MAX_UNPACKED_BYTES = 8 * 1024 * 1024;

/** What rows have in common; checked with each row. */
type Series = Pick<TelemetryRecord, 'kind' | 'name' | 'attributes'> & { readonly boundaries?: readonly number[] };

const count = z.int().min(0);
const column = <T extends z.ZodType>(item: T) => z.array(item).min(1).max(MAX_BATCH_ROWS);
const seriesSchema = z.object({
  kind: z.enum(['event', 'gauge', 'counter', 'histogram']),
  name: z.string(),
  attributes: z.unknown(),
  boundaries: z.unknown().optional(),
});
const batchSchema = z.object({
  v: z.literal(1),
  boot: z.string().min(1).max(64),
  lane: z.enum(LANES),
  produced: count,
  dropped: count,
  series: column(seriesSchema),
  of: column(count),
  seq: column(z.int().min(1)),
  time: column(z.int()),
  data: column(z.union([z.null(), z.number(), z.array(z.number()).max(104)])),
});
type WireBatch = z.output<typeof batchSchema>;

/** Packs a batch of 1 to {@link MAX_BATCH_ROWS} rows. */
export function encodeBatch(batch: Batch): Buffer {
  const series: Series[] = [];
  const indexes = new Map<string, number>();
  const wire: Pick<WireBatch, 'of' | 'seq' | 'time' | 'data'> = { of: [], seq: [], time: [], data: [] };
  let seq = 0;
  let time = 0;
  for (const row of batch.rows) {
    const { kind, name, attributes } = row.record;
    const shape: Series = { kind, name, attributes, ...(row.record.kind === 'histogram' ? { boundaries: row.record.boundaries } : {}) };
    const key = JSON.stringify(shape);
    let index = indexes.get(key);
    if (index === undefined) {
      index = series.push(shape) - 1;
      indexes.set(key, index);
    }
    wire.of.push(index);
    wire.seq.push(row.seq - seq);
    wire.time.push(row.time - time);
    wire.data.push(dataOf(row));
    seq = row.seq;
    time = row.time;
  }
  const { boot, lane, produced, dropped } = batch;
  return gzipSync(JSON.stringify({ v: 1, boot, lane, produced, dropped, series, ...wire }));
}

function dataOf({ record, time }: SequencedRecord): null | number | number[] {
  switch (record.kind) {
    case 'event':
      return null;
    case 'gauge':
      return record.value;
    case 'counter':
      return [time - record.startTime, record.value];
    case 'histogram':
      return [time - record.startTime, record.count, record.sum, ...record.buckets];
  }
}

/**
 * Unpacks and checks a batch; every number of it is trustworthy afterwards.
 * @throws EdgeError `E_WIRE_INVALID`.
 */
export function decodeBatch(payload: Uint8Array): Batch {
  let unpacked: Buffer;
  try {
    unpacked = gunzipSync(payload, { maxOutputLength: MAX_UNPACKED_BYTES });
  } catch (error) {
    throw invalid(`gzip of at most ${MAX_UNPACKED_BYTES} bytes`, (error as Error).message, error);
  }
  const wire = decodeJson('a batch', batchSchema, unpacked);
  const length = wire.seq.length;
  if (wire.of.length !== length || wire.time.length !== length || wire.data.length !== length) {
    throw invalid('columns of one length', [wire.seq, wire.of, wire.time, wire.data].map((values) => values.length).join(', '));
  }
  let seq = 0;
  let time = 0;
  const rows = wire.seq.map((step, row): SequencedRecord => {
    seq += step;
    time += wire.time[row] as number;
    const series = wire.series[wire.of[row] as number];
    if (!series) throw invalid(`a series number below ${wire.series.length}`, String(wire.of[row]));
    if (!Number.isSafeInteger(seq) || !Number.isSafeInteger(time)) throw invalid('sequence numbers and times below 2^53', `row ${row}`);
    if (series.kind !== 'event' && wire.lane !== 'metrics') throw invalid('metrics in the lane "metrics"', `lane "${wire.lane}"`);
    return { seq, time, record: recordOf(series, wire.data[row] ?? null, time) };
  });
  return { boot: wire.boot, lane: wire.lane, produced: wire.produced, dropped: wire.dropped, rows };
}

function recordOf(series: WireBatch['series'][number], data: WireBatch['data'][number], time: number): TelemetryRecord {
  const [age, second, third, ...buckets] = Array.isArray(data) ? data : [];
  const startTime = time - (age ?? Number.NaN);
  const values = {
    event: data === null ? {} : { data },
    gauge: { value: data },
    counter: { startTime, value: second },
    histogram: { startTime, count: second, sum: third, buckets },
  }[series.kind];
  const parsed = recordSchema.safeParse({ ...series, ...values });
  if (parsed.success) return parsed.data;
  throw invalid(`data of a ${series.kind}`, `${series.name}: ${parsed.error.issues[0]?.message}`);
}

function invalid(expected: string, found: string, cause?: unknown): EdgeError {
  return new EdgeError('E_WIRE_INVALID', { what: 'cannot read a batch', expected, found, cause });
}
