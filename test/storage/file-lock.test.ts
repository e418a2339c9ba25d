import { mkdirSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { acquireLock, tryLock } from '#edge/storage/file-lock.ts';
import { endProcess, runModule, tempFolder, until } from '#test/telemetry/support/harness.ts';

test('one holder at a time, in this process too', () => {
  using folder = tempFolder();
  const path = folder.file('deep/lock');
  const first = tryLock(path);
  expect(first).toBeDefined();
  expect(tryLock(path)).toBeUndefined();
  first?.[Symbol.dispose]();
  const second = tryLock(path);
  expect(second).toBeDefined();
  second?.[Symbol.dispose]();
});

test('a waiter gets the lock when its holder lets go, and was told once that it waits', async () => {
  using folder = tempFolder();
  const path = folder.file('lock');
  const holder = tryLock(path);
  let told = 0;
  const waiting = acquireLock(path, { onWait: () => told++ });
  setTimeout(() => holder?.[Symbol.dispose](), 500);
  using lock = await waiting;
  expect(lock).toBeDefined();
  expect(told).toBe(1);
});

test('a waiter can give up', async () => {
  using folder = tempFolder();
  const path = folder.file('lock');
  using _holder = tryLock(path);
  await expect(acquireLock(path, { signal: AbortSignal.timeout(100) })).rejects.toMatchObject({ code: 'E_CANCELLED' });
});

test('a place where no lock can be made is a coded error', () => {
  using folder = tempFolder();
  writeFileSync(folder.file('file'), '');
  expect(() => tryLock(folder.file('file/lock'))).toThrow(expect.objectContaining({ code: 'E_DATABASE' }));
  mkdirSync(folder.file('folder'));
  expect(() => tryLock(folder.file('folder'))).toThrow(expect.objectContaining({ code: 'E_DATABASE' }));
});

test('the lock of a killed process is free', async () => {
  using folder = tempFolder();
  const path = folder.file('lock');
  const module = new URL('../../edge/storage/file-lock.ts', import.meta.url).href;
  writeFileSync(
    folder.file('holder.mts'),
    `const { tryLock } = await import(${JSON.stringify(module)});
     globalThis.held = tryLock(${JSON.stringify(path)});
     console.log(globalThis.held ? 'held' : 'not held');
     setInterval(() => undefined, 1000);`,
  );
  const { child, lines } = runModule(folder.file('holder.mts'), []);
  await until('the other process to take the lock', () => lines.length > 0);
  expect(lines).toEqual(['held']);
  expect(tryLock(path)).toBeUndefined();
  await endProcess(child);
  using lock = tryLock(path);
  expect(lock).toBeDefined();
});
