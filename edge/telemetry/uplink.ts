import { type Attributes, LANES, type Lane } from '#edge/contracts/telemetry.ts';
import { orAborted } from '#edge/core/abort.ts';
import type { Clock } from '#edge/core/clock.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { Logger } from '#edge/core/log.ts';
import { type MqttMessage, MqttTransport } from './mqtt-transport.ts';
import type { Outbox, OutboxRow } from './outbox.ts';
import { type Ack, decodeAck } from './wire/ack.ts';
import { encodeBatch } from './wire/batch.ts';
import { encodeBirth, encodeState } from './wire/presence.ts';
import { recordSchema, type SequencedRecord } from './wire/record.ts';
import { ackTopic, birthTopic, type DeviceAddress, stateTopic, upTopic } from './wire/topics.ts';

export interface UplinkOptions {
  readonly url: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly address: DeviceAddress;
  /** Runs one action on the outbox; `undefined` when the outbox is in trouble (its owner knows and says so). */
  readonly withOutbox: <T>(use: (outbox: Outbox) => T) => T | undefined;
  readonly inventory: Attributes;
  readonly clock: Clock;
  readonly log: Logger;
  /** Time without an acknowledgement after which a batch is sent again; doubles up to 5 minutes. Defaults to 10 s. */
  readonly ackTimeoutMs?: number;
}

const ROWS_PER_BATCH = 200;
/** Batches of one lane that wait for their acknowledgement. Each lane has its own, so none starves. */
const BATCHES_IN_FLIGHT = 4;
const GOODBYE_MS = 1000;
const MAX_ACK_TIMEOUT_MS = 300_000;

interface LaneFlight {
  /** Last sequence number of each batch that waits, oldest first. */
  readonly batches: number[];
  timeouts: number;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Sends what the outbox holds and removes what the collector has committed. A batch without an acknowledgement is sent
 * again together with everything after it in its lane (go-back-N): the collector stores an event once, however often it comes.
 */
export class Uplink {
  readonly #options: UplinkOptions;
  readonly #transport: MqttTransport;
  readonly #flights = new Map<Lane, LaneFlight>(LANES.map((lane) => [lane, { batches: [], timeouts: 0, timer: undefined }]));
  #session = '';

