/** A file that is read in pieces, wherever it lies. */
export interface ByteSource {
  /** What messages call it: a path, or an address without its query. */
  readonly name: string;
  /** Bytes of the whole file. */
  readonly size: number;
  /**
   * Bytes `offset` to `offset + length`, which lie within `size`.
   * @throws EdgeError when they cannot be read.
   */
  read(offset: number, length: number): Promise<Buffer>;
}
