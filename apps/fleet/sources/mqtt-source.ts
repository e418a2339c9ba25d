/** Messages from an MQTT broker; the only file of `apps/` that imports `mqtt`. */
import { connect, type MqttClient } from 'mqtt';
import { orAborted } from '#edge/core/abort.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { newId } from '#edge/core/ids.ts';
import type { Logger } from '#edge/core/log.ts';
import { type Ack, encodeAck } from '#edge/telemetry/wire/ack.ts';
import { ackTopic, COLLECTOR_FILTERS, type DeviceAddress } from '#edge/telemetry/wire/topics.ts';
import type { FleetMessage, FleetSource } from '../contracts.ts';

export interface MqttSourceOptions {
  readonly url: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly log: Logger;
}

const FIRST_CONNECT_MS = 10_000;
const RECONNECT_MS = 1000;
const GOODBYE_MS = 1000;

/**
 * Subscribes with QoS 1 in MQTT 3.1.1, which every broker speaks, and a clean session: messages that pass while this
 * collector is away are not acknowledged, so their devices send them again.
 */
export class MqttSource implements FleetSource {
  readonly #options: MqttSourceOptions;
  #client: MqttClient | undefined;

  constructor(options: MqttSourceOptions) {
    this.#options = options;
  }

  /** @throws EdgeError `E_CONFIG_INVALID` for a wrong URL; `E_BROKER_UNREACHABLE` when the first connection fails, later ones are retried for ever. */
  async start(onMessage: (message: FleetMessage) => void): Promise<void> {
    const { url, username, password, log } = this.#options;
    if (!['mqtt:', 'mqtts:'].includes(URL.parse(url)?.protocol ?? '')) {
      throw new EdgeError('E_CONFIG_INVALID', {
        what: 'invalid URL of the MQTT broker',
        expected: 'mqtt://HOST or mqtts://HOST',
        found: 'another',
      });
    }
    const client = connect(url, {
      protocolVersion: 4,
      clientId: newId('nearside-collector'),
      clean: true,
      reconnectPeriod: RECONNECT_MS,
      connectTimeout: FIRST_CONNECT_MS,
      resubscribe: false,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
    });
    this.#client = client;
    client.on('message', (topic, payload, { retain }) => onMessage({ topic, payload, receivedAt: Date.now(), retained: retain }));
    let started = false;
    await new Promise<void>((resolve, reject) => {
      const fail = (error: unknown): void => {
        if (started)
          log.warn('mqtt broker unreachable', {
            found: (error as Error).message || String((error as NodeJS.ErrnoException).code),
            next: 'tries again',
          });
        else reject(this.#unreachable(error));
      };
      client.on('error', fail);
      client.on('connect', () => {
        client.subscribeAsync([...COLLECTOR_FILTERS], { qos: 1 }).then(() => {
          if (started) log.info('mqtt broker reachable again');
          started = true;
          resolve();
        }, fail);
      });
    }).catch(async (error: unknown) => {
      await client.endAsync(true);
      throw error;
    });
  }

  async acknowledge(address: DeviceAddress, ack: Ack): Promise<void> {
    const client = this.#client;
    if (!client?.connected) throw this.#unreachable(undefined);
    try {
      await client.publishAsync(ackTopic(address), encodeAck(ack), { qos: 1 });
    } catch (error) {
      throw this.#unreachable(error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    if (!client) return;
    try {
      await orAborted(client.endAsync(!client.connected), AbortSignal.timeout(GOODBYE_MS), 'goodbye');
    } catch (error) {
      this.#options.log.debug('goodbye not confirmed', { error: EdgeError.from(error) });
    }
    client.stream.destroy();
  }

  #unreachable(cause: unknown): EdgeError {
    const broker = URL.parse(this.#options.url)?.host ?? '(invalid URL)';
    return new EdgeError('E_BROKER_UNREACHABLE', {
      what: `the collector cannot reach the MQTT broker ${broker}`,
      found: cause instanceof Error ? cause.message || String((cause as NodeJS.ErrnoException).code) : 'no connection',
      cause,
    });
  }
}
