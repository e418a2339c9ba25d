import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createLogger } from '#edge/core/log.ts';
import { type ChildOptions, SupervisedChild } from '#edge/core/process/child.ts';
import type { ChildExit } from '#edge/core/process/child-exit.ts';
import { expectCode } from '#test/support/expect-code.ts';
import type { TestChildMethods, TestParentMethods } from './test-child.ts';

type Child = SupervisedChild<TestChildMethods, TestParentMethods>;

const entry = fileURLToPath(new URL('./test-child.ts', import.meta.url));
const children: Child[] = [];

function setUp(more: Partial<ChildOptions<TestParentMethods>> = {}): { child: Child; exits: ChildExit[]; lines: string[] } {
  const exits: ChildExit[] = [];
  const lines: string[] = [];
  const child: Child = new SupervisedChild<TestChildMethods, TestParentMethods>({
    name: 'test child',
    entry,
    env: process.env,
    handlers: { double: async (value) => value * 2 },
    onExit: (exit) => exits.push(exit),
    log: createLogger({ level: 'debug', format: 'json', write: (line) => lines.push(line) }),
    ...more,
  });
  children.push(child);
  return { child, exits, lines };
}

afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => child.stop()));
});

describe('a supervised child', () => {
  it('answers calls, streams in order, and calls back', async () => {
    const { child } = setUp();
    const vectors = { f: new Float32Array([1, 2]), b: new BigInt64Array([3n]), nested: [{ a: undefined }] };
    expect(await child.lease((peer) => peer.call('echo', vectors))).toEqual(vectors);
    expect(await Array.fromAsync(child.leaseStream((peer) => peer.stream('count', { to: 2000, pauseMs: 0 })))).toEqual(
      Array.from({ length: 2000 }, (_, i) => i + 1),
    );
    expect(await child.lease((peer) => peer.call('askParent', 21))).toBe(42);
    expect(child.state).toBe('ready');
    expect(child.residentBytes).toBeGreaterThan(10_000_000);
  });

  it('gets the given environment and nothing else', async () => {
    const { child } = setUp({ env: { PATH: process.env.PATH, NEARSIDE_TEST: 'yes' } });
    expect(await child.lease((peer) => peer.call('environment', 'NEARSIDE_TEST'))).toBe('yes');
    expect(await child.lease((peer) => peer.call('environment', 'HOME'))).toBeUndefined();
  });

  it('passes errors on with code and details, and uncoded ones as internal', async () => {
    const { child } = setUp();
    const error = await expectCode(
      child.lease((peer) => peer.call('fail', 'coded')),
      'E_NOT_FOUND',
    );
    expect(error.details).toEqual({ here: 1 });
    await expectCode(
      child.lease((peer) => peer.call('fail', 'plain')),
      'E_INTERNAL',
    );
    expect(await child.lease((peer) => peer.call('echo', 1))).toBe(1);
  });

  it('starts once for all who call at that time', async () => {
    const { child, lines } = setUp();
    await Promise.all([1, 2, 3, 4].map((value) => child.lease((peer) => peer.call('echo', value))));
    expect(lines.filter((line) => line.includes('child started'))).toHaveLength(1);
  });

  it('reports how it ended, with its last words', async () => {
    const { child, exits } = setUp();
    const error = await expectCode(
      child.lease((peer) => peer.call('exit', 7)),
      'E_ENGINE_CRASHED',
    );
    expect(error.message).toContain('exit code 7');
    expect(exits).toMatchObject([{ code: 7, signal: null, unexpected: true, stderrTail: 'last words' }]);
    expect(child.crashes).toBe(1);
    expect(await child.lease((peer) => peer.call('echo', 'again'))).toBe('again');
  });

  it('logs again what the child logged, and shows the rest at debug level', async () => {
    const { child, lines } = setUp();
    const line = JSON.stringify({ time: new Date(0).toISOString(), level: 'warn', event: 'battery low', percent: 3 });
    await child.lease((peer) => peer.call('write', `${line}\nplain words\n{"time": torn\n`));
    await expect.poll(() => lines.length).toBeGreaterThanOrEqual(4);
    const events = lines.map((text) => JSON.parse(text) as Record<string, unknown>);
    expect(events).toContainEqual(expect.objectContaining({ level: 'warn', event: 'battery low', percent: 3, child: 'test child' }));
    expect(events).toContainEqual(expect.objectContaining({ level: 'debug', event: 'child wrote', text: 'plain words' }));
    expect(events).toContainEqual(expect.objectContaining({ level: 'debug', event: 'child wrote', text: '{"time": torn' }));
  });

  it('outlives a jump of the wall clock, as a board without a battery makes when it learns the time', async () => {
    const { child, exits } = setUp({ hangAfterMs: 30_000, idleStopMs: 600_000 });
    const peer = await child.start();
    const dayLater = Date.now() + 24 * 3600 * 1000;
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => dayLater);
    try {
      await new Promise((resolve) => setTimeout(resolve, 1500));
    } finally {
      clock.mockRestore();
    }
    expect(exits).toEqual([]);
    expect(await peer.call('echo', 'here')).toBe('here');
  });

  it('is not taken for hung by a parent that itself stood still', async () => {
    const { child, exits } = setUp({ hangAfterMs: 2000 });
    const peer = await child.start();
    await peer.call('sleep', 500);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3000);
    expect(await peer.call('echo', 'here')).toBe('here');
    expect(exits).toEqual([]);
  });

  it('leaves it to its parent when it ends: signals to the whole group do not end it', async () => {
    const { child, exits } = setUp();
    const peer = await child.start();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(child.pid as number, signal);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await peer.call('echo', 'here')).toBe('here');
    expect(exits).toEqual([]);
  });

  it('that never connects is killed after the start time', async () => {
    const { child, exits } = setUp({ args: ['--never-connect'], startTimeoutMs: 700 });
    await expectCode(child.start(), 'E_ENGINE_HUNG');
    await expect.poll(() => exits.length).toBe(1);
    expect(exits[0]?.signal).toBe('SIGKILL');
  });

  it('whose module is missing fails the start; what Node said is in the log, not in the error', async () => {
    const { child, exits } = setUp({ entry: `${entry}.none` });
    const error = await expectCode(child.start(), 'E_ENGINE_CRASHED');
    expect(error.details).toEqual({ code: 1, signal: null });
    expect(exits[0]?.stderrTail).toContain('Cannot find module');
  });

  it.each([
    ['at once', []],
    ['while it streams without a pause', ['--busy']],
    ['also when its own end hangs', ['--end-hangs']],
  ])('ends when its parent is killed, %s', { timeout: 20_000 }, async (_, args) => {
    const script = `
      import { SupervisedChild } from ${JSON.stringify(new URL('../../../edge/core/process/child.ts', import.meta.url).href)};
      const child = new SupervisedChild({ name: 'orphan', entry: ${JSON.stringify(entry)}, args: ${JSON.stringify(args)}, env: process.env, handlers: {} });
      const peer = await child.start();
      process.stdout.write(String(child.pid));
      if (${args.includes('--busy')}) for await (const _ of peer.stream('count', { to: 1e9, pauseMs: 0 })) { }
    `;
    const parent = spawn(process.execPath, ['--input-type=module', '--disable-warning=ExperimentalWarning', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [pid] = (await once(parent.stdout.setEncoding('utf8'), 'data')) as [string];
    expect(process.kill(Number(pid), 0)).toBe(true);
    parent.kill('SIGKILL');
    await expect.poll(() => isAlive(Number(pid)), { timeout: 15_000 }).toBe(false);
  });
});

