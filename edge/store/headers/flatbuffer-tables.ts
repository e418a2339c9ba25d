/** Follows tables and vectors of a FlatBuffers file (flatbuffers.dev, "FlatBuffer internals"). */
import type { BoundedReader } from './bounded-reader.ts';

/** Vectors of numbers are kept up to this length: shapes, lists of operands. */
const KEPT_NUMBERS = 16_384;
const TEXT_BYTES = 512;

export interface FlatbufferVector {
  readonly start: number;
  readonly length: number;
}

export class FlatbufferTables {
  readonly reader: BoundedReader;

  constructor(reader: BoundedReader) {
    this.reader = reader;
  }

  /** The table that the file begins with. */
  root(): Promise<number> {
    return this.#follow(0);
  }

  /** An unsigned number field; 0 when the table leaves it out. */
  async number(table: number, field: number, bytes: 1 | 4): Promise<number> {
    const position = await this.#field(table, field);
    if (position === undefined) return 0;
    return (await this.#bytes(position, bytes)).readUIntLE(0, bytes);
  }

  /** A vector or text field whose elements have the given size; empty when the table leaves it out. */
  async vector(table: number, field: number, elementBytes: number): Promise<FlatbufferVector> {
    const position = await this.#field(table, field);
    if (position === undefined) return { start: 0, length: 0 };
    const start = await this.#follow(position);
    const length = (await this.#bytes(start, 4)).readUInt32LE();
    this.reader.requireBytes(start + 4, length * elementBytes);
    return { start: start + 4, length };
  }

  /** The tables of a vector field, one at a time. */
  async *tables(table: number, field: number): AsyncGenerator<number, void, undefined> {
    const { start, length } = await this.vector(table, field, 4);
    for (let index = 0; index < length; index++) yield await this.#follow(start + 4 * index);
  }

  /** A vector of 32-bit numbers. */
  async numbers(table: number, field: number): Promise<readonly number[]> {
    const { start, length } = await this.vector(table, field, 4);
    if (length > KEPT_NUMBERS) throw this.reader.corrupt(`a list of at most ${KEPT_NUMBERS} numbers`, `${length}`);
    this.reader.countValues(length);
    const bytes = await this.reader.bytes(start, 4 * length);
    return Array.from({ length }, (_, index) => bytes.readInt32LE(4 * index));
  }

  async text(table: number, field: number): Promise<string> {
    const { start, length } = await this.vector(table, field, 1);
    return (await this.reader.bytes(start, Math.min(length, TEXT_BYTES))).toString('utf8');
  }

  async #follow(position: number): Promise<number> {
    return position + (await this.#bytes(position, 4)).readUInt32LE();
  }

  /** Where a field stands; a table begins with the distance back to its list of field offsets. */
  async #field(table: number, field: number): Promise<number | undefined> {
    const list = table - (await this.#bytes(table, 4)).readInt32LE();
    const listBytes = (await this.#bytes(list, 2)).readUInt16LE();
    const entry = 4 + 2 * field;
    if (entry + 2 > listBytes) return undefined;
    const offset = (await this.#bytes(list + entry, 2)).readUInt16LE();
    return offset === 0 ? undefined : table + offset;
  }

  async #bytes(position: number, length: number): Promise<Buffer> {
    return this.reader.atHand(position, length) ?? (await this.reader.bytes(position, length));
  }
}
