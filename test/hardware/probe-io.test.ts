import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { createLogger } from '#edge/core/log.ts';
import { systemIo } from '#edge/hardware/probe-io.ts';

const folder = mkdtempSync(join(tmpdir(), 'nearside-probe-'));
afterAll(() => rmSync(folder, { recursive: true }));

it('answers undefined for what is not there, and says why at debug', async () => {
  const lines: string[] = [];
  const log = createLogger({ level: 'debug', format: 'json', write: (line) => lines.push(line) });
  const io = systemIo({ log, diskPath: '/no/such/folder' });
  expect(await io.readText('/no/such/file')).toBeUndefined();
  expect(await io.readDir('/no/such/folder')).toBeUndefined();
  expect(await io.exists('/no/such/file')).toBe(false);
  expect(await io.mayOpen('/no/such/file')).toBe(false);
  expect(await io.run('no-such-command', [], 1000)).toBeUndefined();
  expect(await io.disk()).toBeUndefined();
  expect(lines.map((line) => JSON.parse(line)).map(({ level, source, code }) => [level, source, code])).toEqual([
    ['debug', '/no/such/file', 'ENOENT'],
    ['debug', '/no/such/folder', 'ENOENT'],
    ['debug', '/no/such/file', 'ENOENT'],
    ['debug', '/no/such/file', 'ENOENT'],
    ['debug', 'no-such-command', 'ENOENT'],
    ['debug', 'statfs', 'ENOENT'],
  ]);
});

it('gives up a command that fails or hangs', async () => {
  const io = systemIo();
  expect(await io.run(process.execPath, ['-e', 'console.log(42)'], 20_000)).toBe('42\n');
  expect(await io.run(process.execPath, ['-e', 'process.exit(3)'], 20_000)).toBeUndefined();
  expect(await io.run(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], 100)).toBeUndefined();
});

it('reads at most 4 MiB of a file, binary or endless', async () => {
  const io = systemIo();
  const path = join(folder, 'huge');
  writeFileSync(path, Buffer.alloc(5 * 1024 * 1024, 0xff));
  expect(await io.readText(path)).toHaveLength(4 * 1024 * 1024);
  expect(await io.readText(folder)).toBeUndefined();
});

it.skipIf(process.platform === 'win32')('does not wait for somebody to write into a pipe', async () => {
  const path = join(folder, 'pipe');
  execFileSync('mkfifo', [path]);
  expect(await systemIo().readText(path)).toBe('');
  expect(await systemIo().readText('/dev/zero')).toHaveLength(4 * 1024 * 1024);
});

it.skipIf(process.platform === 'win32' || process.getuid?.() === 0)(
  'cannot open what it may only read (root may open everything)',
  async () => {
    const path = join(folder, 'read-only');
    writeFileSync(path, 'text');
    chmodSync(path, 0o400);
    expect(await systemIo().mayOpen(path)).toBe(false);
    chmodSync(path, 0o000);
    expect(await systemIo().readText(path)).toBeUndefined();
  },
);

it('gives up a command that says too much', async () => {
  const script = 'process.stdout.write("x".repeat(2_000_000)); setInterval(() => {}, 1000)';
  expect(await systemIo().run(process.execPath, ['-e', script], 20_000)).toBeUndefined();
});