  constructor(options: UplinkOptions) {
    this.#options = options;
    const { address, url, username, password, log } = options;
    this.#transport = new MqttTransport({
      url,
      username,
      password,
      clientId: `nearside-${address.tenant}-${address.device}`,
      subscriptions: [ackTopic(address)],
      will: (session) => this.#state('lost', session),
      onReady: (session) => this.#onReady(session),
      onMessage: (message) => this.#onMessage(message),
      onLost: () => this.#releaseAll(),
      log,
    });
  }

  get connected(): boolean {
    return this.#transport.ready;
  }

  get lastError(): EdgeError | undefined {
    return this.#transport.lastError;
  }

  start(): void {
    this.#transport.start();
  }

  /** Sends what can be sent now; called after each commit of the outbox. */
  pump(): void {
    if (!this.#transport.ready) return;
    for (const lane of LANES) this.#pumpLane(lane);
  }

  /** Says goodbye when connected, waiting a second at most, and disconnects. */
  async stop(): Promise<void> {
    if (this.#transport.ready) await this.#sayGoodbye();
    await this.#transport.stop();
    this.#releaseAll();
  }

  async #sayGoodbye(): Promise<void> {
    try {
      await orAborted(this.#publish(this.#state('stopped', this.#session)), AbortSignal.timeout(GOODBYE_MS), 'goodbye');
    } catch (error) {
      this.#options.log.debug('goodbye not confirmed', { error: EdgeError.from(error) });
    }
  }

  #onReady(session: string): void {
    this.#session = session;
    const { address, log, inventory, clock } = this.#options;
    log.info('telemetry connected');
    const birth = { boot: this.#boot(), time: Math.trunc(clock.now()), inventory };
    void this.#publish({ topic: birthTopic(address), payload: encodeBirth(birth), retain: true });
    void this.#publish(this.#state('online', session));
    this.pump();
  }

  #onMessage(message: MqttMessage): void {
    let ack: Ack;
    try {
      ack = decodeAck(message.payload);
    } catch (error) {
      this.#options.log.warn('acknowledgement refused', { error: EdgeError.from(error) });
      return;
    }
    if (ack.boot !== this.#boot() || this.#options.withOutbox((outbox) => outbox.acknowledge(ack)) === undefined) return;
    const flight = this.#flight(ack.lane);
    const waiting = flight.batches.filter((last) => !ack.ranges.some(([from, to]) => from <= last && last <= to));
    if (waiting.length === flight.batches.length) return;
    flight.batches.splice(0, flight.batches.length, ...waiting);
    flight.timeouts = 0;
    this.#arm(ack.lane);
    this.#pumpLane(ack.lane);
  }

  #pumpLane(lane: Lane): void {
    const flight = this.#flight(lane);
    while (this.#transport.ready && flight.batches.length < BATCHES_IN_FLIGHT) {
      const batch = this.#options.withOutbox((outbox) => {
        const rows = outbox.lease(lane, ROWS_PER_BATCH);
        const readable = rows.flatMap((row) => parseRow(row) ?? this.#dropUnreadable(outbox, row));
        return { last: rows.at(-1)?.seq, readable, boot: outbox.boot, ...outbox.laneCounts(lane) };
      });
      if (batch?.last === undefined) return;
      if (batch.readable.length === 0) continue;
      const { boot, produced, dropped, readable: rows } = batch;
      flight.batches.push((rows.at(-1) as SequencedRecord).seq);
      if (flight.batches.length === 1) this.#arm(lane);
      void this.#publish({ topic: upTopic(this.#options.address, lane), payload: encodeBatch({ boot, lane, produced, dropped, rows }) });
    }
  }

  #dropUnreadable(outbox: Outbox, row: OutboxRow): [] {
    outbox.drop(row, 'unreadable');
    this.#options.log.warn('telemetry dropped', { reason: 'unreadable', seq: row.seq });
    return [];
  }

  /** (Re)starts the lane's clock for its oldest batch. */
  #arm(lane: Lane): void {
    const flight = this.#flight(lane);
    clearTimeout(flight.timer);
    if (flight.batches.length === 0) return;
    const { ackTimeoutMs = 10_000, log } = this.#options;
    const timeoutMs = Math.min(ackTimeoutMs * 2 ** flight.timeouts, MAX_ACK_TIMEOUT_MS);
    flight.timer = setTimeout(() => {
      if (flight.timeouts++ === 0) log.warn('telemetry not acknowledged', { lane, timeoutMs, next: 'sent again' });
      this.#release(lane);
      this.#pumpLane(lane);
    }, timeoutMs);
    flight.timer.unref();
  }

  #releaseAll(): void {
    for (const lane of LANES) this.#release(lane);
  }

  #release(lane: Lane): void {
    const flight = this.#flight(lane);
    clearTimeout(flight.timer);
    flight.batches.length = 0;
    this.#options.withOutbox((outbox) => outbox.release(lane));
  }

  /** A failed publish needs no answer: the loss of the connection or the lane's clock brings the batch back. */
  async #publish(message: MqttMessage): Promise<void> {
    try {
      await this.#transport.publish(message);
    } catch (error) {
      this.#options.log.debug('publish failed', { topic: message.topic, error: EdgeError.from(error) });
    }
  }

  #state(state: 'online' | 'stopped' | 'lost', session: string): MqttMessage {
    return { topic: stateTopic(this.#options.address), payload: encodeState({ boot: this.#boot(), state, session }), retain: true };
  }

  #boot(): string {
    return this.#options.withOutbox((outbox) => outbox.boot) || 'unknown';
  }

  #flight(lane: Lane): LaneFlight {
    return this.#flights.get(lane) as LaneFlight;
  }
}

/** `undefined` for a row that the disk has changed. */
function parseRow(row: OutboxRow): SequencedRecord | undefined {
  let json: unknown;
  try {
    json = JSON.parse(row.payload);
  } catch {
    return undefined;
  }
  const parsed = recordSchema.safeParse(json);
  return parsed.success ? { seq: row.seq, time: row.time, record: parsed.data } : undefined;
}
