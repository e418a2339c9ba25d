import { z } from 'zod';
import type { Attributes } from '#edge/contracts/telemetry.ts';
import { decodeJson } from './decode-json.ts';

export const DEVICE_STATES = ['online', 'stopped', 'lost'] as const;
/** `stopped` is said by the device on a clean end, `lost` by the broker on its behalf (last will). */
export type DeviceState = (typeof DEVICE_STATES)[number];

/** What a device is made of, told once a connection. */
export interface Birth {
  readonly boot: string;
  /** Device's wall clock, ms since 1970. */
  readonly time: number;
  readonly inventory: Attributes;
}

export interface StateChange {
  readonly boot: string;
  readonly state: DeviceState;
  /** Names the connection: the late will of a former one must not end the present one. */
  readonly session: string;
}

const scalar = z.union([z.string().max(1024), z.number(), z.boolean()]);
const boot = z.string().min(1).max(64);
const birthSchema = z.object({ v: z.literal(1), boot, time: z.number(), inventory: z.record(z.string().max(128), scalar) });
const stateSchema = z.object({ v: z.literal(1), boot, state: z.enum(DEVICE_STATES), session: z.string().min(1).max(64) });

export function encodeBirth(birth: Birth): Buffer {
  return Buffer.from(JSON.stringify({ v: 1, ...birth }));
}

/** @throws EdgeError `E_WIRE_INVALID`. */
export function decodeBirth(payload: Uint8Array): Birth {
  const { boot, time, inventory } = decodeJson('a birth message', birthSchema, payload);
  return { boot, time, inventory };
}

export function encodeState(state: StateChange): Buffer {
  return Buffer.from(JSON.stringify({ v: 1, ...state }));
}

/** @throws EdgeError `E_WIRE_INVALID`. */
export function decodeState(payload: Uint8Array): StateChange {
  const { boot, state, session } = decodeJson('a state message', stateSchema, payload);
  return { boot, state, session };
}
