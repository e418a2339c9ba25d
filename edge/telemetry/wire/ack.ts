import { z } from 'zod';
import { LANES, type Lane } from '#edge/contracts/telemetry.ts';
import { decodeJson } from './decode-json.ts';

/** What the collector has committed of one lane of one boot. */
export interface Ack {
  readonly boot: string;
  readonly lane: Lane;
  /** Inclusive `[first, last]` sequence numbers; rows of other lanes in between are not meant. */
  readonly ranges: readonly (readonly [number, number])[];
}

const seq = z.int().min(1);
const ackSchema = z.object({
  v: z.literal(1),
  boot: z.string().min(1).max(64),
  lane: z.enum(LANES),
  ranges: z.array(z.tuple([seq, seq]).refine(([first, last]) => first <= last, 'a range must not end before it begins')).max(10_000),
});

export function encodeAck(ack: Ack): Buffer {
  return Buffer.from(JSON.stringify({ v: 1, ...ack }));
}

/** @throws EdgeError `E_WIRE_INVALID`. */
export function decodeAck(payload: Uint8Array): Ack {
  const { boot, lane, ranges } = decodeJson('an acknowledgement', ackSchema, payload);
  return { boot, lane, ranges };
}
