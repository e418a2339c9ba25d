import type { EngineRef } from '#edge/contracts/parts.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { SqliteDatabase } from '#edge/storage/sqlite.ts';

/** What made the vectors: vectors of two makers cannot be compared. */
export interface VectorMaker {
  readonly model: string;
  readonly variant: string;
  readonly dimensions: number;
}

/** The maker that an engine's answer implies. */
export function makerOf(engine: EngineRef, dimensions: number): VectorMaker {
  return { model: engine.model, variant: engine.variant, dimensions };
}

export type VectorKind = 'chunk' | 'sentence';

/** A vector's id and its cosine to the query. */
export interface VectorHit {
  readonly id: number;
  readonly cosine: number;
}

interface Generation extends VectorMaker {
  readonly number: number;
}

const META_KEY = 'vectors';

/**
 * The `sqlite-vec` tables of chunk and sentence vectors, with exact search. They stand in numbered generations: a new model fills the
 * next generation while the current one serves, and one transaction switches over.
 */
export class VectorTables {
  readonly #database: SqliteDatabase;

  constructor(database: SqliteDatabase) {
    this.#database = database;
  }

  /** Who made the vectors; `undefined` before the first. */
  maker(): VectorMaker | undefined {
    return this.#current();
  }

  /**
   * Makes the tables for the first vectors, or checks that later ones have the same maker.
   * @throws EdgeError `E_INDEX_MISMATCH`
   */
  require(maker: VectorMaker): void {
    const current = this.#current();
    if (!current) this.#switch({ ...maker, number: this.#make(1, maker) });
    else if (!isSame(current, maker)) throw mismatch(current, maker);
  }

  /** Forgets the tables and their maker; for an index without documents. */
  clear(): void {
    const current = this.#current();
    if (!current) return;
    this.#drop(current.number);
    this.#database.prepare('DELETE FROM meta WHERE key = ?').run(META_KEY);
  }

  /** Makes empty tables beside the current ones; `fill` them, then {@link adopt}. */
  prepareNext(maker: VectorMaker): number {
    return this.#make((this.#current()?.number ?? 0) + 1, maker);
  }

  /** Makes a prepared generation the current one and drops the others. Call it inside a transaction. */
  adopt(number: number, maker: VectorMaker): void {
    const old = this.#current();
    this.#switch({ ...maker, number });
    if (old) this.#drop(old.number);
  }

  insert(kind: VectorKind, id: number, vector: Float32Array, generation = this.#requireCurrent().number): void {
    this.#database.prepare(`INSERT INTO ${kind}_vectors_${generation} (id, embedding) VALUES (?, ?)`).run(BigInt(id), vector);
  }

  delete(kind: VectorKind, ids: readonly number[]): void {
    const current = this.#current();
    if (!current) return;
    const statement = this.#database.prepare(`DELETE FROM ${kind}_vectors_${current.number} WHERE id = ?`);
    for (const id of ids) statement.run(BigInt(id));
  }

  /** The `k` nearest (at most 4096, a limit of sqlite-vec), best first. */
  nearest(kind: VectorKind, query: Float32Array, k: number): VectorHit[] {
    const current = this.#current();
    if (!current) return [];
    const rows = this.#database
      .prepare(`SELECT id, distance FROM ${kind}_vectors_${current.number} WHERE embedding MATCH ? AND k = ? ORDER BY distance`)
      .all(query, Math.min(k, 4096)) as { id: number; distance: number }[];
    return rows.map(({ id, distance }) => ({ id, cosine: 1 - distance }));
  }

  /** Cosine of given vectors to the query, by id. */
  cosines(kind: VectorKind, query: Float32Array, ids: readonly number[]): Map<number, number> {
    const current = this.#current();
    if (!current) return new Map();
    const rows = this.#database
      .prepare(
        `SELECT id, vec_distance_cosine(embedding, ?) AS distance FROM ${kind}_vectors_${current.number}
         WHERE id IN (SELECT value FROM json_each(?))`,
      )
      .all(query, JSON.stringify(ids)) as { id: number; distance: number }[];
    return new Map(rows.map(({ id, distance }) => [id, 1 - distance]));
  }

  #make(number: number, { dimensions }: VectorMaker): number {
    this.#drop(number);
    for (const kind of ['chunk', 'sentence']) {
      this.#database.exec(
        `CREATE VIRTUAL TABLE ${kind}_vectors_${number}
         USING vec0 (id INTEGER PRIMARY KEY, embedding float[${dimensions}] distance_metric=cosine)`,
      );
    }
    return number;
  }

  #drop(number: number): void {
    for (const kind of ['chunk', 'sentence']) this.#database.exec(`DROP TABLE IF EXISTS ${kind}_vectors_${number}`);
  }

  #switch(generation: Generation): void {
    this.#database
      .prepare('INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value')
      .run(META_KEY, JSON.stringify(generation));
  }

  #current(): Generation | undefined {
    const row = this.#database.prepare('SELECT value FROM meta WHERE key = ?').get(META_KEY) as { value: string } | undefined;
    return row && (JSON.parse(row.value) as Generation);
  }

  #requireCurrent(): Generation {
    const current = this.#current();
    if (!current) throw new EdgeError('E_INTERNAL', { what: 'a vector was written before the vector tables were made' });
    return current;
  }
}

/** True when vectors of both can be compared. */
export function isSame(a: VectorMaker, b: VectorMaker): boolean {
  return a.model === b.model && a.variant === b.variant && a.dimensions === b.dimensions;
}

function mismatch(current: VectorMaker, given: VectorMaker): EdgeError {
  const name = (maker: VectorMaker): string => `${maker.model} ${maker.variant} (${maker.dimensions} dimensions)`;
  return new EdgeError('E_INDEX_MISMATCH', {
    what: 'cannot compare with the vectors of the index',
    expected: `vectors of ${name(current)}`,
    found: `vectors of ${name(given)}`,
  });
}
