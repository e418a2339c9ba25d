/** Seeded chance. Only integer arithmetic and the four basic operations, so that a seed gives the same bytes everywhere. */
export interface Random {
  /** In [0, 1). */
  next(): number;
  /** Whole, in [low, high]. */
  integer(low: number, high: number): number;
  /** True with this probability. */
  chance(probability: number): boolean;
  /** One item; the list must not be empty. */
  pick<T>(items: readonly T[]): T;
  /** Near to the standard normal distribution, in (-6, 6). */
  normal(): number;
  /** An independent stream that depends on the seed and the label alone, so that one table can change without the others. */
  fork(label: string): Random;
}

/** `mulberry32` of Tommy Ettinger (public domain): 32 bits of state, period 2^32. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const integer = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  return {
    next,
    integer,
    chance: (probability) => next() < probability,
    pick: <T>(items: readonly T[]): T => items[integer(0, items.length - 1)] as T,
    // Sum of twelve uniform draws (Irwin-Hall): variance 1 without a transcendental function.
    normal: () => Array.from({ length: 12 }, next).reduce((sum, draw) => sum + draw, -6),
    fork: (label) => createRandom(hashLabel(seed, label)),
  };
}

/** FNV-1a, 32 bits. */
function hashLabel(seed: number, label: string): number {
  let hash = 0x811c9dc5 ^ seed;
  for (const character of label) hash = Math.imul(hash ^ (character.codePointAt(0) as number), 0x01000193);
  return hash >>> 0;
}
