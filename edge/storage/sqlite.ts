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
    if (!readOnly) migrate(database, migrations, path);
    if (!readOnly && database.pragma('synchronous', { simple: true }) !== SYNCHRONOUS[durability]) {
      throw new EdgeError('E_DATABASE', {
        what: `cannot open ${path}`,
        expected: `synchronous=${durability.toUpperCase()}`,
        found: String(database.pragma('synchronous', { simple: true })),
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
  if (code === 'SQLITE_BUSY') return new EdgeError('E_LOCKED', init);
  return new EdgeError('E_DATABASE', init);
}

function migrate(database: SqliteDatabase, migrations: readonly string[], path: string): void {
  const version = database.pragma('user_version', { simple: true }) as number;
  if (version > migrations.length) {
    throw new EdgeError('E_DATABASE', {
      what: `${path} was written by a newer Nearside`,
      expected: `schema version ${migrations.length} or older`,
      found: String(version),
      hint: 'Update Nearside, or choose another home folder.',
    });
  }
  for (let next = version; next < migrations.length; next++) {
    database.transaction(() => {
      database.exec(migrations[next] as string);
      database.pragma(`user_version = ${next + 1}`);
    })();
  }
}
