import { expect, test } from 'vitest';
import { EmbeddedBroker } from '#apps/fleet/broker.ts';
import type { FleetMessage } from '#apps/fleet/contracts.ts';
import { MqttSource } from '#apps/fleet/sources/mqtt-source.ts';
import { silentLogger } from '#edge/core/log.ts';
import { MqttTransport } from '#edge/telemetry/mqtt-transport.ts';
import { freePort, startMosquitto, tempFolder, until } from '#test/telemetry/support/harness.ts';
import { describeSource, type SourceRig } from './source.contract.ts';

async function connectDevice(url: string): Promise<Omit<SourceRig, 'makeSource'>> {
  const acks: { topic: string; payload: Buffer }[] = [];
  const transport = new MqttTransport({
    url,
    clientId: 'device',
    subscriptions: ['f/+/+/ack'],
    will: () => ({ topic: 'will', payload: Buffer.alloc(0) }),
    onReady: () => undefined,
    onMessage: (message) => acks.push(message),
    onLost: () => undefined,
    log: silentLogger,
  });
  transport.start();
  await until('the device to connect', () => transport.ready);
  return {
    acks,
    publish: (topic, payload, { retain } = { retain: false }) => transport.publish({ topic, payload, retain }),
    [Symbol.asyncDispose]: () => transport.stop(),
  };
}

async function rigOn(broker: AsyncDisposable & { readonly url: string }, folder?: Disposable): Promise<SourceRig> {
  const device = await connectDevice(broker.url);
  return {
    ...device,
    makeSource: () => new MqttSource({ url: broker.url, log: silentLogger }),
    async [Symbol.asyncDispose]() {
      await device[Symbol.asyncDispose]();
      await broker[Symbol.asyncDispose]();
      folder?.[Symbol.dispose]();
    },
  };
}

async function startBroker(port = 0): Promise<EmbeddedBroker> {
  const broker = new EmbeddedBroker({ host: '127.0.0.1', port, log: silentLogger });
  await broker.start();
  return broker;
}

describeSource('MQTT over the embedded broker', async () => rigOn(await startBroker()));
describeSource('MQTT over Mosquitto', async () => {
  const folder = tempFolder();
  return rigOn(await startMosquitto(folder.path), folder);
});

test.each([
  ['mqtt://127.0.0.1:9', 'E_BROKER_UNREACHABLE'],
  ['ftp://127.0.0.1', 'E_CONFIG_INVALID'],
  ['broker', 'E_CONFIG_INVALID'],
])('%s is %s at the start', async (url, code) => {
  const source = new MqttSource({ url, log: silentLogger });
  await expect(source.start(() => undefined)).rejects.toMatchObject({ code });
  await source[Symbol.asyncDispose]();
});

test('a broker that goes away later is found again', async () => {
  const port = await freePort();
  const broker = await startBroker(port);
  const messages: FleetMessage[] = [];
  await using source = new MqttSource({ url: broker.url, log: silentLogger });
  await source.start((message) => messages.push(message));
  await broker[Symbol.asyncDispose]();
  await using second = await startBroker(port);
  await using device = await connectDevice(second.url);
  await until('a message over the new broker', async () => {
    await device.publish('f/t/d/state', Buffer.from('x'));
    return messages.length > 0;
  });
  expect(messages[0]?.topic).toBe('f/t/d/state');
});

test('a port that is in use, or an address of another machine, is refused with a code', async () => {
  await using broker = await startBroker();
  const port = Number(new URL(broker.url).port);
  await expect(startBroker(port)).rejects.toMatchObject({ code: 'E_PORT_IN_USE' });
  await expect(new EmbeddedBroker({ host: '203.0.113.7', port: 0, log: silentLogger }).start()).rejects.toMatchObject({
    code: 'E_CONFIG_INVALID',
  });
});
