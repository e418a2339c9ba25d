import { describe, expect, it } from 'vitest';
import { CALLS_A_TURN, timeInTurns, turnOf } from '../../scripts/benchmarks/turns.ts';

describe('timeInTurns', () => {
  it('gives each way its turn, even in no time, and tells medians', async () => {
    const turns: string[] = [];
    const way = (name: string, times: readonly number[]) => async () => {
      turns.push(name);
      return times;
    };
    expect(await timeInTurns({ a: way('a', [1, 90, 2]), b: way('b', [5]) }, 0)).toEqual({ a: 2, b: 5 });
    expect(turns).toEqual(['a', 'b']);
  });
});

describe('turnOf', () => {
  it('leaves the first call out', async () => {
    let calls = 0;
    expect(await turnOf(async () => calls++)()).toHaveLength(CALLS_A_TURN);
    expect(calls).toBe(CALLS_A_TURN + 1);
  });

  it('fails as the call does', async () => {
    await expect(turnOf(() => Promise.reject(new RangeError('no')))()).rejects.toThrow(RangeError);
  });
});
