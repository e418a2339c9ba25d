/** What the collector is made of: anything that brings messages, and anything that keeps them. */
import type { Lane } from '#edge/contracts/telemetry.ts';
import type { Ack } from '#edge/telemetry/wire/ack.ts';
import type { Batch } from '#edge/telemetry/wire/batch.ts';
import type { Birth, StateChange } from '#edge/telemetry/wire/presence.ts';
import type { DeviceAddress } from '#edge/telemetry/wire/topics.ts';

/** One message as it came; nothing about it is checked yet. */
export interface FleetMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** Collector's wall clock, ms since 1970. */
  readonly receivedAt: number;
  /** Kept by the broker from before: tells nothing about the device being there now. */
  readonly retained: boolean;
}

/** Brings messages, at least once each, in any order. */
export interface FleetSource extends AsyncDisposable {
  /** Begins to deliver. Resolves when messages can arrive. `onMessage` does not throw. */
  start(onMessage: (message: FleetMessage) => void): Promise<void>;
  /** Tells a device what was committed. Best effort: an acknowledgement that is lost brings the batch again. */
  acknowledge(address: DeviceAddress, ack: Ack): Promise<void>;
}

/** A part of one commit, with where and when it came from. */
export type Received<T> = T & DeviceAddress & Pick<FleetMessage, 'receivedAt' | 'retained'>;

/** A message nobody can read, kept for the person who looks into it. */
export interface DeadLetter extends FleetMessage {
  readonly reason: string;
}

/** Everything one transaction stores. */
export interface FleetWrite {
  readonly batches: readonly Received<Batch>[];
  readonly births: readonly Received<Birth>[];
  readonly states: readonly Received<StateChange>[];
  readonly deadLetters: readonly DeadLetter[];
}

/** Keeps what devices told, each event once however often it comes (by tenant, device, boot, seq). */
export interface TelemetrySink extends AsyncDisposable {
  /**
   * Commits all or nothing, durable when it resolves.
   * @throws EdgeError `E_DISK_FULL`, `E_DATABASE` ...; then nothing was stored.
   */
  write(write: FleetWrite): Promise<{ readonly inserted: number; readonly duplicates: number }>;
}

/** A device as the fleet sees it. */
export interface DeviceRow extends DeviceAddress {
  readonly state: StateChange['state'] | 'unknown';
  readonly online: boolean;
  /** Its present outbox. */
  readonly boot: string | null;
  /** ms since 1970, collector's clock. */
  readonly firstSeen: number;
  readonly lastSeen: number;
  readonly inventory: Readonly<Record<string, string | number | boolean>>;
  /** Events and metric points stored of all its boots. */
  readonly stored: number;
}

/** One stored event. */
export interface EventRow extends DeviceAddress {
  readonly boot: string;
  readonly seq: number;
  readonly lane: Lane;
  /** Device's clock. */
  readonly time: number;
  readonly receivedAt: number;
  readonly name: string;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
}

/** The collector's side of one boot's ledger. */
export interface FleetLedger extends DeviceAddress {
  readonly boot: string;
  /** Rows in the database. */
  readonly stored: number;
  readonly lanes: readonly {
    readonly lane: Lane;
    readonly stored: number;
    /** As the device said with its last batch. */
    readonly produced: number;
    readonly dropped: number;
  }[];
}
