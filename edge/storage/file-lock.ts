import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { sleep } from '#edge/core/clock.ts';
import { systemErrorCode } from '#edge/core/errors.ts';
import { type SqliteDatabase, toEdgeError } from './sqlite.ts';

/** A lock between processes that the operating system frees when its holder dies, however it dies. */
export interface FileLock {
  [Symbol.dispose](): void;
}

/**
 * Takes the lock at `path` (a small SQLite file held in an exclusive transaction) or returns `undefined` when another
 * process or another caller in this one holds it.
 * @throws EdgeError `E_DATABASE` where no such file can be made.
 */
export function tryLock(path: string): FileLock | undefined {
  let database: SqliteDatabase | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true });
    database = new Database(path, { timeout: 0 });
    database.pragma('locking_mode = EXCLUSIVE');
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database?.close();
    if (systemErrorCode(error)?.startsWith('SQLITE_BUSY')) return undefined;
    throw toEdgeError(error, path);
  }
  return { [Symbol.dispose]: () => database.close() };
}

/**
 * Waits for the lock; `onWait` is told once when it is held by somebody else.
 * @throws EdgeError `E_CANCELLED`, and as {@link tryLock}.
 */
export async function acquireLock(
  path: string,
  options: { readonly signal?: AbortSignal | undefined; readonly onWait?: () => void } = {},
): Promise<FileLock> {
  for (let told = false; ; told = true) {
    const lock = tryLock(path);
    if (lock) return lock;
    if (!told) options.onWait?.();
    await sleep(200, options.signal);
  }
}
