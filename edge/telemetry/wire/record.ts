import { z } from 'zod';

const base = {
  name: z.string().min(1).max(128),
  attributes: z.record(z.string().max(128), z.union([z.string().max(1024), z.number(), z.boolean()])),
};
const histogramSchema = z
  .strictObject({
    kind: z.literal('histogram'),
    ...base,
    startTime: z.int(),
    count: z.int().min(0),
    sum: z.number(),
    /** Upper, inclusive bounds; ascending. */
    boundaries: z.array(z.number()).max(100),
    /** One more than the boundaries; the last counts what is above them all. */
    buckets: z.array(z.int().min(0)).min(1),
  })
  .refine(({ boundaries, buckets }) => buckets.length === boundaries.length + 1, 'one bucket more than boundaries')
  .refine(({ buckets, count }) => buckets.reduce((sum, bucket) => sum + bucket, 0) === count, 'the buckets must add up to the count');

/** Checks what comes from a disk or a network. */
export const recordSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('event'), ...base }),
  z.strictObject({ kind: z.literal('gauge'), ...base, value: z.number() }),
  z.strictObject({ kind: z.literal('counter'), ...base, startTime: z.int(), value: z.number() }),
  histogramSchema,
]);

/**
 * One row of the outbox and of a batch. Counters and histograms are deltas from `startTime` (ms since 1970) to the time
 * of their row; a histogram says its own bucket boundaries, so that it can be read and merged without the semantic
 * conventions it was made with.
 */
export type TelemetryRecord = Readonly<z.output<typeof recordSchema>>;

/** A record with its place in the outbox. */
export interface SequencedRecord {
  readonly seq: number;
  /** Device's wall clock, ms since 1970. */
  readonly time: number;
  readonly record: TelemetryRecord;
}
