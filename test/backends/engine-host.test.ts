/** What a caller of the main process meets when the engine's process crashes, hangs, idles or is stopped. */
import { writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import type { EngineHost, EngineHostOptions } from '#edge/backends/engine-host.ts';
import { LEAK_BYTES } from '#edge/backends/fake/fake-faults.ts';
import type { Progress } from '#edge/contracts/progress.ts';
import { collect } from '#test/contract/backend.contract.ts';
import { EngineHosts } from '#test/support/engine-hosts.ts';
import { expectCode } from '#test/support/expect-code.ts';
import { fakeSpec } from '#test/support/fake-model.ts';

const hosts = new EngineHosts();
afterEach(() => hosts[Symbol.asyncDispose]());

const setUp = (more: Partial<EngineHostOptions> = {}) => hosts.open({ spec: fakeSpec(), deadlineMs: 20_000, ...more });

const say = (host: EngineHost, prompt: string, maxTokens = 8, signal?: AbortSignal) =>
  collect(host.generate({ model: 'fake-model', prompt, maxTokens }, signal ? { signal } : {}));

const isAlive = (pid: number | undefined): boolean => {
  try {
    return pid !== undefined && process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe('starting', () => {
  it('starts with the first call, once for all who call at that time', async () => {
    const { host, events } = setUp();
    expect(host.status).toEqual({ state: 'stopped', pid: undefined, residentBytes: 0, active: 0, crashes: 0 });
    const calls = [
      say(host, 'one'),
      say(host, 'two'),
      host.embed({ model: 'fake-model', texts: ['three'], purpose: 'plain' }),
      host.load(),
    ];
    expect(host.status.active).toBe(4);
    await Promise.all(calls);
    expect(events).toEqual(['engine loaded']);
    expect(host.status).toMatchObject({ state: 'ready', active: 0, crashes: 0, info: { backend: 'fake', model: 'fake-model' } });
    expect(host.status.residentBytes).toBeGreaterThan(10_000_000);
    expect(host.status.pid).not.toBe(process.pid);
  });

  it('tells how far loading is', async () => {
    const seen: Progress[] = [];
    await setUp().host.load({ onProgress: (progress) => seen.push(progress) });
    expect(seen).toEqual([{ label: 'loading fake-model', done: 1, total: 1, unit: 'steps' }]);
  });

  it('does not let one who gives up waiting stop the load of the others', async () => {
    const { host } = setUp();
    const controller = new AbortController();
    const impatient = host.load({ signal: controller.signal });
    const patient = say(host, 'hello');
    controller.abort();
    await expectCode(impatient, 'E_CANCELLED');
    expect((await patient).end.finishReason).toBe('length');
  });

  it('passes the error of a bad model on, and loads the file when it has been mended', async () => {
    const spec = fakeSpec('123 456');
    const { host, crashes } = setUp({ spec });
    await expectCode(say(host, 'hello'), 'E_MODEL_CORRUPT');
    writeFileSync(spec.stored.files.weights ?? '', 'now it has words');
    expect((await say(host, 'hello')).text.length).toBeGreaterThan(0);
    expect(crashes).toEqual([]);
  });
});

describe('a crash', () => {
  it('fails exactly the calls whose answer had begun; the next one starts the engine again', async () => {
    const { host, crashes } = setUp();
    await say(host, 'before');
    const first = host.status.pid;
    const slow = say(host, 'a [slow] one', 200);
    const crashing = say(host, 'now a [slow] [crash]', 200);
    await expectCode(crashing, 'E_ENGINE_CRASHED');
    const error = await expectCode(slow, 'E_ENGINE_CRASHED');
    expect(error.retryable).toBe(true);
    expect(error.message).toContain('SIGKILL');
    expect((await say(host, 'after')).text.length).toBeGreaterThan(0);
    expect(host.status.pid).not.toBe(first);
    expect(host.status.crashes).toBe(1);
    expect(crashes).toHaveLength(1);
    expect(crashes[0]).toMatchObject({
      exit: { pid: first, signal: 'SIGKILL', unexpected: true },
      spec: { stored: { model: 'fake-model' } },
    });
  });

  it('by kill -9 while it streams: what was said arrives, then the error', async () => {
    const { host } = setUp();
    let text = '';
    const reading = (async () => {
      for await (const part of host.generate({ model: 'fake-model', prompt: 'a [slow] one', maxTokens: 200 })) {
        if (part.type !== 'text-delta') continue;
        text += part.text;
        if (text.length > 8 && host.status.pid) process.kill(host.status.pid, 'SIGKILL');
      }
    })();
    await expectCode(reading, 'E_ENGINE_CRASHED');
    expect(text.length).toBeGreaterThan(8);
    expect((await say(host, 'after')).end.finishReason).toBe('length');
  });

  it('between two calls is told, and not noticed by the next', async () => {
    const { host, crashes } = setUp();
    await host.load();
    process.kill(host.status.pid as number, 'SIGKILL');
    await expect.poll(() => crashes.length).toBe(1);
    expect((await say(host, 'after')).text.length).toBeGreaterThan(0);
  });

  it('that the calls of all kinds meet before it is known is repaired behind them', async () => {
    const { host, crashes, events } = setUp();
    await host.load();
    process.kill(host.status.pid as number, 'SIGKILL');
    const x = { dtype: 'float32', shape: [1, 4], data: new Float32Array(4) } as const;
    const answers = await Promise.all([
      say(host, 'one'),
      host.embed({ model: 'fake-model', texts: ['two'], purpose: 'plain' }),
      host.score({ model: 'fake-model', query: 'three', texts: ['four'] }),
      host.runTensors({ model: 'fake-model', inputs: { x } }),
      ...Array.from({ length: 50 }, (_, i) => say(host, `call ${i}`)),
    ]);
    expect(answers).toHaveLength(54);
    expect(crashes).toHaveLength(1);
    expect(events.filter((event) => event === 'engine call repeated on a new child')).toHaveLength(54);
    expect(events.filter((event) => event === 'engine loaded')).toHaveLength(2);
  });

  it('before the first word of an answer is repaired, and the answer begins once', async () => {
    const { host, crashes } = setUp();
    await host.load();
    const seen: string[] = [];
    for await (const part of host.generate({ model: 'fake-model', prompt: 'a [slow] one', maxTokens: 8 })) {
      seen.push(part.type);
      if (part.type === 'text-start') process.kill(host.status.pid as number, 'SIGKILL');
    }
    expect(crashes).toHaveLength(1);
    expect(seen.filter((type) => type === 'text-start')).toHaveLength(1);
    expect(seen.at(-1)).toBe('response-end');
  });

  it('by one call is repaired behind another whose answer had not begun; the guilty one fails after a second try', async () => {
    const { host, crashes } = setUp();
    await host.load();
    const bystander = host.embed({ model: 'fake-model', texts: Array.from({ length: 30 }, () => 'a [slow] one'), purpose: 'plain' });
    await expectCode(host.embed({ model: 'fake-model', texts: ['now [crash]'], purpose: 'plain' }), 'E_ENGINE_CRASHED');
    // Its own second try may have fallen to the second crash.
    const outcome = await bystander.then(({ vectors }) => vectors.length, String);
    expect([30, expect.stringContaining('SIGKILL')]).toContainEqual(outcome);
    expect(crashes).toHaveLength(2);
    expect((await say(host, 'after')).text.length).toBeGreaterThan(0);
  });

  it('again and again makes the engine wait before its next start', async () => {
    const { host, crashes } = setUp({ spec: fakeSpec('[crash] while loading') });
    for (let i = 0; i < 5; i++) await expectCode(say(host, 'hello'), 'E_ENGINE_CRASHED');
    const error = await expectCode(say(host, 'hello'), 'E_ENGINE_BACKOFF');
    expect(error.details?.retryAfterMs).toBeGreaterThan(0);
    expect(error.details?.retryAfterMs).toBeLessThanOrEqual(2000);
    expect(host.status.state).toBe('backoff');
    expect(crashes).toHaveLength(5);
    await expect.poll(() => host.status.state, { timeout: 5000 }).toBe('stopped');
    await expectCode(say(host, 'hello'), 'E_ENGINE_CRASHED');
    expect(crashes).toHaveLength(6);
  });
});

describe('a hang', () => {
  it('ends at the deadline, and the child is killed', async () => {
    const { host, crashes, events } = setUp({ deadlineMs: 1500, cancelGraceMs: 300 });
    await host.load();
    const { pid } = host.status;
    await expectCode(say(host, 'now [hang]'), 'E_DEADLINE');
    await expect.poll(() => crashes.length, { timeout: 5000 }).toBe(1);
    expect(isAlive(pid)).toBe(false);
    expect(events).toContain('engine worked on after a cancellation');
    expect((await say(host, 'after')).text.length).toBeGreaterThan(0);
  });

  it('without a deadline is noticed by the missing heartbeat', async () => {
    const { host } = setUp({ hangAfterMs: 2500 });
    await expectCode(say(host, 'now [hang]'), 'E_ENGINE_HUNG');
    expect((await say(host, 'after')).text.length).toBeGreaterThan(0);
  });

  it('that only ignores its cancellation is killed after the grace time; others in flight are told', async () => {
    const { host, crashes } = setUp({ cancelGraceMs: 300 });
    await host.load();
    const controller = new AbortController();
    const stalled = say(host, 'now [stall]', 8, controller.signal);
    const bystander = say(host, 'a [slow] one', 400);
    setTimeout(() => controller.abort(), 200);
    await expectCode(stalled, 'E_CANCELLED');
    await expectCode(bystander, 'E_ENGINE_HUNG');
    await expect.poll(() => crashes.length).toBe(1);
    expect((await say(host, 'after')).text.length).toBeGreaterThan(0);
  });

  it('while loading ends at the deadline', async () => {
    const { host, crashes } = setUp({ spec: fakeSpec('[stall] while loading'), deadlineMs: 1000, cancelGraceMs: 200 });
    await expectCode(host.load(), 'E_DEADLINE');
    await expect.poll(() => crashes.length).toBe(1);
  });
});

describe('a healthy cancellation', () => {
  it('leaves the child alive, by signal and by a reader who walks away', async () => {
    const { host, crashes } = setUp({ cancelGraceMs: 300 });
    await host.load();
    const { pid } = host.status;
    const controller = new AbortController();
    const call = say(host, 'a [slow] one', 400, controller.signal);
    setTimeout(() => controller.abort(), 150);
    await expectCode(call, 'E_CANCELLED');
    for await (const part of host.generate({ model: 'fake-model', prompt: 'a [slow] one', maxTokens: 400 })) {
      if (part.type === 'text-delta') break;
    }
    expect(host.status.active).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(crashes).toEqual([]);
    expect(host.status.pid).toBe(pid);
  });
});

describe('stopping', () => {
  it('when idle, and starting again with the next call', async () => {
    const { host, crashes } = setUp({ idleStopMs: 300 });
    await say(host, 'before');
    const { pid } = host.status;
    await expect.poll(() => host.status.pid, { timeout: 5000 }).toBeUndefined();
    expect(isAlive(pid)).toBe(false);
    expect(host.status.info).toBeUndefined();
    expect((await say(host, 'after')).text.length).toBeGreaterThan(0);
    expect(crashes).toEqual([]);
  });

  it('never while a call runs, however long', async () => {
    const { host } = setUp({ idleStopMs: 200 });
    const { end } = await say(host, 'a [slow] one', 60);
    expect(end.usage.completionTokens).toBe(60);
  });

  it('to give back what leaked, between two calls and never under one', { timeout: 60_000 }, async () => {
    const { host, crashes, events } = setUp({ maxResidentBytes: 2 * LEAK_BYTES });
    const embed = (text: string) => host.embed({ model: 'fake-model', texts: [text], purpose: 'plain' });
    await embed('before');
    const { pid } = host.status;
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const stream = say(host, 'a [slow] one', 100);
    for (let i = 0; i < 4; i++) expect((await embed('now [leak]')).vectors).toHaveLength(1);
    expect((await stream).end.usage.completionTokens).toBe(100);
    expect(host.status.residentBytes).toBeGreaterThan(4 * LEAK_BYTES);
    expect(host.status.pid).toBe(pid);
    // What a busy machine took for its size at rest may hold leaks already: then it takes more of them.
    for (let i = 0; i < 8 && host.status.pid === pid; i++) {
      await new Promise((resolve) => setTimeout(resolve, 2500));
      expect((await embed('now [leak]')).vectors).toHaveLength(1);
    }
    expect(host.status.pid).not.toBe(pid);
    expect(events).toContain('child recycled: memory grew');
    expect(crashes).toEqual([]);
  });

  it('not because its model needs more than was planned: a new child would need as much', async () => {
    const { host, events } = setUp({ maxResidentBytes: 1 });
    await say(host, 'before');
    const { pid } = host.status;
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect(host.status.pid).toBe(pid);
    expect(events).toEqual(['engine loaded']);
  });

  it('on request fails calls in flight as a shutdown, not as a crash', async () => {
    const { host, crashes } = setUp();
    await host.load();
    const { pid } = host.status;
    const call = say(host, 'a [slow] one', 400);
    const stopped = host[Symbol.asyncDispose]();
    await expectCode(call, 'E_SHUTTING_DOWN');
    await stopped;
    expect(isAlive(pid)).toBe(false);
    expect(crashes).toEqual([]);
  });

  it.each([0, 20, 150, 400])('while it starts or loads (after %i ms)', async (delayMs) => {
    const { host, crashes } = setUp({ spec: fakeSpec('[stall] while loading') });
    const loading = host.load();
    const outcome = expectCode(loading, 'E_SHUTTING_DOWN');
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    await host[Symbol.asyncDispose]();
    await outcome;
    expect(host.status).toMatchObject({ state: 'stopped', pid: undefined, active: 0 });
    expect(crashes).toEqual([]);
  });

  it('for good: a disposed host starts nothing', async () => {
    const { host } = setUp();
    await host[Symbol.asyncDispose]();
    await expectCode(say(host, 'after'), 'E_SHUTTING_DOWN');
    await expectCode(host.load(), 'E_SHUTTING_DOWN');
    expect(host.status.pid).toBeUndefined();
  });
});
