/** Times several ways to do the same thing fairly on a machine that others use too. */
import { median } from './report.ts';

/** Calls of one way before the next has its turn; the first of a turn finds cold caches and does not count. */
const CALLS_A_TURN = 8;

/**
 * Median milliseconds of a call of each way, called in turns so that what else the machine does meets all of them.
 * @param ms Time for all ways together.
 */
export async function timeInTurns<K extends string>(ways: Readonly<Record<K, () => Promise<unknown>>>, ms: number): Promise<Record<K, number>> {
  const times = Object.fromEntries(Object.keys(ways).map((name) => [name, []])) as unknown as Record<K, number[]>;
  for (const end = performance.now() + ms; performance.now() < end; ) {
    for (const [name, call] of Object.entries(ways) as [K, () => Promise<unknown>][]) {
      await call();
      for (let count = 0; count < CALLS_A_TURN; count++) {
        const start = performance.now();
        await call();
        times[name].push(performance.now() - start);
      }
    }
  }
  return Object.fromEntries(Object.entries<number[]>(times).map(([name, all]) => [name, median(all)])) as Record<K, number>;
}
