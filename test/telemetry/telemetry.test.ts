import { closeSync, mkdirSync, openSync, readdirSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { EmbeddedBroker } from '#apps/fleet/broker.ts';
import { silentLogger } from '#edge/core/log.ts';
import { MqttTransport } from '#edge/telemetry/mqtt-transport.ts';
import { encodeAck } from '#edge/telemetry/wire/ack.ts';
import { type Batch, decodeBatch } from '#edge/telemetry/wire/batch.ts';
import { ackTopic } from '#edge/telemetry/wire/topics.ts';
import { capturedLog, expectIdentity, startMosquitto, tempFolder, until } from './support/harness.ts';
import {
  ledgerOnDisk,
  makeTelemetry,
  readFleet,
  recordNumbered,
  startEmbeddedFleet,
  startFleetOn,
  storedNumbers,
  upTo,
} from './support/rig.ts';

const BROKERS = [
  ['the embedded broker', async (folder: string, database: string) => ({ fleet: await startEmbeddedFleet(database), folder })],
  [
    'Mosquitto',
    async (folder: string, database: string) => {
      const broker = await startMosquitto(folder);
      const fleet = await startFleetOn(broker.url, database);
      return {
        folder,
        fleet: {
          mqttUrl: broker.url,
          async [Symbol.asyncDispose]() {
            await fleet[Symbol.asyncDispose]();
            await broker[Symbol.asyncDispose]();
          },
        },
      };
    },
  ],
] as const;

describe.each(BROKERS)('from the device to the database over %s', (_name, start) => {
  test('every event and point arrives once, and both ledgers agree', async () => {
    using folder = tempFolder();
    const { fleet } = await start(folder.path, folder.file('fleet.db'));
    await using _fleet = fleet;
    const telemetry = makeTelemetry(folder.file('outbox.db'), { inventory: { board: 'Test board' } });
    telemetry.open();
    await telemetry.connect(fleet.mqttUrl);
    telemetry.event({ lane: 'lifecycle', name: 'nearside.device.started' });
    telemetry.event({ lane: 'alerts', name: 'nearside.engine.crashed', attributes: { 'nearside.backend': 'llama' } });
    recordNumbered(telemetry, 1500);
    for (let request = 0; request < 300; request++)
      telemetry.observe('gen_ai.server.request.duration', request / 100, { 'gen_ai.request.model': 'm' });
    telemetry.observe('nearside.invented', 1);
    await telemetry.flush(15_000);

    const status = telemetry.status();
    expectIdentity(status);
    expect(status).toMatchObject({ connected: true, pending: 0, droppedByReason: { 'unknown-name': 1 } });
    readFleet(folder.file('fleet.db'), (queries) => {
      const theirs = queries.ledgerOf('device-1', status.boot, 'test');
      expect(theirs?.stored).toBe(status.stored);
      for (const { lane, stored } of theirs?.lanes ?? []) expect(stored).toBe(status.lanes[lane].stored);
      expect(storedNumbers(queries)).toEqual(upTo(1500));
      expect(queries.countDeadLetters()).toBe(0);
      const [device] = queries.listDevices();
      expect(device).toMatchObject({ tenant: 'test', device: 'device-1', online: true, boot: status.boot, stored: status.stored });
      expect(device?.inventory).toMatchObject({
        board: 'Test board',
        'node.version': process.version,
        'telemetry.conventions': expect.any(String),
      });
    });
    await telemetry[Symbol.asyncDispose]();
    await until('the device to be seen as stopped', () =>
      readFleet(folder.file('fleet.db'), (queries) => queries.listDevices()[0]?.state === 'stopped'),
    );
  });
});

describe('without a broker', () => {
  test('events wait on disk over a restart, and nothing is thrown', async () => {
    using folder = tempFolder();
    const { log, lines } = capturedLog();
    const first = makeTelemetry(folder.file('outbox.db'), { log });
    first.open();
    await first.connect('mqtt://127.0.0.1:9');
    recordNumbered(first, 20);
    await first.flush(300);
    await until('the failed attempt to show', () => first.status().lastError !== undefined);
    expect(first.status()).toMatchObject({
      connected: false,
      pending: 20,
      produced: 20,
      lastError: { code: 'E_BROKER_UNREACHABLE' },
      url: 'mqtt://127.0.0.1:9',
    });
    await first[Symbol.asyncDispose]();
    expect(lines.filter((line) => line.includes('"warn"'))).toHaveLength(1);
    expect(await ledgerOnDisk(folder.file('outbox.db'))).toMatchObject({
      produced: 20,
      pending: 20,
    });

    await using fleet = await startEmbeddedFleet(folder.file('fleet.db'));
    await using second = makeTelemetry(folder.file('outbox.db'));
    second.open();
    await second.connect(fleet.mqttUrl);
    await second.flush(15_000);
    expect(second.status()).toMatchObject({ produced: 20, stored: 20, pending: 0 });
    expect(readFleet(folder.file('fleet.db'), storedNumbers)).toEqual(upTo(20));
  });

  test.each(['local', 'http://127.0.0.1', ''])('the URL %j is refused with a code', async (url) => {
    using folder = tempFolder();
    await using telemetry = makeTelemetry(folder.file('outbox.db'));
    await expect(telemetry.connect(url)).rejects.toMatchObject({ code: 'E_CONFIG_INVALID' });
  });

  test('two calls at once make one connection, to the later URL', async () => {
    using folder = tempFolder();
    await using fleet = await startEmbeddedFleet(folder.file('fleet.db'));
    await using telemetry = makeTelemetry(folder.file('outbox.db'));
    telemetry.open();
    await Promise.all([telemetry.connect('mqtt://127.0.0.1:9'), telemetry.connect(fleet.mqttUrl)]);
    await until('the connection', () => telemetry.status().connected);
    expect(telemetry.status().url).toBe(fleet.mqttUrl);
  });

  test('a new URL replaces the one before', async () => {
    using folder = tempFolder();
    await using fleet = await startEmbeddedFleet(folder.file('fleet.db'));
    await using telemetry = makeTelemetry(folder.file('outbox.db'));
    telemetry.open();
    await telemetry.connect('mqtt://127.0.0.1:9');
    await telemetry.connect(fleet.mqttUrl);
    recordNumbered(telemetry, 5);
    await telemetry.flush(15_000);
    expect(telemetry.status()).toMatchObject({ connected: true, stored: 5 });
  });
});

describe('trouble with the disk', () => {
  test('before, during and after: recording never throws, the identity holds, and all goes on when the disk is back', async () => {
    using folder = tempFolder();
    const { log, lines } = capturedLog();
    // A file stands where the folder of the outbox should be.
    writeFileSync(folder.file('data'), 'in the way');
    await using telemetry = makeTelemetry(folder.file('data/outbox.db'), { log });
    telemetry.open();
    recordNumbered(telemetry, 10);
    telemetry.observe('nearside.bot.answers', 3);
    await telemetry.flush();
    expectIdentity(telemetry.status());
    expect(telemetry.status()).toMatchObject({ produced: 10, pending: 10, boot: '', lastError: { code: expect.stringMatching(/^E_/) } });
    expect(telemetry.metricsText()).toContain('nearside_bot_answers_total 3');
    recordNumbered(telemetry, 10_000, 10);
    expectIdentity(telemetry.status());
    expect(telemetry.status()).toMatchObject({ produced: 10_010, pending: 4096, droppedByReason: { 'handover-full': 10_010 - 4096 } });
    expect(lines.filter((line) => line.includes('outbox unusable'))).toHaveLength(1);

    rmSync(folder.file('data'));
    mkdirSync(folder.file('data'));
    await telemetry.flush();
    expect(telemetry.status()).toMatchObject({ produced: 10_011, pending: 4097, dropped: 10_010 - 4096 });
    expect(telemetry.status().lastError).toBeUndefined();
    expectIdentity(await ledgerOnDisk(folder.file('data/outbox.db')));
  });

  test('after it was closed, recording is still harmless', async () => {
    using folder = tempFolder();
    const telemetry = makeTelemetry(folder.file('outbox.db'));
    telemetry.open();
    recordNumbered(telemetry, 3);
    await telemetry[Symbol.asyncDispose]();
    await telemetry[Symbol.asyncDispose]();
    expect(() => {
      recordNumbered(telemetry, 3, 3);
      telemetry.observe('nearside.bot.answers', 1);
      telemetry.status();
    }).not.toThrow();
    await telemetry.flush();
    expect(await ledgerOnDisk(folder.file('outbox.db'))).toMatchObject({
      produced: 3,
      pending: 3,
    });
  });

  test.each([
    ['that is no database', (path: string) => writeFileSync(path, 'scrambled '.repeat(2000))],
    [
      'with damage inside',
      (path: string) => {
        const file = openSync(path, 'r+');
        for (let page = 8; page < statSync(path).size / 4096; page++) writeSync(file, Buffer.alloc(4096, 0xa5), 0, 4096, page * 4096);
        closeSync(file);
      },
    ],
  ])('an outbox %s is put aside and said so; a new boot begins and works', async (_what, damage) => {
    using folder = tempFolder();
    const path = folder.file('outbox.db');
    const before = makeTelemetry(path);
    before.open();
    recordNumbered(before, 3000);
    const { boot } = before.status();
    await before[Symbol.asyncDispose]();
    damage(path);

    const { log, text } = capturedLog();
    await using fleet = await startEmbeddedFleet(folder.file('fleet.db'));
    await using after = makeTelemetry(path, { log });
    after.open();
    await after.connect(fleet.mqttUrl);
    recordNumbered(after, 5);
    await until('the events of the new boot', async () => {
      await after.flush(500);
      return after.status().boot !== boot && after.status().pending === 0 && after.status().stored >= 6;
    });
    expectIdentity(after.status());
    expect(text()).toContain('outbox quarantined');
    expect(readdirSync(folder.path).some((name) => name.includes('.corrupt-'))).toBe(true);
    expect(readFleet(folder.file('fleet.db'), (queries) => queries.listEvents({ name: 'nearside.outbox.quarantined' }))).toHaveLength(1);
  });
});

test('after the end no timer is left that keeps the process alive', async () => {
  using folder = tempFolder();
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const before = timers();
  const fleet = await startEmbeddedFleet(folder.file('fleet.db'));
  const telemetry = makeTelemetry(folder.file('outbox.db'));
  telemetry.open();
  await telemetry.connect(fleet.mqttUrl);
  await until('the connection', () => telemetry.status().connected);
  await telemetry[Symbol.asyncDispose]();
  // The goodbye is on its way when the telemetry has ended; the collector commits it in its own time.
  await until('the goodbye', () => readFleet(folder.file('fleet.db'), (queries) => queries.listDevices()[0]?.state) === 'stopped');
  await fleet[Symbol.asyncDispose]();
  expect(timers()).toBeLessThanOrEqual(before);
});

test('an acknowledgement of another boot ends nothing: the batch is sent again until its own comes', async () => {
  using folder = tempFolder();
  await using broker = new EmbeddedBroker({ host: '127.0.0.1', port: 0, log: silentLogger });
  await broker.start();
  const batches: Batch[] = [];
  const collector = new MqttTransport({
    url: broker.url,
    clientId: 'collector',
    subscriptions: ['f/+/+/up/+'],
    will: () => ({ topic: 'will', payload: Buffer.alloc(0) }),
    onReady: () => undefined,
    onMessage: ({ payload }) => batches.push(decodeBatch(payload)),
    onLost: () => undefined,
    log: silentLogger,
  });
  collector.start();
  await until('the collector to connect', () => collector.ready);
  const acknowledge = (boot: string) =>
    collector.publish({
      topic: ackTopic({ tenant: 'test', device: 'device-1' }),
      payload: encodeAck({ boot, lane: 'traces', ranges: [[1, 9]] }),
    });

  await using telemetry = makeTelemetry(folder.file('outbox.db'));
  telemetry.open();
  await telemetry.connect(broker.url);
  recordNumbered(telemetry, 3);
  await until('the batch', () => batches.length === 1);
  await acknowledge('another-boot');
  await until('the batch again', () => batches.length > 1);
  expect(telemetry.status()).toMatchObject({ stored: 0, pending: 3 });
  await acknowledge(telemetry.status().boot);
  await until('its end', () => telemetry.status().pending === 0);
  expect(telemetry.status().stored).toBe(3);
  await collector.stop();
});
