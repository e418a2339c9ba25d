import { EdgeError } from '#edge/core/errors.ts';
import type { Logger } from '#edge/core/log.ts';
import { type Batch, decodeBatch } from '#edge/telemetry/wire/batch.ts';
import { decodeBirth, decodeState } from '#edge/telemetry/wire/presence.ts';
import { parseTopic } from '#edge/telemetry/wire/topics.ts';
import type { DeadLetter, FleetMessage, FleetSource, FleetWrite, Received, TelemetrySink } from './contracts.ts';

export interface CollectorOptions {
  readonly source: FleetSource;
  readonly sink: TelemetrySink;
  readonly log: Logger;
  /** Most bytes of messages that wait for the sink; what comes beyond is not acknowledged, so its device keeps it. Defaults to 16 MiB. */
  readonly maxQueueBytes?: number;
}

const MESSAGES_PER_COMMIT = 256;

type Work = { -readonly [K in keyof FleetWrite]: FleetWrite[K][number][] };

/**
 * Source, commit, acknowledgement, in this order: a device hears of a row only after the sink has it on disk. Holds
 * no state of its own, so it may be killed at any point; what was not acknowledged comes again and is stored once.
 */
export class Collector {
  readonly #options: CollectorOptions;
  readonly #maxQueueBytes: number;
  #queue: FleetMessage[] = [];
  #queueBytes = 0;
  #draining: Promise<void> | undefined;
  #sinkFailed = false;
  #overflowed = false;
  #stopped = false;

  constructor(options: CollectorOptions) {
    this.#options = options;
    this.#maxQueueBytes = options.maxQueueBytes ?? 16 * 1024 * 1024;
  }

  /** @throws EdgeError when the source cannot start. */
  async start(): Promise<void> {
    await this.#options.source.start((message) => this.#take(message));
  }

  /** Commits what has arrived, then closes source and sink. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#draining;
    await this.#options.source[Symbol.asyncDispose]();
    await this.#options.sink[Symbol.asyncDispose]();
  }

  #take(message: FleetMessage): void {
    if (this.#stopped) return;
    if (this.#queueBytes + message.payload.length > this.#maxQueueBytes) {
      if (!this.#overflowed)
        this.#options.log.warn('collector overloaded', { queueBytes: this.#queueBytes, next: 'devices keep and resend' });
      this.#overflowed = true;
      return;
    }
    this.#queue.push(message);
    this.#queueBytes += message.payload.length;
    this.#draining ??= this.#drain().finally(() => {
      this.#draining = undefined;
    });
  }

  async #drain(): Promise<void> {
    // One turn of the event loop, so that messages of one network packet share a commit.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0) {
      const messages = this.#queue.splice(0, MESSAGES_PER_COMMIT);
      this.#queueBytes = this.#queue.reduce((sum, message) => sum + message.payload.length, 0);
      await this.#commit(sort(messages));
    }
    this.#overflowed = false;
  }

  async #commit(work: Work): Promise<void> {
    const { sink, source, log } = this.#options;
    try {
      await sink.write(work);
      if (this.#sinkFailed) log.info('fleet database writable again');
      this.#sinkFailed = false;
    } catch (error) {
      if (!this.#sinkFailed)
        log.error('fleet database unusable', { error: EdgeError.from(error), next: 'nothing is acknowledged, devices keep and resend' });
      this.#sinkFailed = true;
      return;
    }
    for (const { topic, reason } of work.deadLetters) log.warn('message dead-lettered', { topic, reason });
    await Promise.all(
      work.batches.map(async (batch) => {
        try {
          await source.acknowledge(batch, { boot: batch.boot, lane: batch.lane, ranges: committedRange(batch) });
        } catch (error) {
          log.debug('acknowledgement not sent', { device: batch.device, error: EdgeError.from(error) });
        }
      }),
    );
  }
}

/** A batch holds every row of its lane between its first and its last. */
function committedRange({ rows }: Batch): readonly (readonly [number, number])[] {
  const first = rows[0];
  const last = rows.at(-1);
  return first && last ? [[first.seq, last.seq]] : [];
}

/** Decodes messages; what cannot be read becomes a dead letter. */
function sort(messages: readonly FleetMessage[]): Work {
  const work: Work = { batches: [], births: [], states: [], deadLetters: [] };
  for (const message of messages) {
    try {
      decode(message, work);
    } catch (error) {
      work.deadLetters.push({ ...message, reason: EdgeError.from(error).message } satisfies DeadLetter);
    }
  }
  return work;
}

function decode({ topic, payload, receivedAt, retained }: FleetMessage, work: Work): void {
  const parsed = parseTopic(topic);
  if (!parsed || parsed.kind === 'ack')
    throw new EdgeError('E_WIRE_INVALID', { what: 'cannot read a message', expected: 'a topic of a device', found: topic.slice(0, 200) });
  const { tenant, device } = parsed;
  const received = <T>(value: T): Received<T> => ({ ...value, tenant, device, receivedAt, retained });
  if (parsed.kind === 'up') {
    const batch = decodeBatch(payload);
    if (batch.lane !== parsed.lane) {
      throw new EdgeError('E_WIRE_INVALID', {
        what: 'cannot read a batch',
        expected: `lane "${parsed.lane}" as in its topic`,
        found: `lane "${batch.lane}"`,
      });
    }
    work.batches.push(received(batch));
  } else if (parsed.kind === 'birth') work.births.push(received(decodeBirth(payload)));
  else work.states.push(received(decodeState(payload)));
}
