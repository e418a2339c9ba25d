import { EdgeError } from '#edge/core/errors.ts';
import { formatBytes } from '#edge/core/format.ts';
import type { ByteSource } from './byte-source.ts';

const PAGE_BYTES = 16 * 1024;
/** Most pages of one read, when a file is read in order. */
const LONGEST_RUN = 128;
/** Pages kept; a table of a graph refers to its neighbourhood. */
const KEPT_PAGES = 256;

/** The largest vocabularies (262,144 tokens with half a million merges) make headers of some 15 MiB. */
export const HEADER_LIMIT_BYTES = 32 * 1024 * 1024;
/** Values looked at: bounds the time that a file of a few bytes can ask for by pointing at them again and again. */
const VALUE_LIMIT = 2_000_000;

/**
 * Reads a header page by page, further ahead the longer it is read in order. Whatever the file claims, no more than
 * {@link HEADER_LIMIT_BYTES} are read and a few MiB are kept.
 */
export class BoundedReader {
  readonly name: string;
  readonly size: number;
  readonly #source: ByteSource;
  readonly #pages = new Map<number, Buffer>();
  #bytesRead = 0;
  #valuesRead = 0;
  #lastRead = { start: -1, end: -1 };
  #run = 1;

  constructor(source: ByteSource) {
    this.#source = source;
    this.name = source.name;
    this.size = source.size;
  }

  /**
   * The bytes when they are at hand, without waiting: what keeps a walk over half a million strings fast.
   * @throws EdgeError `E_MODEL_CORRUPT` beyond the end of the file and beyond what a header may take.
   */
  atHand(position: number, length: number): Buffer | undefined {
    this.requireBytes(position, length);
    this.countValues(1);
    const index = Math.floor(position / PAGE_BYTES);
    const start = position - index * PAGE_BYTES;
    return start + length <= PAGE_BYTES ? this.#pages.get(index)?.subarray(start, start + length) : undefined;
  }

  /** As {@link atHand}, fetching what is not. `length` is some KiB at most. */
  async bytes(position: number, length: number): Promise<Buffer> {
    const there = this.atHand(position, length);
    if (there) return there;
    const parts: Buffer[] = [];
    for (let at = position; at < position + length; ) {
      const index = Math.floor(at / PAGE_BYTES);
      const start = index * PAGE_BYTES;
      const end = Math.min(position + length, start + PAGE_BYTES);
      parts.push((await this.#page(index)).subarray(at - start, end - start));
      at = end;
    }
    return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
  }

  /** @throws EdgeError `E_MODEL_CORRUPT` once there were more values than any header has. */
  countValues(count: number): void {
    this.#valuesRead += count;
    if (this.#valuesRead > VALUE_LIMIT) throw this.corrupt(`a header of at most ${VALUE_LIMIT} values`, 'more');
  }

  /** @throws EdgeError `E_MODEL_CORRUPT` when the file does not have these bytes. */
  requireBytes(position: number, length: number): void {
    if (position >= 0 && length >= 0 && position + length <= this.size) return;
    throw this.corrupt(`a whole file, with bytes ${position} to ${position + length}`, `an end after ${this.size} bytes`);
  }

  /** The error of a file that is damaged. */
  corrupt(expected: string, found: string): EdgeError {
    return new EdgeError('E_MODEL_CORRUPT', {
      what: `${this.name} is damaged or not complete`,
      expected,
      found,
      hint: 'Fetch the file again: it was cut or changed on its way.',
    });
  }

  /** The error of a file that is something else. */
  wrongFormat(expected: string, found: string, hint?: string): EdgeError {
    return new EdgeError('E_MODEL_FORMAT', { what: `cannot use ${this.name}`, expected, found, ...(hint ? { hint } : {}) });
  }

  async #page(index: number): Promise<Buffer> {
    const kept = this.#pages.get(index);
    if (kept) return kept;
    const goesBack = index === this.#lastRead.start - 1;
    this.#run = goesBack || index === this.#lastRead.end ? Math.min(2 * this.#run, LONGEST_RUN) : 1;
    // FlatBuffers writers begin at the end of the file.
    const start = goesBack ? Math.max(0, index + 1 - this.#run) : index;
    await this.#read(start, goesBack ? index + 1 : start + this.#run);
    return this.#pages.get(index) as Buffer;
  }

  /** Pages from `start` up to `end`. */
  async #read(start: number, end: number): Promise<void> {
    const offset = start * PAGE_BYTES;
    const length = Math.min(end * PAGE_BYTES, this.size) - offset;
    this.#bytesRead += length;
    if (this.#bytesRead > HEADER_LIMIT_BYTES) throw this.corrupt(`a header within ${formatBytes(HEADER_LIMIT_BYTES)}`, 'a longer one');
    const read = await this.#source.read(offset, length);
    this.#lastRead = { start, end };
    for (let at = 0; at < length; at += PAGE_BYTES) this.#keep((offset + at) / PAGE_BYTES, read.subarray(at, at + PAGE_BYTES));
  }

  #keep(index: number, page: Buffer): void {
    this.#pages.set(index, page);
    const oldest = this.#pages.keys().next();
    if (this.#pages.size > KEPT_PAGES && !oldest.done) this.#pages.delete(oldest.value);
  }
}
