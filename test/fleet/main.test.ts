import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { FleetMethods } from '#apps/fleet/fleet-methods.ts';
import { SupervisedChild } from '#edge/core/process/child.ts';
import { endProcess, freePort, runModule, tempFolder, until } from '#test/telemetry/support/harness.ts';
import { makeTelemetry, readFleet, recordNumbered, startEmbeddedFleet } from '#test/telemetry/support/rig.ts';

const MAIN = fileURLToPath(new URL('../../apps/fleet/main.ts', import.meta.url));

test('as a child of the device: starts once, collects, ends with its parent', async () => {
  using folder = tempFolder();
  await using child = new SupervisedChild<FleetMethods>({ name: 'fleet', entry: MAIN, env: { PATH: process.env.PATH }, handlers: {} });
  const peer = await child.start();
  const params = { mqttHost: '127.0.0.1', mqttPort: 0, database: folder.file('fleet.db') };
  const [first, second] = await Promise.all([peer.call('start', params), peer.call('start', params)]);
  expect(first.mqttUrl).toMatch(/^mqtt:\/\/127\.0\.0\.1:\d+$/);
  expect(second).toEqual(first);

  await using telemetry = makeTelemetry(folder.file('outbox.db'));
  telemetry.open();
  await telemetry.connect(first.mqttUrl);
  recordNumbered(telemetry, 25);
  await telemetry.flush(15_000);
  const status = telemetry.status();
  readFleet(params.database, (queries) => {
    expect(queries.listDevices()).toMatchObject([{ device: 'device-1', online: true, stored: 25 }]);
    expect(queries.listLedgers()).toMatchObject([{ device: 'device-1', boot: status.boot, stored: status.stored }]);
  });
  await child.stop();
  expect(child.crashes).toBe(0);
});

test('as a child: a port in use is a coded error, and another start may follow', async () => {
  using folder = tempFolder();
  await using other = await startEmbeddedFleet(folder.file('other.db'));
  await using child = new SupervisedChild<FleetMethods>({ name: 'fleet', entry: MAIN, env: { PATH: process.env.PATH }, handlers: {} });
  const peer = await child.start();
  const params = { mqttHost: '127.0.0.1', mqttPort: Number(new URL(other.mqttUrl).port), database: folder.file('fleet.db') };
  await expect(peer.call('start', params)).rejects.toMatchObject({ code: 'E_PORT_IN_USE' });
  await expect(peer.call('start', { ...params, mqttPort: 0 })).resolves.toMatchObject({ mqttUrl: expect.stringContaining('mqtt://') });
});

test('in the foreground: says what it does and ends cleanly on Ctrl-C', async () => {
  using folder = tempFolder();
  const port = await freePort();
  const { child, lines, errors } = runModule(MAIN, ['--mqtt-port', String(port), '--db', folder.file('fleet.db'), '--home', folder.path]);
  try {
    await until(`the collector to say that it runs; it wrote ${errors()}`, () => lines.length > 0);
    expect(lines[0]).toBe(`Collecting from mqtt://127.0.0.1:${port} into ${folder.file('fleet.db')}. Ctrl-C ends.`);
    await using telemetry = makeTelemetry(folder.file('outbox.db'));
    telemetry.open();
    await telemetry.connect(`mqtt://127.0.0.1:${port}`);
    recordNumbered(telemetry, 5);
    await telemetry.flush(15_000);
    expect(telemetry.status().stored).toBe(5);
    const exit = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGINT');
    expect(await exit).toBe(0);
    expect(lines.at(-1)).toBe('Ended; everything acknowledged is stored.');
  } finally {
    await endProcess(child);
  }
});

test.each([
  [['--nonsense'], 2, 'E_USAGE'],
  [['--mqtt', 'ftp://x'], 1, 'E_CONFIG_INVALID'],
  [['--mqtt', 'mqtt://127.0.0.1:9'], 1, 'E_BROKER_UNREACHABLE'],
  [['--mqtt-port', 'many'], 1, 'E_CONFIG_INVALID'],
])('in the foreground: %j ends with %i and %s, without a stack trace', async (args, code, name) => {
  using folder = tempFolder();
  const { child, errors } = runModule(MAIN, [...args, '--home', folder.path]);
  const exit = await new Promise((resolve) => child.once('exit', resolve));
  expect(errors()).toContain(name);
  expect(errors()).not.toMatch(/^\s+at /m);
  expect(exit).toBe(code);
});
