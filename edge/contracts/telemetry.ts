/** Lanes of the outbox, most precious first; each has its own cap, age and drop policy. */
export const LANES = ['lifecycle', 'alerts', 'metrics', 'traces'] as const;
export type Lane = (typeof LANES)[number];

export type AttributeValue = string | number | boolean;
export type Attributes = Readonly<Record<string, AttributeValue>>;

/** Something that happened once. Carries no prompt, answer or document text. */
export interface TelemetryEvent {
  readonly lane: Lane;
  /** A name of the semantic-conventions table, such as `nearside.engine.crashed`. */
  readonly name: string;
  readonly attributes?: Attributes;
}

/**
 * Takes what the device tells about itself. Never throws into, blocks or slows its caller: when the hand-over is full
 * the event is dropped and counted by reason.
 */
export interface Recorder {
  event(event: TelemetryEvent): void;
  /** One observation of a histogram or counter of the semantic-conventions table. */
  observe(metric: string, value: number, attributes?: Attributes): void;
}

/** The identity that must hold at every moment: `produced = stored + dropped + pending`. */
export interface Ledger {
  readonly tenant: string;
  readonly device: string;
  readonly boot: string;
  readonly produced: number;
  /** Committed by the collector and acknowledged. */
  readonly stored: number;
  readonly dropped: number;
  readonly droppedByReason: Readonly<Record<string, number>>;
  readonly pending: number;
  readonly lanes: Readonly<
    Record<Lane, { readonly produced: number; readonly stored: number; readonly dropped: number; readonly pending: number }>
  >;
}
