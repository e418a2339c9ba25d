import { createHash } from 'node:crypto';
import { EdgeError } from '#edge/core/errors.ts';
import { openDatabase, type SqliteDatabase, toEdgeError } from '#edge/storage/sqlite.ts';
import type { Batch } from '#edge/telemetry/wire/batch.ts';
import type { Birth, StateChange } from '#edge/telemetry/wire/presence.ts';
import type { SequencedRecord } from '#edge/telemetry/wire/record.ts';
import type { DeviceAddress } from '#edge/telemetry/wire/topics.ts';
import type { DeadLetter, FleetWrite, Received, TelemetrySink } from '../contracts.ts';
import { FLEET_MIGRATIONS } from './sqlite-schema.ts';

/** Most dead letters kept, and most bytes of each: garbage must not fill the disk. */
const MAX_DEAD_LETTERS = 1000;
const MAX_DEAD_LETTER_BYTES = 64 * 1024;

/** Keeps the fleet in one SQLite file. */
export class SqliteSink implements TelemetrySink {
  readonly #path: string;
  #database: SqliteDatabase | undefined;
  #series = new Map<string, number>();

  constructor(path: string) {
    this.#path = path;
  }

  /** Opens or makes the file. @throws EdgeError as `openDatabase` does. */
  open(): void {
    this.#database ??= openDatabase({ path: this.#path, migrations: FLEET_MIGRATIONS, durability: 'full' });
  }

  async write(write: FleetWrite): Promise<{ inserted: number; duplicates: number }> {
    const database = this.#database;
    if (!database) throw new EdgeError('E_DATABASE', { what: `the fleet database ${this.#path} is not open` });
    try {
      return database.transaction(() => this.#writeAll(database, write)).immediate();
    } catch (error) {
      // Ids that the rolled back transaction gave out are not in the file.
      this.#series = new Map();
      throw toEdgeError(error, this.#path);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#database?.close();
    this.#database = undefined;
  }

  #writeAll(database: SqliteDatabase, write: FleetWrite): { inserted: number; duplicates: number } {
    let inserted = 0;
    let rows = 0;
    for (const birth of write.births) this.#writeBirth(database, birth);
    for (const state of write.states) this.#writeState(database, state);
    for (const batch of write.batches) {
      inserted += this.#writeBatch(database, batch);
      rows += batch.rows.length;
    }
    for (const letter of write.deadLetters) writeDeadLetter(database, letter);
    return { inserted, duplicates: rows - inserted };
  }

  #writeBatch(database: SqliteDatabase, batch: Received<Batch>): number {
    const device = seeDevice(database, batch, !batch.retained);
    database.prepare('UPDATE device SET boot = ? WHERE id = ?').run(batch.boot, device);
    database.prepare('INSERT INTO boot (device_id, boot) VALUES (?, ?) ON CONFLICT DO NOTHING').run(device, batch.boot);
    const boot = database.prepare('SELECT id FROM boot WHERE device_id = ? AND boot = ?').pluck().get(device, batch.boot) as number;
    // Batches may come late and out of order; these counts only grow.
    database
      .prepare(
        `INSERT INTO lane (boot_id, lane, produced, dropped) VALUES (?, ?, ?, ?) ON CONFLICT (boot_id, lane)
         DO UPDATE SET produced = max(produced, excluded.produced), dropped = max(dropped, excluded.dropped)`,
      )
      .run(boot, batch.lane, batch.produced, batch.dropped);
    // Not INSERT OR IGNORE: that would also pass over rows that break any other rule.
    const event = database.prepare(
      `INSERT INTO event (boot_id, seq, lane, time, received_at, name, attributes) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (boot_id, seq) DO NOTHING`,
    );
    const metric = database.prepare(
      `INSERT INTO metric (boot_id, seq, lane, time, received_at, series_id, start_time, value, count, buckets)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (boot_id, seq) DO NOTHING`,
    );
    let inserted = 0;
    for (const { seq, time, record } of batch.rows) {
      const key = [boot, seq, batch.lane, time, batch.receivedAt];
      inserted +=
        record.kind === 'event'
          ? event.run(...key, record.name, JSON.stringify(record.attributes)).changes
          : metric.run(...key, this.#seriesId(database, record), ...metricValues(record)).changes;
    }
    return inserted;
  }

  #writeBirth(database: SqliteDatabase, birth: Received<Birth>): void {
    const device = seeDevice(database, birth, !birth.retained);
    database.prepare('UPDATE device SET inventory = ?, boot = ? WHERE id = ?').run(JSON.stringify(birth.inventory), birth.boot, device);
  }

  #writeState(database: SqliteDatabase, change: Received<StateChange>): void {
    const device = seeDevice(database, change, !change.retained && change.state !== 'lost');
    database
      .prepare(
        "UPDATE device SET state = @state, session = @session WHERE id = @device AND (@state = 'online' OR session IS NULL OR session = @session)",
      )
      .run({ state: change.state, session: change.session, device });
  }

