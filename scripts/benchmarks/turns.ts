/** Times several ways to do the same thing fairly on a machine that others use too. */
import { median } from './report.ts';

/** Calls of one way before the next has its turn. */
export const CALLS_A_TURN = 8;

/** One turn of a way: the milliseconds of {@link CALLS_A_TURN} calls, after one more that finds cold caches and does not count. */
export type Turn = () => Promise<readonly number[]>;

export function turnOf(call: () => Promise<unknown>): Turn {
  return async () => {
    await call();
    const times: number[] = [];
    for (let count = 0; count < CALLS_A_TURN; count++) {
      const start = performance.now();
      await call();
      times.push(performance.now() - start);
    }
    return times;
  };
}

/**
 * Median milliseconds of a call of each way, called in turns so that what else the machine does meets all of them.
 * @param ms Time for all ways together; each has one turn at least.
 */
export async function timeInTurns<K extends string>(ways: Readonly<Record<K, Turn>>, ms: number): Promise<Record<K, number>> {
  const entries = (Object.entries(ways) as [K, Turn][]).map(([name, turn]) => ({ name, turn, times: [] as number[] }));
  const end = performance.now() + ms;
  do {
    for (const { turn, times } of entries) times.push(...(await turn()));
  } while (performance.now() < end);
  return Object.fromEntries(entries.map(({ name, times }) => [name, median(times)])) as Record<K, number>;
}
