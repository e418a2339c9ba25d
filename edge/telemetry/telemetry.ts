import { arch, platform, release } from 'node:os';
import type { Attributes, Lane, Ledger, Recorder, TelemetryEvent } from '#edge/contracts/telemetry.ts';
import { LANES } from '#edge/contracts/telemetry.ts';
import { type Clock, sleep, systemClock } from '#edge/core/clock.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { Logger } from '#edge/core/log.ts';
import { EventRecorder } from './event-recorder.ts';
import { Outbox, type OutboxLedger } from './outbox.ts';
import { renderPrometheus } from './prometheus.ts';
import { safeUrl } from './safe-url.ts';
import { SEMANTIC_CONVENTIONS_VERSION } from './semantic-conventions.ts';
import type { Uplink } from './uplink.ts';

/** The telemetry settings that this module reads (`telemetry` of the configuration). */
export interface TelemetrySettings {
  readonly tenant: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly outboxBytes: number;
  readonly flushMs: number;
}

export interface TelemetryOptions {
  readonly settings: TelemetrySettings;
  readonly outboxPath: string;
  /** See `deviceName`. */
  readonly device: string;
  readonly log: Logger;
  /** What the birth message tells besides the platform: versions, models, engines. No secrets. */
  readonly inventory?: Attributes;
  readonly clock?: Clock;
  /** See `UplinkOptions`. */
  readonly ackTimeoutMs?: number;
}

/** The ledger, and how the outbox and the connection are. */
export interface TelemetryStatus extends Ledger {
  readonly connected: boolean;
  /** Broker, without credentials. */
  readonly url?: string;
  /** Why nothing is written or sent just now. */
  readonly lastError?: { readonly code: string; readonly message: string; readonly hint: string };
  readonly bytes: number;
  readonly maxBytes: number;
}

const URGENT_LANES: readonly Lane[] = ['lifecycle', 'alerts'];
/** Urgent events wait this long for company, so that a burst is one commit. */
const URGENT_MS = 20;
/** This many waiting rows are written without waiting for the next flush. */
const CROWD = 1000;
const ROWS_PER_COMMIT = 200;
const NO_ROWS = { produced: 0, stored: 0, dropped: 0, pending: 0 };

/**
 * The device's telemetry: what is recorded goes from memory to the outbox file in group commits, and from there to the
 * fleet. Trouble with the disk or the broker is a state that {@link status} tells; it is never thrown into a caller.
 */
