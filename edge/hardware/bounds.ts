/** More logical cores than any machine has that this program runs on: beyond it a file holds nonsense. */
export const MOST_CORES = 8192;

/** 256 TiB: more memory than any machine has that this program runs on. */
export const MOST_MEMORY_BYTES = 2 ** 48;

/** The number when it is a whole one from 1 to `most`. */
export function inBounds(value: number, most: number): number | undefined {
  return Number.isInteger(value) && value >= 1 && value <= most ? value : undefined;
}
