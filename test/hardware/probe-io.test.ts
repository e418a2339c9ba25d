import { expect, it } from 'vitest';
import { createLogger } from '#edge/core/log.ts';
import { systemIo } from '#edge/hardware/probe-io.ts';

it('answers undefined for what is not there, and says why at debug', async () => {
  const lines: string[] = [];
  const log = createLogger({ level: 'debug', format: 'json', write: (line) => lines.push(line) });
  const io = systemIo({ log, diskPath: '/no/such/folder' });
  expect(await io.readText('/no/such/file')).toBeUndefined();
  expect(await io.readDir('/no/such/folder')).toBeUndefined();
  expect(await io.exists('/no/such/file')).toBe(false);
  expect(await io.run('no-such-command', [], 1000)).toBeUndefined();
  expect(await io.disk()).toBeUndefined();
  expect(lines.map((line) => JSON.parse(line)).map(({ level, source, code }) => [level, source, code])).toEqual([
    ['debug', '/no/such/file', 'ENOENT'],
    ['debug', '/no/such/folder', 'ENOENT'],
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
