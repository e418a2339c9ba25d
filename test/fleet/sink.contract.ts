import { describe, expect, test } from 'vitest';
import type { FleetLedger, FleetWrite, TelemetrySink } from '#apps/fleet/contracts.ts';
import type { FleetQueries } from '#apps/fleet/query.ts';
import type { SequencedRecord } from '#edge/telemetry/wire/record.ts';

/** A sink under test, and how its contents are read. */
export interface SinkRig extends AsyncDisposable {
  readonly sink: TelemetrySink;
  queries(): FleetQueries;
}

const NOTHING: FleetWrite = { batches: [], births: [], states: [], deadLetters: [] };
const D1 = { tenant: 't', device: 'd1', receivedAt: 1000, retained: false };

export function eventsOf(...seqs: number[]): SequencedRecord[] {
  return seqs.map((seq) => ({ seq, time: seq * 10, record: { kind: 'event', name: 'nearside.request.failed', attributes: { seq } } }));
}

function batchOf(seqs: readonly number[], change: object = {}): FleetWrite['batches'][number] {
  return { ...D1, boot: 'boot-1', lane: 'traces', produced: seqs.length, dropped: 0, rows: eventsOf(...seqs), ...change };
}

/** Every sink keeps each event once, all or nothing, and says who is there. */
export function describeSink(name: string, makeRig: () => Promise<SinkRig>): void {
  describe(`the sink ${name}`, () => {
    test('keeps an event once, however often and in whatever order it comes', async () => {
      await using rig = await makeRig();
      expect(await rig.sink.write({ ...NOTHING, batches: [batchOf([4, 5, 6])] })).toEqual({ inserted: 3, duplicates: 0 });
      expect(await rig.sink.write({ ...NOTHING, batches: [batchOf([1, 2]), batchOf([2, 4, 7])] })).toEqual({ inserted: 3, duplicates: 2 });
      using queries = rig.queries();
      expect(queries.listEvents().map((event) => event.seq)).toEqual([7, 6, 5, 4, 2, 1]);
    });

    test('tells tenants, devices and boots apart', async () => {
      await using rig = await makeRig();
      const others = [{}, { tenant: 'u' }, { device: 'd2' }, { boot: 'boot-2' }].map((change) => batchOf([1], change));
      expect(await rig.sink.write({ ...NOTHING, batches: others })).toEqual({ inserted: 4, duplicates: 0 });
      using queries = rig.queries();
      expect(queries.listDevices().map(({ tenant, device, boot, stored }) => [tenant, device, boot, stored])).toEqual([
        ['t', 'd1', 'boot-2', 2],
        ['t', 'd2', 'boot-1', 1],
        ['u', 'd1', 'boot-1', 1],
      ]);
      expect(queries.listLedgers()).toHaveLength(4);
      expect(queries.ledgerOf('d1', 'boot-1', 'u')).toMatchObject({ tenant: 'u', stored: 1 });
      expect(queries.ledgerOf('d1', 'boot-9')).toBeUndefined();
    });

    test('counts events and metric points into one ledger, and keeps the highest counts a device told', async () => {
      await using rig = await makeRig();
      const metrics: SequencedRecord[] = [
        { seq: 1, time: 50, record: { kind: 'counter', name: 'c', attributes: {}, startTime: 40, value: 3 } },
        { seq: 2, time: 50, record: { kind: 'gauge', name: 'g', attributes: {}, value: -1.5 } },
        {
          seq: 3,
          time: 50,
          record: { kind: 'histogram', name: 'h', attributes: {}, startTime: 40, count: 3, sum: 9, boundaries: [1, 2], buckets: [1, 0, 2] },
        },
      ];
      const batch = batchOf([], { lane: 'metrics', rows: metrics, produced: 10, dropped: 2 });
      await rig.sink.write({ ...NOTHING, batches: [batch] });
      await rig.sink.write({ ...NOTHING, batches: [{ ...batch, produced: 5, dropped: 1 }, batchOf([4, 5])] });
      using queries = rig.queries();
      expect(queries.ledgerOf('d1', 'boot-1')).toEqual({
        tenant: 't',
        device: 'd1',
        boot: 'boot-1',
        stored: 5,
        lanes: [
          { lane: 'metrics', stored: 3, produced: 10, dropped: 2 },
          { lane: 'traces', stored: 2, produced: 2, dropped: 0 },
        ],
      } satisfies FleetLedger);
    });

    test('says who is there, and the late will of a former connection changes nothing', async () => {
      await using rig = await makeRig();
      const state = (value: 'online' | 'lost' | 'stopped', session: string, receivedAt = 1000) => ({
        ...D1,
        receivedAt,
        boot: 'b',
        state: value,
        session,
      });
      const seen = (): unknown => {
        using queries = rig.queries();
        return queries.listDevices().map((device) => [device.state, device.online, device.lastSeen]);
      };
      await rig.sink.write({ ...NOTHING, states: [state('online', 's1')] });
      await rig.sink.write({ ...NOTHING, states: [state('online', 's2', 2000), state('lost', 's1', 3000)] });
      expect(seen()).toEqual([['online', true, 2000]]);
      await rig.sink.write({ ...NOTHING, states: [state('lost', 's2', 4000)] });
      expect(seen()).toEqual([['lost', false, 2000]]);
      await rig.sink.write({ ...NOTHING, states: [state('online', 's3', 5000)] });
      await rig.sink.write({ ...NOTHING, states: [state('stopped', 's3', 6000)] });
      expect(seen()).toEqual([['stopped', false, 6000]]);
    });

    test('a retained birth tells what a device is made of, not that it is there now', async () => {
      await using rig = await makeRig();
      await rig.sink.write({ ...NOTHING, batches: [batchOf([1])] });
      await rig.sink.write({
        ...NOTHING,
        births: [{ ...D1, receivedAt: 9000, retained: true, boot: 'boot-1', time: 1, inventory: { cores: 4 } }],
      });
      using queries = rig.queries();
      expect(queries.listDevices()).toMatchObject([{ inventory: { cores: 4 }, firstSeen: 1000, lastSeen: 1000, state: 'unknown' }]);
    });

    test('stores nothing of a write that fails', async () => {
      await using rig = await makeRig();
      const broken = batchOf([2], { rows: [{ seq: 2, time: null, record: eventsOf(2)[0]?.record }] });
      await expect(rig.sink.write({ ...NOTHING, batches: [batchOf([1]), broken] })).rejects.toMatchObject({ code: 'E_DATABASE' });
      using queries = rig.queries();
      expect(queries.listEvents()).toEqual([]);
      expect(await rig.sink.write({ ...NOTHING, batches: [batchOf([1, 2])] })).toEqual({ inserted: 2, duplicates: 0 });
    });

    test('keeps dead letters, the same one once, and not more than a thousand', async () => {
      await using rig = await makeRig();
      const letter = (text: string) => ({ topic: 'f/x', payload: Buffer.from(text), receivedAt: 1, retained: false, reason: 'garbage' });
      await rig.sink.write({ ...NOTHING, deadLetters: [letter('a'), letter('a'), letter('b')] });
      const count = (): number => {
        using queries = rig.queries();
        return queries.countDeadLetters();
      };
      expect(count()).toBe(2);
      await rig.sink.write({ ...NOTHING, deadLetters: Array.from({ length: 1100 }, (_, index) => letter(String(index))) });
      expect(count()).toBe(1000);
    });

    test('a closed one says so', async () => {
      const rig = await makeRig();
      await rig.sink[Symbol.asyncDispose]();
      await expect(rig.sink.write(NOTHING)).rejects.toMatchObject({ code: 'E_DATABASE' });
      await rig[Symbol.asyncDispose]();
    });
  });
}
