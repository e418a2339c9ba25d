/** One MQTT connection that comes back by itself; the only file of `edge/` that imports `mqtt`. */
import { connect, type MqttClient } from 'mqtt';
import { sleep } from '#edge/core/clock.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { newId } from '#edge/core/ids.ts';
import type { Logger } from '#edge/core/log.ts';
import { backoffMs } from '#edge/core/retry.ts';
import { safeUrl } from './safe-url.ts';

export interface MqttMessage {
  readonly topic: string;
  readonly payload: Buffer;
  /** Defaults to false. */
  readonly retain?: boolean;
}

export interface MqttTransportOptions {
  /** `mqtt://` or `mqtts://`. */
  readonly url: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly clientId: string;
  /** Topics to hear before {@link onReady}. */
  readonly subscriptions: readonly string[];
  /** Last will of the connection named `session`. */
  readonly will: (session: string) => MqttMessage;
  /** Connected and subscribed. */
  readonly onReady: (session: string) => void;
  readonly onMessage: (message: MqttMessage) => void;
  /** The connection is gone; publishes that were not confirmed have been rejected. */
  readonly onLost: () => void;
  readonly log: Logger;
}

/** CONNACK "unacceptable protocol version" of MQTT 3.1.1 and "unsupported protocol version" of MQTT 5. */
const VERSION_REFUSED = [1, 0x84];
interface ConnectionEnd {
  /** It was connected and subscribed. */
  readonly wasReady: boolean;
  readonly answer: 'none' | 'error' | 'version refused' | 'accepted';
  readonly found: string;
}

const CONNECT_TIMEOUT_MS = 10_000;
const BACKOFF = { initialMs: 500, maxMs: 30_000 };
const STOP_TIMEOUT_MS = 1000;
/** MQTT 3.1.1 has no Receive Maximum; 20 is what its brokers commonly take at once. */
const DEFAULT_RECEIVE_MAXIMUM = 20;

/**
 * Speaks MQTT 5, or 3.1.1 to a broker that knows no 5. Reconnects with back-off and jitter; a broker that is away is a
 * state ({@link lastError}), never an exception.
 */
export class MqttTransport {
  readonly #options: MqttTransportOptions;
  readonly #stopped = new AbortController();
  #version: 5 | 4 = 5;
  #client: MqttClient | undefined;
  #ready = false;
  #lastError: EdgeError | undefined;
  #running: Promise<void> | undefined;
  #receiveMaximum = DEFAULT_RECEIVE_MAXIMUM;
  #unconfirmed = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(options: MqttTransportOptions) {
    this.#options = options;
  }

  /** Connected and subscribed. */
  get ready(): boolean {
    return this.#ready;
  }

  /** Why there is no connection; `E_BROKER_UNREACHABLE`. */
  get lastError(): EdgeError | undefined {
    return this.#lastError;
  }

  /** Begins to connect; safe to call again. */
  start(): void {
    this.#running ??= this.#run();
  }

  /**
   * Publishes with QoS 1 and resolves with the broker's confirmation. No more are on the wire at once than the broker's
   * Receive Maximum allows.
   * @throws EdgeError `E_BROKER_UNREACHABLE` when there is no connection or it breaks meanwhile.
   */
  async publish(message: MqttMessage): Promise<void> {
    while (this.#ready && this.#unconfirmed >= this.#receiveMaximum) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    const client = this.#client;
    if (!client || !this.#ready) throw this.#unreachable('no connection');
    this.#unconfirmed++;
    try {
      await client.publishAsync(message.topic, message.payload, { qos: 1, retain: message.retain ?? false });
    } catch (error) {
      throw this.#unreachable((error as Error).message, error);
    } finally {
      if (client === this.#client) this.#unconfirmed--;
      this.#waiting.shift()?.();
    }
  }

  /** Disconnects without a last will; safe to call again. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    const client = this.#client;
    client?.end(!client.connected);
    const force = setTimeout(() => client?.stream.destroy(), STOP_TIMEOUT_MS);
    await this.#running;
    clearTimeout(force);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    for (let attempt = 0; !signal.aborted; attempt++) {
      const end = await this.#connectOnce();
      if (signal.aborted) break;
      if (end.wasReady) attempt = 0;
      if (end.answer === 'version refused') {
        this.#version = 4;
        this.#options.log.info('mqtt fell back', { from: '5', to: '3.1.1', reason: end.found, broker: safeUrl(this.#options.url) });
        continue;
      }
      // Some 3.1.1 brokers hang up on MQTT 5 without a word; so does a broker that is just ending: both are tried in turn.
      if (end.answer === 'none') this.#version = this.#version === 5 ? 4 : 5;
      this.#note(end.found);
      await sleep(backoffMs(attempt, BACKOFF), signal).catch(() => undefined);
    }
  }

  /** One connection from its begin to its end. */
  #connectOnce(): Promise<ConnectionEnd> {
    const { url, username, password, clientId, will, onReady, onMessage, onLost, subscriptions } = this.#options;
    const session = newId('mqtt');
    const testament = will(session);
    return new Promise((resolve) => {
      const client = connect(url, {
        protocolVersion: this.#version,
        clientId,
        clean: true,
        // This class waits between attempts, with jitter, and resends from the outbox.
        reconnectPeriod: 0,
        connectTimeout: CONNECT_TIMEOUT_MS,
        will: { topic: testament.topic, payload: testament.payload, qos: 1, retain: testament.retain ?? false },
        ...(username === undefined ? {} : { username }),
        ...(password === undefined ? {} : { password }),
      });
      this.#client = client;
      this.#unconfirmed = 0;
      let found = 'the connection was closed';
      let answer: ConnectionEnd['answer'] = 'none';
      let wasReady = false;
      client.on('error', (error: Error & { code?: unknown }) => {
        found = error.message || String(error.code ?? 'unknown');
        const refused = this.#version === 5 && VERSION_REFUSED.includes(Number(error.code));
        answer = refused ? 'version refused' : 'error';
        if (!wasReady) client.end(true);
      });
      client.on('connect', (connack) => {
        answer = 'accepted';
        this.#receiveMaximum = connack.properties?.receiveMaximum ?? DEFAULT_RECEIVE_MAXIMUM;
        client.subscribeAsync([...subscriptions], { qos: 1 }).then(
          () => {
            wasReady = this.#ready = true;
            this.#lastError = undefined;
            onReady(session);
          },
          (error: Error) => {
            found = error.message;
            client.end(true);
          },
        );
      });
      client.on('message', (topic, payload) => onMessage({ topic, payload }));
      client.once('close', () => {
        this.#ready = false;
        this.#client = undefined;
        // Fails what was not confirmed, and frees the client's timers.
        client.end(true);
        for (const wake of this.#waiting.splice(0)) wake();
        if (wasReady) onLost();
        resolve({ wasReady, answer, found });
      });
    });
  }

  /** Logs the first failure of a series only. */
  #note(found: string): void {
    const first = this.#lastError === undefined;
    this.#lastError = this.#unreachable(found);
    if (first)
      this.#options.log.warn('mqtt broker unreachable', { broker: safeUrl(this.#options.url), found, next: 'tries again, events wait' });
  }

  #unreachable(found: string, cause?: unknown): EdgeError {
    return new EdgeError('E_BROKER_UNREACHABLE', { what: `cannot reach the MQTT broker ${safeUrl(this.#options.url)}`, found, cause });
  }
}
