import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { findRunningDevice, HomeLease } from '#apps/device/home.ts';
import { makeHome } from '#test/support/home.ts';
import { nearside, ROOT } from '#test/support/run.ts';

function pathsOf(home: string) {
  return { home, run: join(home, 'run'), data: join(home, 'data') };
}

it('a command waits for another one that has taken the home folder and not yet said so', async () => {
  const home = makeHome({ models: false });
  const lease = HomeLease.take(pathsOf(home));
  const status = nearside(['telemetry', 'status', '--json'], { home });
  await pause(1500);
  lease[Symbol.dispose]();
  const { code, stdout, stderr } = await status;
  expect(stderr).toContain('waiting for another nearside command');
  expect(JSON.parse(stdout)).toMatchObject({ produced: 0, pending: 0 });
  expect(code).toBe(0);
});

it('a device that starts while other processes ask whether one runs takes the home folder', async () => {
  const paths = pathsOf(makeHome({ models: false }));
  HomeLease.take(paths)[Symbol.dispose]();
  const asking = `import { findRunningDevice } from '#apps/device/home.ts';
    process.stdout.write('asks');
    const pause = new Int32Array(new SharedArrayBuffer(4));
    for (const end = Date.now() + 20_000; Date.now() < end; Atomics.wait(pause, 0, 0, 3)) findRunningDevice(${JSON.stringify(paths)});`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', asking], { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await new Promise((resolve) => child.stdout.once('data', resolve));
    for (let round = 0; round < 50; round++) {
      const lease = HomeLease.take(paths);
      lease.publish({ pid: process.pid, version: '1', startedAt: new Date().toISOString() });
      expect(() => HomeLease.take(paths)).toThrow(expect.objectContaining({ code: 'E_HOME_IN_USE' }));
      lease[Symbol.dispose]();
      await pause(2);
    }
  } finally {
    child.kill('SIGKILL');
  }
});

it('a run file of a device that was killed is nobody', () => {
  const paths = pathsOf(makeHome({ models: false }));
  const lease = HomeLease.take(paths);
  lease.publish({ pid: 2 ** 22 + 1, url: 'http://127.0.0.1:1', version: '1', startedAt: '' });
  expect(findRunningDevice(paths)).toMatchObject({ url: 'http://127.0.0.1:1' });
  lease[Symbol.dispose]();
  expect(findRunningDevice(paths)).toBeUndefined();
});

it('keeps conversations and documents from other users of the machine', () => {
  const paths = pathsOf(makeHome({ models: false }));
  using _lease = HomeLease.take(paths);
  for (const folder of [paths.run, paths.data]) expect(statSync(folder).mode & 0o777).toBe(0o700);
});
