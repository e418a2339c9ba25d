import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LANES } from '#edge/contracts/telemetry.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { decodeAck, encodeAck } from '#edge/telemetry/wire/ack.ts';
import { type Batch, decodeBatch, encodeBatch } from '#edge/telemetry/wire/batch.ts';
import { decodeBirth, decodeState, encodeBirth, encodeState } from '#edge/telemetry/wire/presence.ts';
import type { TelemetryRecord } from '#edge/telemetry/wire/record.ts';
import { ackTopic, birthTopic, parseTopic, stateTopic, upTopic } from '#edge/telemetry/wire/topics.ts';

const text = fc.string({ minLength: 1, maxLength: 40 });
const attributes = fc.dictionary(
  text.filter((key) => key !== '__proto__'),
  fc.oneof(fc.string({ maxLength: 40 }), fc.integer(), fc.boolean()),
  { maxKeys: 4 },
);
const time = fc.integer({ min: -1e12, max: 4e12 });
const value = fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0 || 0);
const record: fc.Arbitrary<TelemetryRecord> = fc.oneof(
  fc.record({ kind: fc.constant('event' as const), name: text, attributes }),
  fc.record({ kind: fc.constant('gauge' as const), name: text, attributes, value }),
  fc.record({ kind: fc.constant('counter' as const), name: text, attributes, startTime: time, value }),
  fc
    .record({ name: text, attributes, startTime: time, sum: value, buckets: fc.array(fc.nat(1000), { minLength: 1, maxLength: 20 }) })
    .map((part) => ({
      kind: 'histogram' as const,
      ...part,
      count: part.buckets.reduce((sum, bucket) => sum + bucket, 0),
      boundaries: part.buckets.slice(1).map((_, index) => index / 8),
    })),
);
const batch: fc.Arbitrary<Batch> = fc.record({
  boot: fc.uuid(),
  lane: fc.constant('metrics' as const),
  produced: fc.nat(),
  dropped: fc.nat(),
  rows: fc
    .array(fc.record({ seq: fc.integer({ min: 1, max: 2 ** 40 }), time, record }), { minLength: 1, maxLength: 30 })
    .map((rows) => [...new Map(rows.map((row) => [row.seq, row])).values()].toSorted((a, b) => a.seq - b.seq)),
});

const EVENT = { kind: 'event', name: 'nearside.device.started', attributes: {} } as const;
const SMALL: Batch = { boot: 'b', lane: 'traces', produced: 1, dropped: 0, rows: [{ seq: 7, time: 5, record: EVENT }] };

/** A batch with some of its fields replaced. */
function forge(change: Record<string, unknown>): Buffer {
  return gzipSync(JSON.stringify({ ...(JSON.parse(gunzipSync(encodeBatch(SMALL)).toString()) as object), ...change }));
}

