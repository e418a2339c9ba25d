/** Walks the fields of a protobuf message without a schema (protobuf.dev, "Encoding"); what is not asked for is never read. */
import type { BoundedReader } from './bounded-reader.ts';

const VARINT_BYTES = 10;

export interface ProtobufField {
  readonly number: number;
  /** Of a varint, as unsigned; 0 for every other kind. */
  readonly value: bigint;
  /** Where the bytes of a text, a message or packed numbers stand; both 0 for every other kind. */
  readonly start: number;
  readonly end: number;
}

/** The fields of the message between two positions, in order. @throws EdgeError `E_MODEL_CORRUPT` for what is no message. */
export async function* protobufFields(reader: BoundedReader, start: number, end: number): AsyncGenerator<ProtobufField, void, undefined> {
  for (let position = start; position < end; ) {
    const key = await readVarint(reader, position, end);
    const number = Number(key.value >> 3n);
    if (number === 0) throw reader.corrupt('a field with a number', `none at byte ${position}`);
    const field = await readField(reader, Number(key.value & 7n), key.next, end);
    position = field.next;
    yield { number, value: field.value, start: field.start, end: field.end };
  }
}

interface ReadField {
  readonly value: bigint;
  readonly start: number;
  readonly end: number;
  readonly next: number;
}

async function readField(reader: BoundedReader, wire: number, position: number, end: number): Promise<ReadField> {
  const skipped = (bytes: number): ReadField => ({ value: 0n, start: 0, end: 0, next: within(reader, position + bytes, end) });
  switch (wire) {
    case 0: {
      const { value, next } = await readVarint(reader, position, end);
      return { value, start: 0, end: 0, next };
    }
    case 1:
      return skipped(8);
    case 2: {
      const { value, next } = await readVarint(reader, position, end);
      const stop = within(reader, next + Number(value), end);
      return { value: 0n, start: next, end: stop, next: stop };
    }
    case 5:
      return skipped(4);
    default:
      throw reader.corrupt('a field of a known kind', `kind ${wire} at byte ${position}`);
  }
}

/** A base-128 number; the numbers of a packed field follow each other. */
export async function readVarint(reader: BoundedReader, position: number, end: number): Promise<{ value: bigint; next: number }> {
  const length = Math.min(VARINT_BYTES, end - position);
  const bytes = reader.atHand(position, length) ?? (await reader.bytes(position, length));
  let value = 0n;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index] as number;
    value |= BigInt(byte & 0x7f) << BigInt(7 * index);
    if (byte < 0x80) return { value: BigInt.asUintN(64, value), next: position + index + 1 };
  }
  throw reader.corrupt('a number that ends', `none at byte ${position}`);
}

function within(reader: BoundedReader, position: number, end: number): number {
  if (position <= end) return position;
  throw reader.corrupt(`a field that ends by byte ${end}`, `one that claims to end at ${position}`);
}