describe('cancelling a call', () => {
  it('fails the caller at once, aborts the handler, and tells when the other side is done', async () => {
    const { child } = setUp();
    const peer = await child.start();
    const controller = new AbortController();
    let settled = false;
    const call = peer.call('sleep', 10_000, { signal: controller.signal, onSettled: () => (settled = true) });
    controller.abort();
    await expectCode(call, 'E_CANCELLED');
    expect(settled).toBe(false);
    await expect.poll(() => settled).toBe(true);
  });

  it('does nothing to a call that has ended', async () => {
    const { child } = setUp();
    const peer = await child.start();
    const controller = new AbortController();
    expect(await peer.call('sleep', 1, { signal: controller.signal })).toBe('slept');
    controller.abort();
    expect(await peer.call('echo', 'fine')).toBe('fine');
  });

  it('by leaving the loop over a stream stops the stream', async () => {
    const { child } = setUp();
    let settled = false;
    const seen: number[] = [];
    const stream = child.leaseStream((peer) => peer.stream('count', { to: 1000, pauseMs: 5 }, { onSettled: () => (settled = true) }));
    for await (const number of stream) if (seen.push(number) === 3) break;
    expect(child.active).toBe(0);
    await expect.poll(() => settled).toBe(true);
    expect(seen).toEqual([1, 2, 3]);
  });
});

describe('killing and stopping', () => {
  it('a kill fails calls with its reason and counts as a crash', async () => {
    const { child, exits } = setUp();
    const { EdgeError } = await import('#edge/core/errors.ts');
    const call = child.lease((peer) => peer.call('sleep', 10_000));
    const outcome = expectCode(call, 'E_ENGINE_HUNG');
    await child.start();
    child.kill(new EdgeError('E_ENGINE_HUNG', { what: 'test' }));
    await outcome;
    await expect.poll(() => exits.length).toBe(1);
    expect(exits[0]).toMatchObject({ signal: 'SIGKILL', unexpected: true });
    expect(await child.lease((peer) => peer.call('echo', 'again'))).toBe('again');
  });

  it('a child that is deaf to the end of its channel is killed at the deadline', async () => {
    const { child, exits } = setUp({ args: ['--never-connect'] });
    const starting = expectCode(child.start(), 'E_SHUTTING_DOWN');
    await new Promise((resolve) => setTimeout(resolve, 300));
    await child.stop(200);
    await starting;
    expect(exits).toMatchObject([{ signal: 'SIGKILL', unexpected: false }]);
  });

  it('a stop meant for the child that is to come stops that one', async () => {
    const { child } = setUp();
    await child.start();
    const first = child.stop();
    const next = child.start();
    const outcome = expectCode(next, 'E_SHUTTING_DOWN');
    await Promise.all([first, child.stop()]);
    await outcome;
    expect(child.pid).toBeUndefined();
  });
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
