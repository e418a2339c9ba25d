import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { Collector } from '#apps/fleet/collector.ts';
import type { FleetMessage, FleetSource, FleetWrite, TelemetrySink } from '#apps/fleet/contracts.ts';
import { openFleetDatabase } from '#apps/fleet/query.ts';
import { SqliteSink } from '#apps/fleet/sinks/sqlite-sink.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { Ack } from '#edge/telemetry/wire/ack.ts';
import { encodeBatch } from '#edge/telemetry/wire/batch.ts';
import { capturedLog, tempFolder, until } from '#test/telemetry/support/harness.ts';
import { eventsOf } from './sink.contract.ts';

/** Delivers what the test says and keeps the acknowledgements. */
class ScriptedSource implements FleetSource {
  readonly acks: { readonly device: string; readonly ack: Ack }[] = [];
  acknowledging = true;
  #onMessage: (message: FleetMessage) => void = () => undefined;

  async start(onMessage: (message: FleetMessage) => void): Promise<void> {
    this.#onMessage = onMessage;
  }

  async acknowledge({ device }: { device: string }, ack: Ack): Promise<void> {
    if (!this.acknowledging) throw new EdgeError('E_BROKER_UNREACHABLE', { what: 'the test cut the connection' });
    this.acks.push({ device, ack });
  }

  deliver(topic: string, payload: Buffer): void {
    this.#onMessage({ topic, payload, receivedAt: 5, retained: false });
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

const batch = (...seqs: number[]): Buffer => encodeBatch({ boot: 'b', lane: 'traces', produced: 9, dropped: 0, rows: eventsOf(...seqs) });
const TOPIC = 'f/t/d/up/traces';

async function startCollector(sink: TelemetrySink, maxQueueBytes?: number) {
  const source = new ScriptedSource();
  const { log, lines } = capturedLog();
  const collector = new Collector({ source, sink, log, ...(maxQueueBytes === undefined ? {} : { maxQueueBytes }) });
  await collector.start();
  return { source, collector, lines };
}

function openSink(path: string): SqliteSink {
  const sink = new SqliteSink(path);
  sink.open();
  return sink;
}

/** A sink whose commits the test ends one by one. */
function gatedSink() {
  const writes: FleetWrite[] = [];
  let settle: { resolve: () => void; reject: (error: unknown) => void } | undefined;
  const sink: TelemetrySink = {
    write: (write) =>
      new Promise((resolve, reject) => {
        writes.push(write);
        settle = { resolve: () => resolve({ inserted: 0, duplicates: 0 }), reject };
      }),
    [Symbol.asyncDispose]: async () => undefined,
  };
  return { sink, writes, commit: () => settle?.resolve(), fail: (error: unknown) => settle?.reject(error) };
}

test('acknowledges after the commit, never before', async () => {
  const { sink, writes, commit } = gatedSink();
  const { source, collector } = await startCollector(sink);
  source.deliver(TOPIC, batch(3, 5, 8));
  await until('the write to begin', () => writes.length === 1);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(source.acks).toEqual([]);
  commit();
  await until('the acknowledgement', () => source.acks.length === 1);
  expect(source.acks).toEqual([{ device: 'd', ack: { boot: 'b', lane: 'traces', ranges: [[3, 8]] } }]);
  await collector[Symbol.asyncDispose]();
});

test('what comes during a commit shares the next one', async () => {
  const { sink, writes, commit } = gatedSink();
  const { source, collector } = await startCollector(sink);
  source.deliver(TOPIC, batch(1));
  await until('the first write', () => writes.length === 1);
  for (const seq of [2, 3, 4]) source.deliver(TOPIC, batch(seq));
  commit();
  await until('the second write', () => writes.length === 2);
  expect(writes[1]?.batches).toHaveLength(3);
  commit();
  await collector[Symbol.asyncDispose]();
});

test('acknowledges nothing while the sink fails, says so once, and goes on when it is back', async () => {
  const { sink, writes, commit, fail } = gatedSink();
  const { source, collector, lines } = await startCollector(sink);
  for (const [index, end] of [fail, fail, commit].entries()) {
    source.deliver(TOPIC, batch(1));
    await until('a write', () => writes.length === index + 1);
    end(new EdgeError('E_DISK_FULL', { what: 'full' }));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(source.acks).toHaveLength(end === commit ? 1 : 0);
  }
  expect(lines.filter((line) => line.includes('fleet database unusable'))).toHaveLength(1);
  expect(lines.filter((line) => line.includes('writable again'))).toHaveLength(1);
  await collector[Symbol.asyncDispose]();
});

test('ended between commit and acknowledgement, it stores the second delivery no second time', async () => {
  using folder = tempFolder();
  const path = folder.file('fleet.db');
  const first = await startCollector(openSink(path));
  first.source.acknowledging = false;
  first.source.deliver(TOPIC, batch(1, 2, 3));
  await first.collector[Symbol.asyncDispose]();
  expect(first.source.acks).toEqual([]);
  const second = await startCollector(openSink(path));
  second.source.deliver(TOPIC, batch(1, 2, 3));
  await until('the acknowledgement', () => second.source.acks.length === 1);
  await second.collector[Symbol.asyncDispose]();
  using queries = openFleetDatabase(path);
  expect(queries.listEvents().map((event) => event.seq)).toEqual([3, 2, 1]);
});

test('poison goes to the dead letters, unacknowledged, and the rest flows', async () => {
  using folder = tempFolder();
  const path = folder.file('fleet.db');
  const { source, collector } = await startCollector(openSink(path));
  const poison: [string, Buffer][] = [
    [TOPIC, Buffer.from('poison')],
    [TOPIC, batch(1).subarray(0, 20)],
    [TOPIC, gzipSync(Buffer.alloc(50_000_000))],
    [TOPIC, Buffer.alloc(0)],
    ['f/t/d/up/alerts', batch(1)],
    ['f/t/d/up/gold', batch(1)],
    ['f/t/d/birth', Buffer.from('{"v":1}')],
    ['f/t/d/state', Buffer.from([0xff, 0xfe])],
    ['f/t/d/ack', Buffer.from('{}')],
    [`f/${'x'.repeat(5000)}`, batch(1)],
  ];
  for (const [index, [topic, payload]] of poison.entries()) {
    source.deliver(topic, payload);
    source.deliver(TOPIC, batch(100 + index));
  }
  await until('all good batches', () => source.acks.length === poison.length);
  await collector[Symbol.asyncDispose]();
  using queries = openFleetDatabase(path);
  expect(queries.listEvents()).toHaveLength(poison.length);
  expect(queries.countDeadLetters()).toBe(poison.length);
});

test('what does not fit its memory is left to the device, and said once', async () => {
  const { sink, writes, commit } = gatedSink();
  const size = batch(1).length;
  const { source, collector, lines } = await startCollector(sink, size * 3);
  source.deliver(TOPIC, batch(1));
  await until('the first write', () => writes.length === 1);
  for (let round = 0; round < 50; round++) source.deliver(TOPIC, batch(1));
  expect(lines.filter((line) => line.includes('collector overloaded'))).toHaveLength(1);
  commit();
  await until('the second write', () => writes.length === 2);
  expect(writes[1]?.batches.length).toBeLessThanOrEqual(3);
  commit();
  await collector[Symbol.asyncDispose]();
});
