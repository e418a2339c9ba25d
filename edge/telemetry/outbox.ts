/**
 * The durable queue between recorder and uplink, and its ledger. Every change of a row and of a count is one
 * transaction, so `produced = stored + dropped + pending` holds at every moment and survives a kill at any point;
 * `pending` is counted from the rows, never computed from the others, so that a fault in the books would show.
 */
import { statSync } from 'node:fs';
import { LANES, type Lane, type Ledger } from '#edge/contracts/telemetry.ts';
import { EdgeError, systemErrorCode } from '#edge/core/errors.ts';
import { newUuid } from '#edge/core/ids.ts';
import { openDatabase, quarantineDatabase, type SqliteDatabase, toEdgeError } from '#edge/storage/sqlite.ts';
import { OUTBOX_MIGRATIONS } from './outbox-schema.ts';
import type { Ack } from './wire/ack.ts';

/**
 * Why an event was dropped: the name is not in the semantic conventions; the value is no finite number; the outbox was
 * unwritable and memory full; the row exceeds {@link MAX_ROW_BYTES}; the byte cap was reached; the stored row no longer
 * parses.
 */
export type DropReason = 'unknown-name' | 'invalid-value' | 'handover-full' | 'too-large' | 'outbox-full' | 'unreadable';

export interface DropCount {
  readonly lane: Lane;
  readonly reason: DropReason;
  readonly count: number;
}

export interface NewRow {
  readonly lane: Lane;
  /** ms since 1970. */
  readonly time: number;
  readonly payload: string;
}

export interface OutboxRow extends NewRow {
  readonly seq: number;
}

export type LaneCounts = Ledger['lanes'][Lane];

/** What an outbox file says about itself. */
export interface OutboxLedger {
  readonly boot: string;
  readonly lanes: Ledger['lanes'];
  readonly droppedByReason: Readonly<Record<string, number>>;
}

export const MAX_ROW_BYTES = 16 * 1024;
const PAGE_BYTES = 4096;
/** Room under the cap for the write-ahead log and its checkpoints. */
const LOG_BYTES = 512 * 1024;
/** Pages kept free for inner nodes, index and ledger. */
const SPARE_PAGES = 8;
const EVICT_AT_ONCE = 32;

export interface OutboxOptions {
  readonly path: string;
  /** Most bytes of the file and its log; 1 MiB or more. */
  readonly maxBytes: number;
  readonly now: () => number;
}

