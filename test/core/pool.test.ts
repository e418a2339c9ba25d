import { describe, expect, it } from 'vitest';
import { Pool } from '#edge/core/pool.ts';
import { expectCode } from '#test/support/expect-code.ts';

describe('Pool', () => {
  it('lends each item once, the chosen one first, and serves those who wait in order', async () => {
    const pool = new Pool(['a', 'b']);
    const first = await pool.acquire(undefined, (free) => free.indexOf('b'));
    const second = await pool.acquire();
    expect([first.item, second.item]).toEqual(['b', 'a']);
    const served: string[] = [];
    const third = pool.acquire().then((lease) => served.push(`third ${lease.item}`));
    const fourth = pool.acquire().then((lease) => served.push(`fourth ${lease.item}`));
    second[Symbol.dispose]();
    second[Symbol.dispose]();
    await third;
    expect(served).toEqual(['third a']);
    first[Symbol.dispose]();
    await fourth;
    expect(served).toEqual(['third a', 'fourth b']);
  });

  it('forgets those who give up waiting', async () => {
    const pool = new Pool(['a']);
    const held = await pool.acquire();
    const controller = new AbortController();
    const impatient = pool.acquire(controller.signal);
    const patient = pool.acquire();
    controller.abort();
    await expectCode(impatient, 'E_CANCELLED');
    held[Symbol.dispose]();
    expect((await patient).item).toBe('a');
    await expectCode(pool.acquire(AbortSignal.abort()), 'E_CANCELLED');
  });
});
