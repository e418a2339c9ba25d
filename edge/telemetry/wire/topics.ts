import { LANES, type Lane } from '#edge/contracts/telemetry.ts';

/** A device of a tenant; both match `[\w-]{1,64}`. */
export interface DeviceAddress {
  readonly tenant: string;
  readonly device: string;
}

/** Batches of one lane, device to collector. */
export function upTopic({ tenant, device }: DeviceAddress, lane: Lane): string {
  return `f/${tenant}/${device}/up/${lane}`;
}

/** Committed ranges, collector to device. */
export function ackTopic({ tenant, device }: DeviceAddress): string {
  return `f/${tenant}/${device}/ack`;
}

/** What the device is made of; retained. */
export function birthTopic({ tenant, device }: DeviceAddress): string {
  return `f/${tenant}/${device}/birth`;
}

/** `online`, `stopped`, or `lost` by last will; retained. */
export function stateTopic({ tenant, device }: DeviceAddress): string {
  return `f/${tenant}/${device}/state`;
}

/** What a collector subscribes to. */
export const COLLECTOR_FILTERS: readonly string[] = ['f/+/+/up/+', 'f/+/+/birth', 'f/+/+/state'];

export type ParsedTopic =
  | (DeviceAddress & { readonly kind: 'up'; readonly lane: Lane })
  | (DeviceAddress & { readonly kind: 'ack' | 'birth' | 'state' });

const TOPIC = /^f\/([\w-]{1,64})\/([\w-]{1,64})\/(?:(ack|birth|state)|up\/(\w+))$/;

/** The parts of a topic of this protocol, or `undefined` for any other. */
export function parseTopic(topic: string): ParsedTopic | undefined {
  const match = TOPIC.exec(topic);
  if (!match) return undefined;
  const address = { tenant: match[1] as string, device: match[2] as string };
  if (match[3]) return { ...address, kind: match[3] as 'ack' | 'birth' | 'state' };
  const lane = LANES.find((name) => name === match[4]);
  return lane && { ...address, kind: 'up', lane };
}
