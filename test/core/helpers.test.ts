import { describe, expect, it } from 'vitest';
import { abortError, withDeadline } from '#edge/core/abort.ts';
import { AsyncQueue } from '#edge/core/async-queue.ts';
import { sleep } from '#edge/core/clock.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { formatBytes, formatDuration } from '#edge/core/format.ts';
import { deepFreeze } from '#edge/core/freeze.ts';
import { newId } from '#edge/core/ids.ts';
import { createLogger } from '#edge/core/log.ts';
import { backoffMs } from '#edge/core/retry.ts';

describe('abort', () => {
  it('keeps a coded reason and codes any other', () => {
    const coded = new EdgeError('E_SHUTTING_DOWN', { what: 'stopping' });
    expect(abortError(AbortSignal.abort(coded))).toBe(coded);
    expect(abortError(AbortSignal.abort()).code).toBe('E_CANCELLED');
  });

  it('fires a deadline as E_DEADLINE', async () => {
    using deadline = withDeadline(5, 'slow thing');
    await new Promise((resolve) => deadline.signal.addEventListener('abort', resolve));
    expect(abortError(deadline.signal).code).toBe('E_DEADLINE');
  });

  it('wakes a sleeper that is aborted', async () => {
    const controller = new AbortController();
    const sleeping = sleep(60_000, controller.signal);
    controller.abort();
    await expect(sleeping).rejects.toMatchObject({ code: 'E_CANCELLED' });
    await expect(sleep(60_000, AbortSignal.abort())).rejects.toMatchObject({ code: 'E_CANCELLED' });
  });
});

describe('AsyncQueue', () => {
  it('gives items in order, then the error', async () => {
    const queue = new AsyncQueue<number>();
    queue.push(1);
    setTimeout(() => {
      queue.push(2);
      queue.fail(new EdgeError('E_BUSY', { what: 'full' }));
      queue.push(3);
    });
    const seen: number[] = [];
    await expect(
      (async () => {
        for await (const item of queue) seen.push(item);
      })(),
    ).rejects.toMatchObject({ code: 'E_BUSY' });
    expect(seen).toEqual([1, 2]);
  });
});

describe('back-off', () => {
  it('grows by two, stays within half and full, and stops at the cap', () => {
    const fixed = { initialMs: 100, maxMs: 1000, random: () => 1 };
    expect([0, 1, 2, 3, 4, 40].map((attempt) => backoffMs(attempt, fixed))).toEqual([100, 200, 400, 800, 1000, 1000]);
    expect(backoffMs(2, { ...fixed, random: () => 0 })).toBe(200);
  });
});

describe('formats and ids', () => {
  it('writes bytes and durations for people', () => {
    expect(formatBytes(98_362_432)).toBe('93.8 MiB');
    expect(formatBytes(512)).toBe('512 B');
    expect(formatDuration(83_000)).toBe('1 min 23 s');
    expect(formatDuration(950)).toBe('950 ms');
    expect(formatDuration(59_990)).toBe('1 min 0 s');
    expect(formatDuration(119_700)).toBe('2 min 0 s');
  });

  it('makes ids that differ', () => {
    const ids = new Set(Array.from({ length: 1000 }, () => newId('req')));
    expect(ids.size).toBe(1000);
    expect([...ids][0]).toMatch(/^req_[0-9a-f]{24}$/);
  });

  it('freezes deeply', () => {
    const value = deepFreeze({ a: { b: [1, { c: 2 }] } });
    expect(() => {
      (value.a.b[1] as { c: number }).c = 3;
    }).toThrow(TypeError);
  });
});

describe('logger', () => {
  const lines: string[] = [];
  const now = (): number => Date.UTC(2026, 0, 2, 3, 4, 5);

  it('writes one JSON object a line, with errors as data and the fields of its parents', () => {
    lines.length = 0;
    const log = createLogger({ level: 'info', format: 'json', write: (line) => lines.push(line), now }).child({ part: 'store' });
    log.debug('unseen');
    log.warn('backend fell back', { error: new EdgeError('E_BUSY', { what: 'full' }) });
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] as string)).toMatchObject({
      time: '2026-01-02T03:04:05.000Z',
      level: 'warn',
      event: 'backend fell back',
      part: 'store',
      error: { code: 'E_BUSY' },
    });
  });

  it('quotes foreign text for people', () => {
    lines.length = 0;
    createLogger({ level: 'info', format: 'pretty', write: (line) => lines.push(line), now }).info('file read', {
      path: '/a/b',
      title: 'two\nlines',
    });
    expect(lines[0]).toBe('03:04:05 info  file read  path=/a/b  title="two\\nlines"\n');
  });
});
