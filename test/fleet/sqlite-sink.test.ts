import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openFleetDatabase } from '#apps/fleet/query.ts';
import { SqliteSink } from '#apps/fleet/sinks/sqlite-sink.ts';
import { tempFolder } from '#test/telemetry/support/harness.ts';
import { describeSink } from './sink.contract.ts';

describeSink('SQLite', async () => {
  const folder = tempFolder();
  const sink = new SqliteSink(folder.file('fleet.db'));
  sink.open();
  return {
    sink,
    queries: () => openFleetDatabase(folder.file('fleet.db')),
    async [Symbol.asyncDispose]() {
      await sink[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
});

test('a file that is not there, or is no database, is refused with a code', () => {
  using folder = tempFolder();
  expect(() => openFleetDatabase(folder.file('none.db'))).toThrow(expect.objectContaining({ code: 'E_DATABASE' }));
  writeFileSync(folder.file('text.db'), 'not a database '.repeat(1000));
  expect(() => openFleetDatabase(folder.file('text.db')).listDevices()).toThrow(expect.objectContaining({ code: 'E_DATABASE_CORRUPT' }));
  expect(() => new SqliteSink(folder.file('text.db')).open()).toThrow(expect.objectContaining({ code: 'E_DATABASE_CORRUPT' }));
});
