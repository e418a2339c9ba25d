import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openDatabase, quarantineDatabase, toEdgeError } from '#edge/storage/sqlite.ts';
import { run } from '#test/support/run.ts';
import { tempFolder } from '#test/telemetry/support/harness.ts';

const TABLE = 'CREATE TABLE thing (name TEXT NOT NULL)';

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'no error';
}

test('synchronous is FULL after the first write and after reopening, where the library alone would weaken it', () => {
  using folder = tempFolder();
  for (let round = 0; round < 2; round++) {
    const database = openDatabase({ path: folder.file('sub/a.db'), migrations: [TABLE] });
    database.prepare('INSERT INTO thing VALUES (?)').run('x');
    expect(database.pragma('synchronous', { simple: true })).toBe(2);
    expect(database.pragma('journal_mode', { simple: true })).toBe('wal');
    database.close();
  }
});

test('NORMAL is given when it is asked for', () => {
  using folder = tempFolder();
  const database = openDatabase({ path: folder.file('a.db'), migrations: [TABLE], durability: 'normal' });
  expect(database.pragma('synchronous', { simple: true })).toBe(1);
  database.close();
});

test('migrations run once, in order, and a failing one leaves the version before it', () => {
  using folder = tempFolder();
  const path = folder.file('a.db');
  openDatabase({ path, migrations: [TABLE] }).close();
  const second = "INSERT INTO thing VALUES ('from the second')";
  expect(codeOf(() => openDatabase({ path, migrations: [TABLE, `${second}; SELECT nonsense`] }))).toBe('E_DATABASE');
  for (let round = 0; round < 2; round++) {
    const database = openDatabase({ path, migrations: [TABLE, second] });
    expect(database.prepare('SELECT name FROM thing').all()).toEqual([{ name: 'from the second' }]);
    expect(database.pragma('user_version', { simple: true })).toBe(2);
    database.close();
  }
});

test('a file of a newer Nearside is refused and left as it is', () => {
  using folder = tempFolder();
  const path = folder.file('a.db');
  openDatabase({ path, migrations: [TABLE, 'SELECT 1'] }).close();
  expect(() => openDatabase({ path, migrations: [TABLE] })).toThrow(/newer Nearside.*expected schema version 1 or older, found 2/);
});

test('a file that is no database is E_DATABASE_CORRUPT, and quarantine keeps it with its side files', () => {
  using folder = tempFolder();
  const path = folder.file('a.db');
  const garbage = 'This was a shopping list. '.repeat(400);
  writeFileSync(path, garbage);
  writeFileSync(`${path}-wal`, 'side file');
  expect(codeOf(() => openDatabase({ path, migrations: [TABLE] }))).toBe('E_DATABASE_CORRUPT');
  const kept = quarantineDatabase(path, Date.UTC(2026, 0, 2));
  expect(kept).toContain('.corrupt-2026-01-02T');
  expect(readFileSync(kept, 'utf8')).toBe(garbage);
  expect(existsSync(path)).toBe(false);
  expect(existsSync(`${path}-wal`)).toBe(false);
  openDatabase({ path, migrations: [TABLE] }).close();
});

test('two processes that open a new file together migrate it once', { timeout: 30_000 }, async () => {
  using folder = tempFolder();
  const module = new URL('../../edge/storage/sqlite.ts', import.meta.url).href;
  const slow = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600000) INSERT INTO thing SELECT max(i) FROM n';
  const migrations = JSON.stringify([`${TABLE}; ${slow}`, slow]);
  const open = `import { openDatabase } from '${module}'; openDatabase({ path: '${folder.file('a.db')}', migrations: ${migrations} }).close();`;
  const ends = await Promise.all([1, 2, 3].map(() => run(process.execPath, ['--input-type=module', '-e', open])));
  expect(ends.map(({ code, stderr }) => ({ code, stderr }))).toEqual(Array(3).fill({ code: 0, stderr: '' }));
  const database = openDatabase({ path: folder.file('a.db'), migrations: [TABLE, slow] });
  expect(database.prepare('SELECT count(*) FROM thing').pluck().get()).toBe(2);
  database.close();
});

test('a reader is told that the file is of another version', () => {
  using folder = tempFolder();
  const path = folder.file('a.db');
  openDatabase({ path, migrations: [TABLE, 'SELECT 1'] }).close();
  const read = (migrations: readonly string[]) => (): void => void openDatabase({ path, migrations, readOnly: true });
  expect(read([TABLE])).toThrow(/newer Nearside/);
  expect(read([TABLE, 'SELECT 1', 'SELECT 2'])).toThrow(/older Nearside.*expected schema version 3, found 2/);
});

test('reading a file that is not there does not make it', () => {
  using folder = tempFolder();
  const path = folder.file('none.db');
  expect(codeOf(() => openDatabase({ path, migrations: [], readOnly: true }))).toBe('E_DATABASE');
  expect(existsSync(path)).toBe(false);
});

test('a reader sees committed rows while a writer is open, and cannot write', () => {
  using folder = tempFolder();
  const path = folder.file('a.db');
  const writer = openDatabase({ path, migrations: [TABLE] });
  const reader = openDatabase({ path, migrations: [TABLE], readOnly: true });
  writer.prepare("INSERT INTO thing VALUES ('x')").run();
  expect(reader.prepare('SELECT count(*) FROM thing').pluck().get()).toBe(1);
  expect(codeOf(() => reader.prepare("INSERT INTO thing VALUES ('y')").run())).toBe('SQLITE_READONLY');
  reader.close();
  writer.close();
});

test('a full file is E_DISK_FULL and loses nothing that was committed', () => {
  using folder = tempFolder();
  const path = folder.file('a.db');
  const database = openDatabase({ path, migrations: [TABLE] });
  database.prepare("INSERT INTO thing VALUES ('kept')").run();
  database.pragma('max_page_count = 4');
  let caught: unknown;
  try {
    database.prepare('INSERT INTO thing VALUES (?)').run('x'.repeat(100_000));
  } catch (error) {
    caught = error;
  }
  expect(toEdgeError(caught, path)).toMatchObject({ code: 'E_DISK_FULL', retryable: true });
  expect(database.prepare('SELECT name FROM thing').pluck().all()).toEqual(['kept']);
  database.close();
});

test('vectors are there when asked for, and only then', () => {
  const database = openDatabase({ path: ':memory:', migrations: [], vectors: true });
  expect(database.prepare('SELECT vec_version()').pluck().get()).toMatch(/^v\d/);
  const plain = openDatabase({ path: ':memory:', migrations: [] });
  expect(() => plain.prepare('SELECT vec_version()')).toThrow(/no such function/);
  database.close();
  plain.close();
});
