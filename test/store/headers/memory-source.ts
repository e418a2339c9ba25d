import type { ByteSource } from '#edge/store/headers/byte-source.ts';

/** A file in memory that counts what is read of it. */
export class MemorySource implements ByteSource {
  readonly name: string;
  readonly size: number;
  bytesRead = 0;
  readonly #bytes: Buffer;

  /** @param size Bytes that the file has beyond those at hand; the rest reads as zeros. */
  constructor(bytes: Buffer, { name = 'model.gguf', size = bytes.length }: { name?: string; size?: number } = {}) {
    this.name = name;
    this.size = size;
    this.#bytes = bytes;
  }

  async read(offset: number, length: number): Promise<Buffer> {
    this.bytesRead += length;
    const read = Buffer.alloc(length);
    this.#bytes.copy(read, 0, offset, offset + length);
    return read;
  }
}
