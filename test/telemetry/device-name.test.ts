import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { deviceName } from '#edge/telemetry/device-name.ts';
import { tempFolder } from './support/harness.ts';

test('is made once, fits a topic, and stays', () => {
  using folder = tempFolder();
  const path = folder.file('sub/device');
  const name = deviceName(path);
  expect(name).toMatch(/^[\w-]{1,59}-[0-9a-f]{4}$/);
  expect(deviceName(path)).toBe(name);
  expect(readFileSync(path, 'utf8')).toBe(`${name}\n`);
});

test('replaces a file that holds no name, and refuses a place it cannot use', () => {
  using folder = tempFolder();
  writeFileSync(folder.file('device'), 'not a name/with slashes\n');
  expect(deviceName(folder.file('device'))).toMatch(/^[\w-]+$/);
  writeFileSync(folder.file('file'), 'x');
  expect(() => deviceName(folder.file('file/device'))).toThrow(expect.objectContaining({ code: 'E_HOME_UNUSABLE' }));
});