export class Telemetry implements Recorder {
  readonly #options: TelemetryOptions;
  readonly #clock: Clock;
  readonly #outbox: Outbox;
  readonly #recorder: EventRecorder;
  #uplink: Uplink | undefined;
  #connecting: Promise<void> = Promise.resolve();
  #url: string | undefined;
  #trouble: EdgeError | undefined;
  #lastLedger: OutboxLedger | undefined;
  #flushTimer: NodeJS.Timeout | undefined;
  #urgentTimer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: TelemetryOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const now = (): number => this.#clock.now();
    this.#outbox = new Outbox({ path: options.outboxPath, maxBytes: options.settings.outboxBytes, now });
    this.#recorder = new EventRecorder({ clock: this.#clock, log: options.log, onEvent: (lane) => this.#planCommit(lane) });
  }

  event(event: TelemetryEvent): void {
    this.#recorder.event(event);
  }

  observe(metric: string, value: number, attributes?: Attributes): void {
    this.#recorder.observe(metric, value, attributes);
  }

  /**
   * Opens the outbox and begins to write. A corrupt file is put aside; a full or unwritable disk is tried again with
   * every flush, events waiting in memory meanwhile. Does not throw.
   */
  open(): void {
    this.#withOutbox(() => undefined);
    this.#flushTimer ??= setInterval(() => this.#flushToDisk(), this.#options.settings.flushMs);
    this.#flushTimer.unref();
  }

  /**
   * Begins to send to this broker, instead of the one before. Resolves without waiting for the connection.
   * @throws EdgeError `E_CONFIG_INVALID` for a URL that is not `mqtt://` or `mqtts://`.
   */
  async connect(mqttUrl: string): Promise<void> {
    if (!['mqtt:', 'mqtts:'].includes(URL.parse(mqttUrl)?.protocol ?? '')) {
      throw new EdgeError('E_CONFIG_INVALID', {
        what: 'invalid telemetry.mqttUrl',
        expected: 'mqtt://HOST or mqtts://HOST',
        found: safeUrl(mqttUrl),
      });
    }
    const replaced = this.#connecting.then(() => this.#replaceUplink(mqttUrl));
    // A failure is for this caller; the next one, and the end, must not meet it again.
    this.#connecting = replaced.catch(() => undefined);
    await replaced;
  }

  /** One after the other: two uplinks on one outbox would be two devices with one name. */
  async #replaceUplink(mqttUrl: string): Promise<void> {
    const { settings, device, log, inventory, ackTimeoutMs } = this.#options;
    await this.#uplink?.stop();
    // Imported late: a device without a fleet does not pay for the MQTT library.
    const { Uplink } = await import('./uplink.ts');
    if (this.#closed) return;
    this.#url = mqttUrl;
    this.#uplink = new Uplink({
      url: mqttUrl,
      username: settings.username,
      password: settings.password,
      address: { tenant: settings.tenant, device },
      withOutbox: (use) => this.#withOutbox(use),
      inventory: {
        'os.type': platform(),
        'os.version': release(),
        'host.arch': arch(),
        'node.version': process.version,
        'telemetry.conventions': SEMANTIC_CONVENTIONS_VERSION,
        ...inventory,
      },
      clock: this.#clock,
      log: log.child({ broker: safeUrl(mqttUrl) }),
      ...(ackTimeoutMs === undefined ? {} : { ackTimeoutMs }),
    });
    this.#uplink.start();
  }

  status(): TelemetryStatus {
    const { settings, device } = this.#options;
    const durable = this.#withOutbox((outbox) => ({ ledger: outbox.ledger(), bytes: outbox.bytes() }));
    this.#lastLedger = durable?.ledger ?? this.#lastLedger;
    const error = this.#trouble ?? this.#uplink?.lastError;
    return {
      ...mergeLedger(settings.tenant, device, this.#lastLedger, this.#recorder),
      connected: this.#uplink?.connected ?? false,
      ...(this.#url === undefined ? {} : { url: safeUrl(this.#url) }),
      ...(error ? { lastError: { code: error.code, message: error.message, hint: error.hint } } : {}),
      bytes: durable?.bytes ?? 0,
      maxBytes: settings.outboxBytes,
    };
  }

  /** Metrics since the start, and the ledger, in the Prometheus text format. */
  metricsText(): string {
    return renderPrometheus(this.#recorder.totals(), this.status());
  }

  /** Writes everything to the outbox, then waits until the collector has it all, at most `deadlineMs`. Defaults to 0: no wait. */
  async flush(deadlineMs = 0): Promise<void> {
    this.#flushToDisk();
    const end = this.#clock.monotonic() + deadlineMs;
    while (this.#clock.monotonic() < end && !(this.#withOutbox((outbox) => outbox.isEmpty) ?? false)) await sleep(20);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#flushTimer);
    clearTimeout(this.#urgentTimer);
    this.#flushToDisk();
    await this.#connecting;
    await this.#uplink?.stop();
    this.#outbox.close();
  }

  #planCommit(lane: Lane): void {
    if (this.#closed || (!URGENT_LANES.includes(lane) && this.#recorder.waiting < CROWD)) return;
    this.#urgentTimer ??= setTimeout(() => {
      this.#urgentTimer = undefined;
      this.#commit();
    }, URGENT_MS);
    this.#urgentTimer.unref();
  }

  #flushToDisk(): void {
    this.#commit();
    // Without a disk the deltas go on adding up in memory, which loses nothing and takes no room.
    if (this.#recorder.waiting > 0 || !this.#withOutbox(() => true)) return;
    this.#recorder.stageMetrics();
    this.#commit();
  }

  /** Moves what waits in memory to the outbox, a bounded transaction at a time. */
  #commit(): void {
    for (;;) {
      const handover = this.#recorder.peek(ROWS_PER_COMMIT);
      if (handover.rows.length === 0 && handover.drops.length === 0) break;
      const written = this.#withOutbox((outbox) => {
        outbox.append(handover.rows, handover.drops);
        return true;
      });
      if (!written) return;
      this.#recorder.confirm(handover);
    }
    this.#uplink?.pump();
  }

  /** Runs one action on the open outbox. `undefined` means trouble, which was noted and, the first time, logged. */
  #withOutbox<T>(use: (outbox: Outbox) => T): T | undefined {
    const { log, outboxPath } = this.#options;
    try {
      if (!this.#outbox.isOpen && this.#closed) return undefined;
      this.#outbox.open();
      const { commits } = this.#outbox;
      const result = use(this.#outbox);
      // A full disk can still be read: only a write shows that the trouble is over.
      if (this.#trouble && this.#outbox.commits > commits) {
        log.info('outbox writable again', { path: outboxPath });
        this.#trouble = undefined;
      }
      return result;
    } catch (error) {
      const coded = EdgeError.from(error, 'the outbox failed');
      if (coded.code === 'E_DATABASE_CORRUPT' && this.#quarantine(coded)) return undefined;
      if (this.#trouble?.code !== coded.code) log.error('outbox unusable', { error: coded, next: 'events wait in memory' });
      this.#trouble = coded;
      return undefined;
    }
  }

  #quarantine(reason: EdgeError): boolean {
    const { log, outboxPath } = this.#options;
    try {
      const kept = this.#outbox.quarantine();
      log.error('outbox quarantined', { path: outboxPath, kept, found: reason.message, boot: this.#outbox.boot });
      this.event({ lane: 'lifecycle', name: 'nearside.outbox.quarantined' });
      return true;
    } catch (error) {
      log.error('outbox not quarantined', { path: outboxPath, error: EdgeError.from(error) });
      return false;
    }
  }
}

/** What is on disk, plus what waits in memory: counted as produced, and as pending or dropped. */
function mergeLedger(tenant: string, device: string, durable: OutboxLedger | undefined, memory: EventRecorder): Ledger {
  const { rows, drops } = memory.peek(Number.POSITIVE_INFINITY);
  const droppedByReason: Record<string, number> = { ...durable?.droppedByReason };
  for (const { reason, count } of drops) droppedByReason[reason] = (droppedByReason[reason] ?? 0) + count;
  const lanes = Object.fromEntries(
    LANES.map((lane) => {
      const counts = durable?.lanes[lane] ?? NO_ROWS;
      const waiting = rows.filter((row) => row.lane === lane).length;
      const refused = drops.reduce((sum, drop) => sum + (drop.lane === lane ? drop.count : 0), 0);
      return [
        lane,
        {
          produced: counts.produced + waiting + refused,
          stored: counts.stored,
          dropped: counts.dropped + refused,
          pending: counts.pending + waiting,
        },
      ];
    }),
  ) as Ledger['lanes'];
  const total = (count: keyof Ledger['lanes'][Lane]): number => LANES.reduce((sum, lane) => sum + lanes[lane][count], 0);
  return {
    tenant,
    device,
    boot: durable?.boot ?? '',
    produced: total('produced'),
    stored: total('stored'),
    dropped: total('dropped'),
    droppedByReason,
    pending: total('pending'),
    lanes,
  };
}