describe('batches', () => {
  test('come out as they went in', () => {
    fc.assert(
      fc.property(batch, (one) => {
        expect(decodeBatch(encodeBatch(one))).toEqual(one);
      }),
      { numRuns: 200 },
    );
  });

  test('take a fraction of one JSON message an event', () => {
    const rows = Array.from({ length: 200 }, (_, index) => ({
      seq: 1000 + index,
      time: 1_790_000_000_000 + index * 137,
      record: {
        ...EVENT,
        attributes: {
          'gen_ai.request.model': 'smollm2-135m-instruct',
          'http.status': index % 7 === 0 ? 503 : 200,
          ms: (index * 7919) % 5000,
        },
      },
    }));
    const plain = rows.reduce((sum, row) => sum + JSON.stringify({ boot: SMALL.boot, ...row }).length, 0);
    expect(encodeBatch({ ...SMALL, rows }).length / plain).toBeLessThan(0.15);
  });

  test('that were cut or changed are refused with a code, whatever the change', () => {
    const packed = encodeBatch(SMALL);
    fc.assert(
      fc.property(fc.nat(packed.length - 1), fc.integer({ min: 1, max: 255 }), fc.boolean(), (at, bits, cut) => {
        const broken = cut ? packed.subarray(0, at) : Buffer.from(packed.map((byte, index) => (index === at ? byte ^ bits : byte)));
        try {
          // Some header bytes of gzip carry no meaning: then the content must be what it was.
          expect(decodeBatch(broken)).toEqual(SMALL);
        } catch (error) {
          expect(EdgeError.is(error, 'E_WIRE_INVALID'), String(error)).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    ['no gzip', Buffer.from('hello')],
    ['no JSON', gzipSync('hello')],
    ['another version', forge({ v: 2 })],
    ['no rows', forge({ seq: [], of: [], time: [], data: [] })],
    ['columns of different length', forge({ time: [1, 2] })],
    ['a series that is not there', forge({ of: [4] })],
    ['a sequence that does not grow', forge({ seq: [7, 0], of: [0, 0], time: [0, 0], data: [null, null] })],
    ['a sequence beyond 2^53', forge({ seq: [9007199254740991, 9007199254740991], of: [0, 0], time: [0, 0], data: [null, null] })],
    ['data of another kind', forge({ data: [3] })],
    [
      'buckets that do not add up',
      forge({ lane: 'metrics', series: [{ kind: 'histogram', name: 'h', attributes: {}, boundaries: [1] }], data: [[1, 5, 2, 1, 1]] }),
    ],
    ['a metric in another lane', forge({ series: [{ kind: 'gauge', name: 'g', attributes: {} }], data: [3] })],
    ['an attribute that is an object', forge({ series: [{ kind: 'event', name: 'e', attributes: { a: {} } }] })],
  ])('refuse %s', (_what, payload) => {
    expect(() => decodeBatch(payload)).toThrow(expect.objectContaining({ code: 'E_WIRE_INVALID' }));
  });

  test('refuse a bomb without unpacking it', () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
    expect(bomb.length).toBeLessThan(100_000);
    expect(() => decodeBatch(bomb)).toThrow(expect.objectContaining({ code: 'E_WIRE_INVALID' }));
  });
});

describe('acknowledgements and presence', () => {
  test('come out as they went in', () => {
    const ack = { boot: 'b', lane: 'alerts' as const, ranges: [[1, 5] as const, [9, 9] as const] };
    expect(decodeAck(encodeAck(ack))).toEqual(ack);
    const birth = { boot: 'b', time: 3, inventory: { cores: 4, board: 'Pi' } };
    expect(decodeBirth(encodeBirth(birth))).toEqual(birth);
    const state = { boot: 'b', state: 'lost' as const, session: 's' };
    expect(decodeState(encodeState(state))).toEqual(state);
  });

  test.each([
    ['{}'],
    ['nothing'],
    ['{"v":1,"boot":"b","lane":"gold","ranges":[]}'],
    ['{"v":1,"boot":"b","lane":"alerts","ranges":[[5,1]]}'],
    ['{"v":1,"boot":"b","lane":"alerts","ranges":[[0,1]]}'],
  ])('refuse %s', (json) => {
    for (const decode of [decodeAck, decodeBirth, decodeState]) {
      expect(() => decode(Buffer.from(json))).toThrow(expect.objectContaining({ code: 'E_WIRE_INVALID' }));
    }
  });
});

describe('topics', () => {
  const address = { tenant: 'acme', device: 'gateway-7' };

  test('say who and what', () => {
    for (const lane of LANES) expect(parseTopic(upTopic(address, lane))).toEqual({ ...address, kind: 'up', lane });
    expect(parseTopic(ackTopic(address))).toEqual({ ...address, kind: 'ack' });
    expect(parseTopic(birthTopic(address))).toEqual({ ...address, kind: 'birth' });
    expect(parseTopic(stateTopic(address))).toEqual({ ...address, kind: 'state' });
  });

  test.each([
    '',
    'f',
    'f/acme/d/up',
    'f/acme/d/up/gold',
    'f/acme/../birth',
    'f/a b/d/state',
    'f/acme/d/birth/x',
    `f/acme/${'d'.repeat(65)}/birth`,
    'g/acme/d/birth',
  ])('are not %j', (topic) => {
    expect(parseTopic(topic)).toBeUndefined();
  });
});
