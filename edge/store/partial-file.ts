import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { EdgeError } from '#edge/core/errors.ts';
import { removeAll } from './disk.ts';

/** A file while it arrives. Its SHA-256 is computed on the way, so that a finished download need not be read again. */
export class PartialFile {
  readonly path: string;
  /** Most bytes it may take; more is the wrong file. */
  readonly #limit: number;
  readonly #handle: FileHandle;
  #hash: Hash;
  #size: number;

  private constructor(path: string, limit: number, handle: FileHandle, hash: Hash, size: number) {
    this.path = path;
    this.#limit = limit;
    this.#handle = handle;
    this.#hash = hash;
    this.#size = size;
  }

  /** Opens the file, keeping the bytes an earlier attempt left. */
  static async open(path: string, limit: number): Promise<PartialFile> {
    const handle = await open(path, 'a+');
    const { hash, size } = await readHash(path);
    return new PartialFile(path, limit, handle, hash, size);
  }

  /** Beside the file: where its bytes come from and which version of it they are. */
  get originPath(): string {
    return `${this.path}.origin`;
  }

  /** Bytes so far. */
  get size(): number {
    return this.#size;
  }

  /** @throws EdgeError `E_HASH_MISMATCH` once there are more bytes than the card names. */
  async append(chunk: Uint8Array): Promise<void> {
    if (this.#size + chunk.length > this.#limit) {
      throw new EdgeError('E_HASH_MISMATCH', {
        what: 'the source sent another file',
        expected: `${this.#limit} bytes`,
        found: 'more',
      });
    }
    for (let written = 0; written < chunk.length; ) written += (await this.#handle.write(chunk, written)).bytesWritten;
    this.#hash.update(chunk);
    this.#size += chunk.length;
  }

  /** Takes as its bytes what another process wrote to {@link path}. */
  async adopt(): Promise<void> {
    const { hash, size } = await readHash(this.path);
    this.#hash = hash;
    this.#size = size;
  }

  /** Drops all bytes. */
  async reset(): Promise<void> {
    await this.#handle.truncate(0);
    this.#hash = createHash('sha256');
    this.#size = 0;
  }

  /** Brings the bytes to the disk and returns their SHA-256 in hex. */
  async finish(): Promise<string> {
    await this.#handle.sync();
    return this.#hash.copy().digest('hex');
  }

  /** Removes the file and what is remembered of it. */
  async discard(): Promise<void> {
    await removeAll(this.path);
    await removeAll(this.originPath);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}

async function readHash(path: string): Promise<{ readonly hash: Hash; readonly size: number }> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of createReadStream(path)) {
    hash.update(chunk as Buffer);
    size += (chunk as Buffer).length;
  }
  return { hash, size };
}
