import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { parseBuildProgress, stepRunner } from '#edge/builds/run-step.ts';
import { expectCode } from '#test/support/expect-code.ts';
import { makeHome } from '#test/support/home.ts';

function runner(signal?: AbortSignal): { readonly run: ReturnType<typeof stepRunner>; readonly text: () => string } {
  const chunks: string[] = [];
  const log = new Writable({
    write: (chunk, _encoding, done) => {
      chunks.push(String(chunk));
      done();
    },
  });
  return { run: stepRunner({ environment: process.env, log, logPath: '/the/build.log', signal }), text: () => chunks.join('') };
}

describe('a step', () => {
  it('writes command and output to the log, tells each line, and runs at the lowest priority', async () => {
    const { run, text } = runner();
    const lines: string[] = [];
    await run('sh', ['-c', 'echo one; echo two >&2; nice'], 'trying', (line) => lines.push(line));
    expect(lines.toSorted()).toEqual(['19', 'one', 'two']);
    expect(text()).toContain('$ sh -c echo one');
    expect(text()).toContain('two\n');
  });

  it('fails with the line that says why, and where the log is', async () => {
    const { run } = runner();
    const script = 'echo building; echo "x.cpp:3: error: no member"; echo "ninja: build stopped"; exit 3';
    const error = await expectCode(run('sh', ['-c', script], 'building llama.cpp'), 'E_BUILD_FAILED');
    expect(error.message).toContain('x.cpp:3: error: no member');
    expect(error.hint).toContain('/the/build.log');
    expect(error.details).toMatchObject({ end: '3' });
  });

  it('fails when the program is not there, or is killed', async () => {
    const { run } = runner();
    await expectCode(run('no-such-program', [], 'trying'), 'E_BUILD_FAILED');
    const error = await expectCode(run('sh', ['-c', 'kill -9 $$'], 'trying'), 'E_BUILD_FAILED');
    expect(error.details).toMatchObject({ end: 'SIGKILL' });
  });

  it('ends with all its children when it is cancelled, even those that do not listen', async () => {
    const pidFile = join(makeHome({ models: false }), 'pid');
    const stop = new AbortController();
    const { run } = runner(stop.signal);
    // The grandchild ignores the request to end.
    const script = `(trap '' TERM; echo $$ > /dev/null; sh -c 'trap "" TERM; echo $$ > ${pidFile}; sleep 600' & wait) `;
    const cancelled = expectCode(run('sh', ['-c', script], 'trying'), 'E_CANCELLED');
    let pid = 0;
    while (pid === 0) {
      await sleep(20);
      pid = Number(await readFile(pidFile, 'utf8').catch(() => ''));
    }
    expect(() => process.kill(pid, 0)).not.toThrow();
    stop.abort();
    await cancelled;
    expect(await stateOf(pid)).toMatch(/gone|Z/);
  });

  it('does not begin once it is cancelled', async () => {
    const { run, text } = runner(AbortSignal.abort());
    await expectCode(run('sh', ['-c', 'echo began'], 'trying'), 'E_CANCELLED');
    expect(text()).toBe('');
  });
});

/** State letter of a process; a killed orphan may wait for its parent to notice. */
async function stateOf(pid: number): Promise<string> {
  try {
    process.kill(pid, 0);
  } catch {
    return 'gone';
  }
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') gone');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[0] ?? '';
}

describe('progress', () => {
  it('is read from ninja and make, and from no other line', () => {
    expect(parseBuildProgress('[12/148] Building CXX object a.cpp.o')).toEqual({ done: 12, total: 148 });
    expect(parseBuildProgress('[ 42%] Building CXX object a.cpp.o')).toEqual({ done: 42, total: 100 });
    expect(parseBuildProgress('[100%] Linking')).toEqual({ done: 100, total: 100 });
    expect(parseBuildProgress('warning: [3/4] of it')).toBeUndefined();
    expect(parseBuildProgress('')).toBeUndefined();
  });
});
