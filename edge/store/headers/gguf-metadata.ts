/** The key-value part of a GGUF file, versions 2 and 3 (`docs/gguf.md` of ggml). */
import type { BoundedReader } from './bounded-reader.ts';

/** Longest key that the format allows, and longest text that is kept. */
const KEY_BYTES = 65_535;
const KEPT_TEXT_BYTES = 1024;
/** Arrays of numbers up to this length are kept: one entry a layer, never a vocabulary. */
const KEPT_NUMBERS = 1024;

const STRING = 8;
const ARRAY = 9;

/** Reads one number of each type, by id. */
const NUMBERS: Readonly<Record<number, readonly [bytes: number, read: (bytes: Buffer) => number]>> = {
  0: [1, (bytes) => bytes.readUInt8()],
  1: [1, (bytes) => bytes.readInt8()],
  2: [2, (bytes) => bytes.readUInt16LE()],
  3: [2, (bytes) => bytes.readInt16LE()],
  4: [4, (bytes) => bytes.readUInt32LE()],
  5: [4, (bytes) => bytes.readInt32LE()],
  6: [4, (bytes) => bytes.readFloatLE()],
  7: [1, (bytes) => bytes.readUInt8()],
  10: [8, (bytes) => Number(bytes.readBigUInt64LE())],
  11: [8, (bytes) => Number(bytes.readBigInt64LE())],
  12: [8, (bytes) => bytes.readDoubleLE()],
};

export interface GgufArray {
  readonly length: number;
  /** Kept for short arrays of numbers only. */
  readonly numbers?: readonly number[];
}
/** Truth values are 0 and 1; a long text is cut. */
export type GgufValue = number | string | GgufArray;

/** Reads a GGUF file from front to back. */
export class GgufCursor {
  readonly reader: BoundedReader;
  position: number;

  constructor(reader: BoundedReader, position: number) {
    this.reader = reader;
    this.position = position;
  }

  async number(type: number): Promise<number> {
    const known = NUMBERS[type];
    if (!known) throw this.reader.corrupt('a value of a known type', `type ${type}`);
    return known[1](await this.#take(known[0]));
  }

  /**
   * A count of things that take at least `leastBytes` each.
   * @throws EdgeError `E_MODEL_CORRUPT` when the rest of the file cannot hold them.
   */
  async count(leastBytes: number, what: string): Promise<number> {
    const claimed = (await this.#take(8)).readBigUInt64LE();
    const most = Math.floor((this.reader.size - this.position) / leastBytes);
    if (claimed > BigInt(most))
      throw this.reader.corrupt(`at most ${most} ${what} in the rest of the file`, `a header that claims ${claimed}`);
    return Number(claimed);
  }

  /** A text of at most `mostBytes`. */
  async text(mostBytes: number): Promise<string> {
    const length = await this.count(1, 'bytes of text');
    if (length > mostBytes) throw this.reader.corrupt(`a name of at most ${mostBytes} bytes`, `${length} bytes`);
    return (await this.#take(length)).toString('utf8');
  }

  async value(type: number): Promise<GgufValue> {
    if (type === STRING) return this.#startOfText();
    return type === ARRAY ? this.#array() : this.number(type);
  }

  async #startOfText(): Promise<string> {
    const length = await this.count(1, 'bytes of text');
    const start = await this.reader.bytes(this.position, Math.min(length, KEPT_TEXT_BYTES));
    this.position += length;
    return start.toString('utf8');
  }

  async #array(): Promise<GgufArray> {
    const type = await this.number(4);
    if (type === STRING) {
      const length = await this.count(8, 'texts');
      for (let index = 0; index < length; index++) await this.#skipText();
      return { length };
    }
    const known = NUMBERS[type];
    if (!known) throw this.reader.corrupt('an array of numbers or texts', type === ARRAY ? 'an array of arrays' : `type ${type}`);
    const [bytes, read] = known;
    const length = await this.count(bytes, 'numbers');
    const start = this.position;
    this.position += length * bytes;
    if (length > KEPT_NUMBERS) return { length };
    const block = await this.reader.bytes(start, length * bytes);
    return { length, numbers: Array.from({ length }, (_, index) => read(block.subarray(index * bytes))) };
  }

  async #skipText(): Promise<void> {
    const head = this.reader.atHand(this.position, 8) ?? (await this.reader.bytes(this.position, 8));
    const low = head.readUInt32LE();
    if (head.readUInt32LE(4) > 0) throw this.reader.corrupt('a text that ends within the file', 'one of 4 GiB or more');
    this.position += 8 + low;
    this.reader.requireBytes(this.position, 0);
  }

  async #take(length: number): Promise<Buffer> {
    const { position } = this;
    this.position += length;
    return this.reader.atHand(position, length) ?? (await this.reader.bytes(position, length));
  }
}

/** The metadata of a file, by key. @throws EdgeError `E_MODEL_CORRUPT`. */
export class GgufMetadata {
  readonly #values: ReadonlyMap<string, GgufValue>;

  private constructor(values: ReadonlyMap<string, GgufValue>) {
    this.#values = values;
  }

  static async read(cursor: GgufCursor, count: number): Promise<GgufMetadata> {
    const values = new Map<string, GgufValue>();
    for (let index = 0; index < count; index++) {
      const key = await cursor.text(KEY_BYTES);
      if (values.has(key)) throw cursor.reader.corrupt('every key once', `"${key.slice(0, 80)}" twice`);
      values.set(key, await cursor.value(await cursor.number(4)));
    }
    return new GgufMetadata(values);
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  text(key: string): string {
    const value = this.#values.get(key);
    return typeof value === 'string' ? value : '';
  }

  /** A size: a whole number that is not negative; undefined where the file says none. */
  size(key: string): number | undefined {
    const value = this.#values.get(key);
    return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  }

  /** Sizes that a file may state once for all layers or one by one. */
  sizes(key: string): readonly number[] | undefined {
    const value = this.#values.get(key);
    const numbers = typeof value === 'object' ? value.numbers : undefined;
    return numbers?.every((each) => Number.isSafeInteger(each) && each >= 0) ? numbers : undefined;
  }

  /** Entries of an array, kept or not. */
  length(key: string): number | undefined {
    const value = this.#values.get(key);
    return typeof value === 'object' ? value.length : undefined;
  }
}
