import { describe, expect, test } from 'vitest';
import type { FleetMessage, FleetSource } from '#apps/fleet/contracts.ts';
import { decodeAck } from '#edge/telemetry/wire/ack.ts';
import { until } from '#test/telemetry/support/harness.ts';

/** A source under test, and a device's side of it. */
export interface SourceRig extends AsyncDisposable {
  makeSource(): FleetSource;
  /** Sends as a device does. */
  publish(topic: string, payload: Buffer, options?: { retain: boolean }): Promise<void>;
  /** What devices heard on `f/+/+/ack`. */
  readonly acks: { readonly topic: string; readonly payload: Buffer }[];
}

/** Every source brings what devices send and takes acknowledgements back. */
export function describeSource(name: string, makeRig: () => Promise<SourceRig>): void {
  describe(`the source ${name}`, () => {
    test('brings batches, births and states, and no other topic', async () => {
      await using rig = await makeRig();
      await using source = rig.makeSource();
      const messages: FleetMessage[] = [];
      await source.start((message) => messages.push(message));
      const before = Date.now();
      await rig.publish('g/t/d/up/traces', Buffer.from('other'));
      await rig.publish('f/t/d/other', Buffer.from('other'));
      for (const topic of ['f/t/d/up/traces', 'f/t/d/birth', 'f/t/d/state']) await rig.publish(topic, Buffer.from([0, 255, 1]));
      await until('three messages', () => messages.length >= 3);
      expect(messages.map(({ topic }) => topic)).toEqual(['f/t/d/up/traces', 'f/t/d/birth', 'f/t/d/state']);
      for (const { payload, receivedAt, retained } of messages) {
        expect([...payload]).toEqual([0, 255, 1]);
        expect(receivedAt).toBeGreaterThanOrEqual(before);
        expect(retained).toBe(false);
      }
    });

    test('says of a kept message that it is an old one', async () => {
      await using rig = await makeRig();
      await rig.publish('f/t/d/birth', Buffer.from('kept'), { retain: true });
      await using source = rig.makeSource();
      const messages: FleetMessage[] = [];
      await source.start((message) => messages.push(message));
      await until('the kept message', () => messages.length > 0);
      expect(messages).toMatchObject([{ topic: 'f/t/d/birth', retained: true }]);
    });

    test('takes acknowledgements to their device', async () => {
      await using rig = await makeRig();
      await using source = rig.makeSource();
      await source.start(() => undefined);
      const ack = { boot: 'b', lane: 'alerts' as const, ranges: [[3, 9] as const] };
      await source.acknowledge({ tenant: 't', device: 'd' }, ack);
      await until('the acknowledgement', () => rig.acks.length > 0);
      expect(rig.acks[0]?.topic).toBe('f/t/d/ack');
      expect(decodeAck(rig.acks[0]?.payload ?? Buffer.alloc(0))).toEqual(ack);
    });

    test('says that it cannot acknowledge once it is closed, and closes twice', async () => {
      await using rig = await makeRig();
      const source = rig.makeSource();
      await source.start(() => undefined);
      await source[Symbol.asyncDispose]();
      await source[Symbol.asyncDispose]();
      await expect(source.acknowledge({ tenant: 't', device: 'd' }, { boot: 'b', lane: 'alerts', ranges: [] })).rejects.toMatchObject({
        code: 'E_BROKER_UNREACHABLE',
      });
    });
  });
}