  #seriesId(database: SqliteDatabase, record: SequencedRecord['record']): number {
    const { kind, name } = record;
    const attributes = JSON.stringify(record.attributes);
    const boundaries = record.kind === 'histogram' ? JSON.stringify(record.boundaries) : '';
    const key = JSON.stringify([kind, name, attributes, boundaries]);
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    database
      .prepare('INSERT INTO series (kind, name, attributes, boundaries) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING')
      .run(kind, name, attributes, boundaries);
    const id = database
      .prepare('SELECT id FROM series WHERE kind = ? AND name = ? AND attributes = ? AND boundaries = ?')
      .pluck()
      .get(kind, name, attributes, boundaries) as number;
    if (this.#series.size >= MAX_CACHED_SERIES) this.#series.clear();
    this.#series.set(key, id);
    return id;
  }
}

const MAX_CACHED_SERIES = 10_000;

function metricValues(record: Exclude<SequencedRecord['record'], { kind: 'event' }>): (number | string | null)[] {
  switch (record.kind) {
    case 'gauge':
      return [null, record.value, null, null];
    case 'counter':
      return [record.startTime, record.value, null, null];
    case 'histogram':
      return [record.startTime, record.sum, record.count, JSON.stringify(record.buckets)];
  }
}

/** The device's row id; `alive` moves its last sign of life. */
function seeDevice(
  database: SqliteDatabase,
  { tenant, device, receivedAt }: DeviceAddress & { receivedAt: number },
  alive: boolean,
): number {
  database
    .prepare(
      `INSERT INTO device (tenant, device, first_seen, last_seen) VALUES (@tenant, @device, @receivedAt, @receivedAt)
       ON CONFLICT (tenant, device) DO UPDATE SET last_seen = CASE WHEN @alive THEN max(last_seen, @receivedAt) ELSE last_seen END`,
    )
    .run({ tenant, device, receivedAt, alive: alive ? 1 : 0 });
  return database.prepare('SELECT id FROM device WHERE tenant = ? AND device = ?').pluck().get(tenant, device) as number;
}

function writeDeadLetter(database: SqliteDatabase, { topic, payload, reason, receivedAt }: DeadLetter): void {
  const hash = createHash('sha256').update(topic).update('\0').update(payload).digest();
  database
    .prepare(
      `INSERT INTO dead_letter (hash, topic, reason, payload, count, first_at, last_at) VALUES (?, ?, ?, ?, 1, ?, ?)
       ON CONFLICT (hash) DO UPDATE SET count = count + 1, last_at = excluded.last_at`,
    )
    .run(hash, topic.slice(0, 1000), reason, payload.subarray(0, MAX_DEAD_LETTER_BYTES), receivedAt, receivedAt);
  database
    .prepare('DELETE FROM dead_letter WHERE hash IN (SELECT hash FROM dead_letter ORDER BY last_at DESC LIMIT -1 OFFSET ?)')
    .run(MAX_DEAD_LETTERS);
}