/** @throws EdgeError from every method, as `openDatabase` does; `E_DATABASE` when it is not open. */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #maxPages: number;
  #database: SqliteDatabase | undefined;
  #boot = '';
  #commits = 0;
  /** Rows of a lane up to this number are with the uplink. */
  readonly #leased = new Map<Lane, number>();
  /** Highest number ever leased in this process: an acknowledgement of more is not believed. */
  readonly #sent = new Map<Lane, number>();

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#maxPages = Math.floor((options.maxBytes - LOG_BYTES) / PAGE_BYTES);
  }

  /** Minted with the file. Empty until it was opened once. */
  get boot(): string {
    return this.#boot;
  }

  /** Write transactions that succeeded: the proof that the disk takes writes. */
  get commits(): number {
    return this.#commits;
  }

  get isOpen(): boolean {
    return this.#database !== undefined;
  }

  /** Opens or makes the file; safe to call again. */
  open(): void {
    if (this.#database) return;
    const { path } = this.#options;
    const database = openDatabase({ path, migrations: OUTBOX_MIGRATIONS, durability: 'full' });
    try {
      database.pragma(`max_page_count = ${this.#maxPages}`);
      database.pragma('wal_autocheckpoint = 64');
      database.pragma(`journal_size_limit = ${LOG_BYTES}`);
      database.prepare('INSERT INTO identity (boot) SELECT ? WHERE NOT EXISTS (SELECT 1 FROM identity)').run(newUuid());
      this.#boot = database.prepare('SELECT boot FROM identity').pluck().get() as string;
    } catch (error) {
      database.close();
      throw toEdgeError(error, path);
    }
    this.#database = database;
  }

  /** Puts an unreadable file aside and begins a new one with a new boot; returns the name the old one has now. */
  quarantine(): string {
    this.close();
    const kept = quarantineDatabase(this.#options.path, this.#options.now());
    this.#leased.clear();
    this.#sent.clear();
    this.open();
    return kept;
  }

  /**
   * Takes rows and the counts of what was dropped before it became a row: all or nothing, durable on return. When the
   * cap is reached, old rows of the same or a less precious lane give way; when there are none, the new row is dropped.
   */
  append(rows: readonly NewRow[], drops: readonly DropCount[]): void {
    const byLane = Map.groupBy(rows, (row) => row.lane);
    this.#write((database) => {
      for (const lane of LANES) {
        const added = byLane.get(lane);
        if (added) this.#insert(database, lane, added);
      }
      for (const drop of drops) {
        this.#countProduced(database, drop.lane, drop.count);
        this.#countDrop(database, drop);
      }
    });
  }

  /** Lends the next rows of a lane to the uplink, oldest first; they are not lent again before {@link release}. */
  lease(lane: Lane, limit: number): OutboxRow[] {
    const rows = this.#read((database) =>
      database
        .prepare('SELECT seq, lane, time, payload FROM event WHERE lane = ? AND seq > ? ORDER BY seq LIMIT ?')
        .all(lane, this.#leased.get(lane) ?? 0, limit),
    ) as OutboxRow[];
    const last = rows.at(-1)?.seq;
    if (last !== undefined) {
      this.#leased.set(lane, last);
      this.#sent.set(lane, Math.max(last, this.#sent.get(lane) ?? 0));
    }
    return rows;
  }

  /** Takes back what was lent and not acknowledged: it will be lent again. */
  release(lane: Lane): void {
    this.#leased.delete(lane);
  }

  /** Removes committed rows and counts them as stored; returns how many. Ranges of another boot change nothing. */
  acknowledge({ boot, lane, ranges }: Ack): number {
    if (boot !== this.#boot) return 0;
    const sent = this.#sent.get(lane) ?? 0;
    return this.#write((database) => {
      const remove = database.prepare('DELETE FROM event WHERE lane = ? AND seq BETWEEN ? AND ?');
      const stored = ranges.reduce((sum, [first, last]) => sum + remove.run(lane, first, Math.min(last, sent)).changes, 0);
      database.prepare('UPDATE lane SET stored = stored + ? WHERE lane = ?').run(stored, lane);
      return stored;
    });
  }

  /** Removes one row for good and counts it. */
  drop(row: OutboxRow, reason: DropReason): void {
    this.#write((database) => {
      const { changes } = database.prepare('DELETE FROM event WHERE seq = ?').run(row.seq);
      if (changes > 0) this.#countDrop(database, { lane: row.lane, reason, count: changes }, row.seq, row.seq);
    });
  }

  get isEmpty(): boolean {
    return this.#read((database) => database.prepare('SELECT 1 FROM event LIMIT 1').get()) === undefined;
  }

  ledger(): OutboxLedger {
    return this.#read(readLedgerOf);
  }

  /** Produced and dropped of one lane, for the header of a batch. */
  laneCounts(lane: Lane): { readonly produced: number; readonly dropped: number } {
    return this.#read((database) =>
      database
        .prepare(
          'SELECT produced, (SELECT coalesce(sum(count), 0) FROM tombstone t WHERE t.lane = l.lane) AS dropped FROM lane l WHERE lane = ?',
        )
        .get(lane),
    ) as { produced: number; dropped: number };
  }

  /** Bytes of the file and its log. */
  bytes(): number {
    return fileBytes(this.#options.path) + fileBytes(`${this.#options.path}-wal`);
  }

  close(): void {
    this.#database?.close();
    this.#database = undefined;
  }

  #insert(database: SqliteDatabase, lane: Lane, rows: readonly NewRow[]): void {
    this.#countProduced(database, lane, rows.length);
    const fitting = rows.filter((row) => Buffer.byteLength(row.payload) <= MAX_ROW_BYTES);
    this.#countDrop(database, { lane, reason: 'too-large', count: rows.length - fitting.length });
    const wanted = fitting.reduce((sum, row) => sum + bytesOnDisk(row), 0);
    let room = this.#makeRoom(database, lane, wanted);
    const insert = database.prepare('INSERT INTO event (lane, time, payload) VALUES (?, ?, ?)');
    let inserted = 0;
    for (const row of fitting) {
      room -= bytesOnDisk(row);
      if (room < 0) break;
      insert.run(lane, row.time, row.payload);
      inserted++;
    }
    this.#countDrop(database, { lane, reason: 'outbox-full', count: fitting.length - inserted });
  }

  /** Evicts old rows, the least precious lane first and none more precious than `lane`, until there is room for `wanted` bytes; returns the room. */
  #makeRoom(database: SqliteDatabase, lane: Lane, wanted: number): number {
    const pages = (name: 'page_count' | 'freelist_count'): number => database.pragma(name, { simple: true }) as number;
    const room = (): number => (this.#maxPages - pages('page_count') + pages('freelist_count') - SPARE_PAGES) * PAGE_BYTES;
    for (const victim of LANES.slice(LANES.indexOf(lane)).toReversed()) {
      while (room() < wanted && this.#evict(database, victim)) {}
    }
    return room();
  }

  #evict(database: SqliteDatabase, lane: Lane): boolean {
    const victims = database
      .prepare('SELECT seq FROM event WHERE lane = ? AND seq > ? ORDER BY seq LIMIT ?')
      .pluck()
      .all(lane, this.#leased.get(lane) ?? 0, EVICT_AT_ONCE) as number[];
    const first = victims[0];
    const last = victims.at(-1);
    if (first === undefined || last === undefined) return false;
    const { changes } = database.prepare('DELETE FROM event WHERE lane = ? AND seq BETWEEN ? AND ?').run(lane, first, last);
    this.#countDrop(database, { lane, reason: 'outbox-full', count: changes }, first, last);
    return true;
  }

  #countProduced(database: SqliteDatabase, lane: Lane, count: number): void {
    database.prepare('UPDATE lane SET produced = produced + ? WHERE lane = ?').run(count, lane);
  }

  #countDrop(database: SqliteDatabase, drop: DropCount, first: number | null = null, last: number | null = null): void {
    if (drop.count === 0) return;
    const time = Math.trunc(this.#options.now());
    database
      .prepare(
        `INSERT INTO tombstone (lane, reason, count, first_seq, last_seq, first_time, last_time) VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (lane, reason) DO UPDATE SET count = count + excluded.count, last_time = excluded.last_time,
           first_seq = coalesce(first_seq, excluded.first_seq), last_seq = coalesce(excluded.last_seq, last_seq)`,
      )
      .run(drop.lane, drop.reason, drop.count, first, last, time, time);
  }

  #write<T>(use: (database: SqliteDatabase) => T): T {
    const result = this.#read((database) => database.transaction(() => use(database)).immediate());
    this.#commits++;
    return result;
  }

  #read<T>(use: (database: SqliteDatabase) => T): T {
    const { path } = this.#options;
    if (!this.#database) throw new EdgeError('E_DATABASE', { what: `the outbox ${path} is not open` });
    try {
      return use(this.#database);
    } catch (error) {
      throw toEdgeError(error, path);
    }
  }
}

