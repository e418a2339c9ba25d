/** The one place that opens SQLite files. */
import { mkdirSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { getLoadablePath } from 'sqlite-vec';
import { EdgeError, systemErrorCode } from '#edge/core/errors.ts';

/** An open database; the type is the library's, its module is imported here alone. */
export type SqliteDatabase = Database.Database;

export interface OpenOptions {
  /** File path, or `:memory:`. Its folder is made. */
  readonly path: string;
  /** SQL scripts; number `i` brings the schema from version `i` to `i + 1`. Never change one that was released. */
  readonly migrations: readonly string[];
  /**
   * `full`: a committed transaction survives a power cut. `normal`: the last ones may be lost, the file stays whole.
   * Defaults to `full`.
   */
  readonly durability?: 'full' | 'normal';
  /** Loads `sqlite-vec`. Defaults to false. */
  readonly vectors?: boolean;
  /** Opens the file as it is: it must exist, with the schema that `migrations` lead to. Defaults to false. */
  readonly readOnly?: boolean;
}

/** `PRAGMA synchronous` values. */
const SYNCHRONOUS = { normal: 1, full: 2 } as const;

/**
 * Opens a database in WAL mode, with the durability asked for *checked* after the first write (the library is compiled
 * with `SQLITE_DEFAULT_WAL_SYNCHRONOUS=1`, which otherwise weakens it silently), and migrates it.
 * @throws EdgeError `E_DATABASE_CORRUPT` for a file that is no sound database, `E_DISK_FULL`, `E_DATABASE` otherwise.
 */
export function openDatabase(options: OpenOptions): SqliteDatabase {
  const { path, migrations, durability = 'full', vectors = false, readOnly = false } = options;
  let database: SqliteDatabase | undefined;
  try {
    if (path !== ':memory:' && !readOnly) mkdirSync(dirname(path), { recursive: true });
    database = new Database(path, { readonly: readOnly, fileMustExist: readOnly });
    database.pragma('busy_timeout = 5000');
    database.pragma('foreign_keys = ON');
    if (!readOnly) {
      database.pragma('journal_mode = WAL');
      database.pragma(`synchronous = ${durability.toUpperCase()}`);
    }
    if (vectors) database.loadExtension(getLoadablePath());
    checkVersion(database, migrations, path, readOnly);
    if (readOnly) return database;
    migrate(database, migrations);
    const synchronous = database.pragma('synchronous', { simple: true });
    if (synchronous !== SYNCHRONOUS[durability]) {
      throw new EdgeError('E_DATABASE', {
        what: `cannot open ${path}`,
        expected: `synchronous=${durability.toUpperCase()}`,
        found: String(synchronous),
      });
    }
    return database;
  } catch (error) {
    database?.close();
    throw toEdgeError(error, path);
  }
}

/** Moves a broken database and its side files to `<path>.corrupt-<time>`; returns the new name. Nothing is deleted. */
export function quarantineDatabase(path: string, now: number): string {
  const target = `${path}.corrupt-${new Date(now).toISOString().replaceAll(':', '')}`;
  for (const suffix of ['', '-wal', '-shm']) {
    try {
      renameSync(path + suffix, target + suffix);
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT') throw toEdgeError(error, path);
    }
  }
  return target;
}

/** Translates an SQLite or file system error met while using `path`. */
export function toEdgeError(error: unknown, path: string): EdgeError {
  if (EdgeError.is(error)) return error;
  const code = systemErrorCode(error) ?? '';
  const init = { what: `database ${path} failed`, found: error instanceof Error ? error.message : String(error), cause: error };
  if (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB') return new EdgeError('E_DATABASE_CORRUPT', init);
  if (code === 'SQLITE_FULL' || code === 'ENOSPC') return new EdgeError('E_DISK_FULL', init);
  if (code.startsWith('SQLITE_BUSY')) return new EdgeError('E_LOCKED', init);
  return new EdgeError('E_DATABASE', init);
}

function versionOf(database: SqliteDatabase): number {
  return database.pragma('user_version', { simple: true }) as number;
}

function refuseVersion(path: string, age: 'newer' | 'older', expected: string, found: number): EdgeError {
  return new EdgeError('E_DATABASE', {
    what: `${path} was written by ${age === 'newer' ? 'a newer' : 'an older'} Nearside`,
    expected: `schema version ${expected}`,
    found: String(found),
    hint:
      age === 'newer' ? 'Update Nearside, or choose another home folder.' : 'Start what writes this file once: it brings it up to date.',
  });
}

function checkVersion(database: SqliteDatabase, migrations: readonly string[], path: string, readOnly: boolean): void {
  const version = versionOf(database);
  if (version > migrations.length) throw refuseVersion(path, 'newer', `${migrations.length} or older`, version);
  if (readOnly && version < migrations.length) throw refuseVersion(path, 'older', `${migrations.length}`, version);
}

function migrate(database: SqliteDatabase, migrations: readonly string[]): void {
  const step = database.transaction(() => {
    // Read under the write lock: another process may have been here first.
    const version = versionOf(database);
    if (version >= migrations.length) return;
    database.exec(migrations[version] as string);
    database.pragma(`user_version = ${version + 1}`);
  });
  while (versionOf(database) < migrations.length) step.immediate();
}
