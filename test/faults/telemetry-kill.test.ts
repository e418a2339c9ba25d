import { randomInt } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { FLEET_MIGRATIONS } from '#apps/fleet/sinks/sqlite-schema.ts';
import { LANES } from '#edge/contracts/telemetry.ts';
import { sleep } from '#edge/core/clock.ts';
import { openDatabase } from '#edge/storage/sqlite.ts';
import { Outbox } from '#edge/telemetry/outbox.ts';
import { endProcess, expectIdentity, freePort, runModule, startMosquitto, tempFolder, until } from '#test/telemetry/support/harness.ts';
import {
  ledgerOnDisk,
  makeTelemetry,
  readFleet,
  recordNumbered,
  startEmbeddedFleet,
  storedNumbers,
  upTo,
} from '#test/telemetry/support/rig.ts';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const WRITER = path('../telemetry/support/outbox-writer.ts');
const DEVICE = path('../telemetry/support/device.ts');
const COLLECTOR = path('../../apps/fleet/main.ts');

/** The last number a process printed: what it was told to be durable. */
function lastOf(lines: readonly string[]): number {
  return Number(lines.at(-1) ?? 0);
}

test('kill -9 while the outbox is written: every row that was said to be durable is there once, and the books balance', async () => {
  using folder = tempFolder();
  const file = folder.file('outbox.db');
  for (let round = 0; round < 10; round++) {
    const { child, lines, errors } = runModule(WRITER, [file]);
    await until(`a commit; the writer wrote ${errors()}`, () => lines.length > 0);
    await sleep(randomInt(0, 120));
    await endProcess(child);

    const outbox = new Outbox({ path: file, maxBytes: 64 * 1024 * 1024, now: Date.now });
    outbox.open();
    const { lanes } = outbox.ledger();
    for (const lane of LANES) expect(lanes[lane].produced).toBe(lanes[lane].dropped + lanes[lane].pending);
    const rows = LANES.flatMap((lane) => outbox.lease(lane, 1_000_000)).toSorted((a, b) => a.seq - b.seq);
    outbox.close();
    expect(rows.length).toBeGreaterThanOrEqual(lastOf(lines));
    expect(rows.map((row) => row.time).toSorted((a, b) => a - b)).toEqual(upTo(rows.length));
    expect(new Set(rows.map((row) => row.seq)).size).toBe(rows.length);
  }
}, 120_000);

test('kill -9 of device, collector and Mosquitto in turn: nothing accepted is lost, nothing is stored twice', async () => {
  using folder = tempFolder();
  const outbox = folder.file('outbox.db');
  const database = folder.file('fleet.db');
  await using broker = await startMosquitto(folder.path);
  const startDevice = () => runModule(DEVICE, [outbox, broker.url]);
  const startCollector = () => runModule(COLLECTOR, ['--mqtt', broker.url, '--db', database, '--home', folder.path]);
  let collector = startCollector();
  let device = startDevice();
  let accepted = 0;
  try {
    for (const victim of ['device', 'collector', 'broker', 'device', 'broker', 'collector', 'device', 'collector'] as const) {
      await until(`the device to record; it wrote ${device.errors()}`, () => device.lines.length > 3);
      await sleep(randomInt(0, 300));
      accepted = lastOf(device.lines);
      if (victim === 'device') {
        await endProcess(device.child);
        accepted = lastOf(device.lines);
        expectIdentity(await ledgerOnDisk(outbox));
        device = startDevice();
      } else if (victim === 'collector') {
        await endProcess(collector.child);
        collector = startCollector();
      } else {
        await broker.kill();
        await sleep(randomInt(0, 300));
        await broker.start();
      }
    }
    await endProcess(device.child);
    accepted = Math.max(accepted, lastOf(device.lines));

    await using rest = makeTelemetry(outbox);
    rest.open();
    await rest.connect(broker.url);
    await until(`the outbox to drain; the collector wrote ${collector.errors()}`, () => rest.status().pending === 0);
    const status = rest.status();
    expectIdentity(status);
    expect(status.dropped).toBe(0);
    expect(status.produced).toBeGreaterThanOrEqual(accepted);
    readFleet(database, (queries) => {
      expect(storedNumbers(queries)).toEqual(upTo(status.produced));
      expect(queries.ledgerOf('device-1', status.boot)?.stored).toBe(status.stored);
      expect(queries.listDevices()).toHaveLength(1);
      expect(queries.countDeadLetters()).toBe(0);
    });
  } finally {
    await endProcess(device.child);
    await endProcess(collector.child);
  }
}, 120_000);

test('an embedded broker that ends and comes back on its port: the device goes on by itself', async () => {
  using folder = tempFolder();
  const port = await freePort();
  const database = folder.file('fleet.db');
  let fleet = await startEmbeddedFleet(database, port);
  await using telemetry = makeTelemetry(folder.file('outbox.db'));
  telemetry.open();
  await telemetry.connect(fleet.mqttUrl);
  for (let round = 0; round < 3; round++) {
    recordNumbered(telemetry, 100, round * 200);
    await telemetry.flush(15_000);
    await fleet[Symbol.asyncDispose]();
    recordNumbered(telemetry, 100, round * 200 + 100);
    await telemetry.flush(100);
    expectIdentity(telemetry.status());
    expect(telemetry.status().pending).toBe(100);
    fleet = await startEmbeddedFleet(database, port);
    await until('the outbox to drain', () => telemetry.status().pending === 0);
  }
  expect(telemetry.status()).toMatchObject({ produced: 600, stored: 600 });
  expect(readFleet(database, storedNumbers)).toEqual(upTo(600));
  await fleet[Symbol.asyncDispose]();
}, 60_000);

test('the comparison of both ledgers would show a loss: a row that vanishes from the database is missed', async () => {
  using folder = tempFolder();
  const database = folder.file('fleet.db');
  await using fleet = await startEmbeddedFleet(database);
  await using telemetry = makeTelemetry(folder.file('outbox.db'));
  telemetry.open();
  await telemetry.connect(fleet.mqttUrl);
  recordNumbered(telemetry, 10);
  await telemetry.flush(15_000);
  const { boot, stored } = telemetry.status();
  expect(readFleet(database, (queries) => queries.ledgerOf('device-1', boot)?.stored)).toBe(stored);
  const vandal = openDatabase({ path: database, migrations: FLEET_MIGRATIONS });
  vandal.prepare('DELETE FROM event WHERE seq = 4').run();
  vandal.close();
  expect(readFleet(database, (queries) => queries.ledgerOf('device-1', boot)?.stored)).toBe(stored - 1);
});
