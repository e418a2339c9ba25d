import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { EmbeddedBroker } from '#apps/fleet/broker.ts';
import { silentLogger } from '#edge/core/log.ts';
import { type MqttMessage, MqttTransport, type MqttTransportOptions } from '#edge/telemetry/mqtt-transport.ts';
import { capturedLog, freePort, startMosquitto, tempFolder, until } from './support/harness.ts';
import { startScriptedBroker } from './support/scripted-broker.ts';

function makeTransport(url: string, options: Partial<MqttTransportOptions> = {}): MqttTransport & AsyncDisposable {
  const transport = new MqttTransport({
    url,
    clientId: `test-${Math.random()}`,
    subscriptions: ['in/#'],
    will: (session) => ({ topic: 'will', payload: Buffer.from(session) }),
    onReady: () => undefined,
    onMessage: () => undefined,
    onLost: () => undefined,
    log: silentLogger,
    ...options,
  });
  transport.start();
  return Object.assign(transport, { [Symbol.asyncDispose]: () => transport.stop() });
}

test('speaks MQTT 5 to Mosquitto and hears what it subscribed to', async () => {
  using folder = tempFolder();
  await using broker = await startMosquitto(folder.path);
  const { log, text } = capturedLog();
  const heard: MqttMessage[] = [];
  await using transport = makeTransport(broker.url, { log, onMessage: (message) => heard.push(message) });
  await until('the connection', () => transport.ready);
  await transport.publish({ topic: 'in/a', payload: Buffer.from('hello') });
  await until('the message', () => heard.length > 0);
  expect(heard[0]?.payload.toString()).toBe('hello');
  expect(text()).not.toContain('fell back');
});

test('falls back to MQTT 3.1.1 where the broker knows no 5, and logs it once over reconnects', async () => {
  const port = await freePort();
  const { log, lines } = capturedLog();
  const brokerOn = async (): Promise<EmbeddedBroker> => {
    const broker = new EmbeddedBroker({ host: '127.0.0.1', port, log: silentLogger });
    await broker.start();
    return broker;
  };
  let broker = await brokerOn();
  await using transport = makeTransport(broker.url, { log });
  await until('the connection', () => transport.ready);
  await broker[Symbol.asyncDispose]();
  await until('the loss', () => !transport.ready);
  broker = await brokerOn();
  await until('the connection again', () => transport.ready);
  expect(lines.filter((line) => line.includes('mqtt fell back'))).toHaveLength(1);
  await transport.stop();
  await broker[Symbol.asyncDispose]();
});

test('a broker that is away is a state: logged once, tried again, found when it comes', async () => {
  const port = await freePort();
  const { log, lines } = capturedLog();
  await using transport = makeTransport(`mqtt://user:secret@127.0.0.1:${port}`, { log });
  await until('a failed attempt', () => transport.lastError !== undefined);
  expect(transport.lastError).toMatchObject({ code: 'E_BROKER_UNREACHABLE', retryable: true });
  await expect(transport.publish({ topic: 'a', payload: Buffer.alloc(0) })).rejects.toMatchObject({ code: 'E_BROKER_UNREACHABLE' });
  await using broker = new EmbeddedBroker({ host: '127.0.0.1', port, log: silentLogger });
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect(lines.filter((line) => line.includes('unreachable'))).toHaveLength(1);
  expect(lines.join('') + transport.lastError?.message).not.toContain('secret');
  await broker.start();
  await until('the connection', () => transport.ready);
  expect(transport.lastError).toBeUndefined();
});

test('has no more on the wire unconfirmed than the Receive Maximum of the broker', async () => {
  await using broker = await startScriptedBroker(3, 5);
  await using transport = makeTransport(broker.url);
  await until('the connection', () => transport.ready);
  await Promise.all(Array.from({ length: 40 }, (_, index) => transport.publish({ topic: 'up', payload: Buffer.from(String(index)) })));
  expect(broker.seen).toEqual({ published: 40, unconfirmed: 0, mostUnconfirmed: 3 });
});

test('what waits for its turn fails when the connection breaks, and nothing hangs', async () => {
  const broker = await startScriptedBroker(1, 60_000);
  let lost = 0;
  await using transport = makeTransport(broker.url, { onLost: () => lost++ });
  await until('the connection', () => transport.ready);
  const calls = Promise.allSettled([1, 2, 3].map((index) => transport.publish({ topic: 'up', payload: Buffer.from(String(index)) })));
  await until('the first to be on the wire', () => broker.seen.published === 1);
  await broker[Symbol.asyncDispose]();
  for (const result of await calls) expect(result).toMatchObject({ status: 'rejected', reason: { code: 'E_BROKER_UNREACHABLE' } });
  expect(lost).toBe(1);
});

test('a peer that is no broker does not hang it', async () => {
  const server = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await using transport = makeTransport(`mqtt://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`);
  await until('a failed attempt', () => transport.lastError !== undefined);
  expect(transport.ready).toBe(false);
  await transport.stop();
  server.close();
});

test('the will is sent for a connection that was cut, not for one that was closed', async () => {
  using folder = tempFolder();
  await using broker = await startMosquitto(folder.path);
  const wills: string[] = [];
  await using listener = makeTransport(broker.url, {
    subscriptions: ['will'],
    onMessage: (message) => wills.push(message.payload.toString()),
  });
  await until('the listener', () => listener.ready);
  const sessions: string[] = [];
  const clean = makeTransport(broker.url, { onReady: (session) => sessions.push(session) });
  await until('the first', () => clean.ready);
  await clean.stop();
  const twin = { clientId: 'twin', onReady: (session: string) => sessions.push(session) };
  const cut = makeTransport(broker.url, twin);
  await until('the second', () => cut.ready);
  // A second connection with the same client id makes the broker cut the first.
  await using _usurper = makeTransport(broker.url, twin);
  await until('a will', () => wills.length > 0);
  await cut.stop();
  expect(wills).toContain(sessions[1]);
  expect(wills).not.toContain(sessions[0]);
});
