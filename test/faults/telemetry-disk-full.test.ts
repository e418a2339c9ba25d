import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { capturedLog, expectIdentity, tempFolder } from '#test/telemetry/support/harness.ts';
import { ledgerOnDisk, makeTelemetry, recordNumbered } from '#test/telemetry/support/rig.ts';

/** A file system of 2 MiB, or why there is none. */
function mountSmall(path: string): Disposable | string {
  mkdirSync(path);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', path], { stdio: 'pipe' });
  } catch (error) {
    return `cannot mount a small file system: ${(error as Error).message}`;
  }
  return { [Symbol.dispose]: () => execFileSync('umount', ['-l', path]) };
}

test('a full disk: nothing is thrown, the identity holds, and all that waited is written when there is room', async ({ skip }) => {
  using folder = tempFolder();
  const mounted = mountSmall(folder.file('disk'));
  if (typeof mounted === 'string') return skip(`${mounted} (needs the right to mount)`);
  using _mounted = mounted;
  const filler = folder.file('disk/filler');
  writeFileSync(filler, Buffer.alloc(1_400_000));
  const { log, lines } = capturedLog();
  const outboxPath = folder.file('disk/outbox.db');
  const telemetry = makeTelemetry(outboxPath, { log });
  telemetry.open();
  let recorded = 0;
  while (telemetry.status().lastError === undefined && recorded < 100_000) {
    recordNumbered(telemetry, 200, recorded);
    recorded += 200;
    await telemetry.flush();
    expectIdentity(telemetry.status());
  }
  expect(telemetry.status().lastError?.code).toBe('E_DISK_FULL');
  recordNumbered(telemetry, 1000, recorded);
  telemetry.observe('nearside.bot.answers', 1);
  await telemetry.flush();
  expectIdentity(telemetry.status());
  expect(telemetry.status()).toMatchObject({ produced: recorded + 1000, dropped: 0, pending: recorded + 1000 });
  expect(lines.filter((line) => line.includes('outbox unusable'))).toHaveLength(1);

  rmSync(filler);
  await telemetry.flush();
  expect(telemetry.status().lastError).toBeUndefined();
  expect(telemetry.status()).toMatchObject({ produced: recorded + 1001, pending: recorded + 1001 });
  await telemetry[Symbol.asyncDispose]();
  expect(await ledgerOnDisk(outboxPath)).toMatchObject({
    produced: recorded + 1001,
    pending: recorded + 1001,
  });
});
