/** The collector that a device keeps for itself, in a real child process. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { FleetHost } from '#apps/device/fleet-host.ts';
import { silentLogger } from '#edge/core/log.ts';
import { ListRecorder } from '#test/serve/harness.ts';
import { capturedLog, tempFolder, until } from '#test/telemetry/support/harness.ts';
import { makeTelemetry, readFleet, recordNumbered, startEmbeddedFleet } from '#test/telemetry/support/rig.ts';

function makeHost(database: string, log = silentLogger) {
  const urls: string[] = [];
  const recorder = new ListRecorder();
  const config = {
    fleet: { mqttHost: '127.0.0.1', mqttPort: 0 },
    paths: { fleet: database },
    environment: { PATH: process.env.PATH },
  } as unknown as ConstructorParameters<typeof FleetHost>[0]['config'];
  return { urls, recorder, host: new FleetHost({ config, recorder, log }, (url) => urls.push(url)) };
}

test('is started again after a crash, which is told as an alert, and not after the end', async () => {
  using folder = tempFolder();
  const { host, urls, recorder } = makeHost(folder.file('fleet.db'));
  host.start();
  await until('the first start', () => urls.length === 1);
  process.kill(host.pid ?? 0, 'SIGKILL');
  await until('the second start', () => urls.length === 2);
  expect(recorder.events).toEqual([{ lane: 'alerts', name: 'nearside.fleet.crashed' }]);
  process.kill(host.pid ?? 0, 'SIGKILL');
  await host[Symbol.asyncDispose]();
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect([host.pid, urls.length]).toEqual([undefined, 2]);
});

test('that cannot start says so once and is tried again until it can', async () => {
  using folder = tempFolder();
  const { log, lines } = capturedLog();
  // A file stands where the folder of the database should be.
  writeFileSync(folder.file('data'), 'in the way');
  const { host, urls } = makeHost(folder.file('data/fleet.db'), log);
  await using _host = host;
  host.start();
  await until('a failed start', () => lines.some((line) => line.includes('did not start')));
  rmSync(folder.file('data'));
  mkdirSync(folder.file('data'));
  await until('a start', () => urls.length === 1);
  expect(lines.filter((line) => line.includes('did not start'))).toHaveLength(1);
});

test('a database that is none is put aside and said so; collecting goes on in a new one', async () => {
  using folder = tempFolder();
  const path = folder.file('fleet.db');
  writeFileSync(path, 'no database at all '.repeat(1000));
  const { log, text } = capturedLog();
  await using fleet = await startEmbeddedFleet(path, 0, log);
  expect(text()).toContain('fleet database quarantined');
  expect(readdirSync(folder.path).some((name) => name.includes('fleet.db.corrupt-'))).toBe(true);
  await using telemetry = makeTelemetry(folder.file('outbox.db'));
  telemetry.open();
  await telemetry.connect(fleet.mqttUrl);
  recordNumbered(telemetry, 3);
  await telemetry.flush(15_000);
  expect(readFleet(path, (queries) => queries.listEvents())).toHaveLength(3);
});