function readLedgerOf(database: SqliteDatabase): OutboxLedger {
  return database.transaction((): OutboxLedger => {
    const boot = database.prepare('SELECT boot FROM identity').pluck().get() as string;
    const counts = database
      .prepare(
        `SELECT lane, produced, stored,
           (SELECT coalesce(sum(count), 0) FROM tombstone t WHERE t.lane = l.lane) AS dropped,
           (SELECT count(*) FROM event e WHERE e.lane = l.lane) AS pending
         FROM lane l`,
      )
      .all() as ({ lane: Lane } & LaneCounts)[];
    const reasons = database.prepare('SELECT reason, sum(count) AS count FROM tombstone GROUP BY reason ORDER BY reason').all() as {
      reason: string;
      count: number;
    }[];
    return {
      boot,
      lanes: Object.fromEntries(counts.map(({ lane, ...rest }) => [lane, rest])) as unknown as Ledger['lanes'],
      droppedByReason: Object.fromEntries(reasons.map(({ reason, count }) => [reason, count])),
    };
  })();
}

/** An upper bound: a row may open a page that it does not fill, so twice its payload and overhead. */
function bytesOnDisk(row: NewRow): number {
  return 2 * (Buffer.byteLength(row.payload) + 64);
}

function fileBytes(path: string): number {
  try {
    return statSync(path).size;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return 0;
    throw toEdgeError(error, path);
  }
}
