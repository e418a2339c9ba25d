import { createHash } from 'node:crypto';
import type { DocumentInfo } from '#edge/contracts/bot.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { SqliteDatabase } from '#edge/storage/sqlite.ts';
import type { Chunk } from './chunks.ts';
import type { LoadedDocument } from './document.ts';
import type { Span } from './text/sentences.ts';
import { contentWords, joinCompounds } from './text/terms.ts';
import { type VectorMaker, VectorTables } from './vector-tables.ts';

/** A chunk with its vectors, ready to be stored. */
export interface EmbeddedChunk {
  readonly chunk: Chunk;
  readonly vector: Float32Array;
  /** One a sentence of the chunk, in order. */
  readonly sentenceVectors: readonly Float32Array[];
}

/** A chunk as the index holds it. */
export interface StoredChunk extends Span {
  readonly id: number;
  readonly documentId: string;
  readonly source: string;
  readonly title: string;
  readonly path: readonly string[];
  readonly text: string;
  readonly page?: number;
  readonly sentences: readonly (Span & { readonly id: number })[];
}

/** Weight of a word in the title path against one in the body. */
const TITLE_WEIGHT = 2;

interface DocumentRow {
  readonly id: string;
  readonly source: string;
  readonly title: string;
  readonly characters: number;
  readonly chunks: number;
  readonly addedAt: string;
}

const DOCUMENT_COLUMNS = 'id, source, title, length(text) AS characters, chunks, added_at AS addedAt';

/** Documents, chunks, words and vectors in one SQLite file. Every change of a document is one transaction. */
export class KnowledgeIndex {
  readonly vectors: VectorTables;
  readonly #database: SqliteDatabase;

  constructor(database: SqliteDatabase) {
    this.#database = database;
    this.vectors = new VectorTables(database);
  }

  /** Hash of the stored version of a source; `undefined` when it is not stored. */
  hashOf(source: string): string | undefined {
    const row = this.#database.prepare('SELECT hash FROM documents WHERE source = ?').get(source) as { hash: string } | undefined;
    return row?.hash;
  }

  /** What made the vectors; `undefined` for an index without documents, which takes those of any model. */
  vectorMaker(): VectorMaker | undefined {
    return this.#hasDocuments() ? this.vectors.maker() : undefined;
  }

  /** Stores a document in place of an earlier one of the same source. */
  putDocument(document: LoadedDocument, chunks: readonly EmbeddedChunk[], maker: VectorMaker, addedAt: Date): DocumentInfo {
    const id = documentId(document.source);
    this.#database.transaction(() => {
      if (!this.#hasDocuments()) this.vectors.clear();
      this.vectors.require(maker);
      this.#deleteDocument(id);
      this.#database
        .prepare('INSERT INTO documents (id, source, container, title, text, hash, chunks, added_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)')
        .run(
          id,
          document.source,
          document.container ?? null,
          document.title,
          document.text,
          documentHash(document),
          chunks.length,
          addedAt.toISOString(),
        );
      for (const chunk of chunks) this.#insertChunk(id, chunk);
    })();
    return this.#documentRow(id);
  }

  listDocuments(): DocumentInfo[] {
    return this.#database.prepare(`SELECT ${DOCUMENT_COLUMNS} FROM documents ORDER BY source`).all() as DocumentRow[];
  }

  /**
   * Removes documents by id, source, or the file that holds them; their text is overwritten in the file.
   * @throws EdgeError `E_DOCUMENT_UNKNOWN` when one of them is not there; then nothing is removed.
   */
  removeDocuments(names: readonly string[]): number {
    const ids = new Set<string>();
    for (const name of names) {
      const rows = this.#database.prepare('SELECT id FROM documents WHERE id = ? OR source = ? OR container = ?').all(name, name, name);
      if (rows.length === 0) throw new EdgeError('E_DOCUMENT_UNKNOWN', { what: `there is no document "${name}"` });
      for (const row of rows as { id: string }[]) ids.add(row.id);
    }
    this.#database.transaction(() => {
      for (const id of ids) this.#deleteDocument(id);
    })();
    this.#database.pragma('wal_checkpoint(TRUNCATE)');
    return ids.size;
  }

  /** Sources of the documents that a file with many held when it was last read. */
  sourcesIn(container: string): string[] {
    const rows = this.#database.prepare('SELECT source FROM documents WHERE container = ?').all(container) as { source: string }[];
    return rows.map((row) => row.source);
  }

  /** The whole text of a document, against which citations are positioned. */
  readText(id: string): string {
    const row = this.#database.prepare('SELECT text FROM documents WHERE id = ?').get(id) as { text: string } | undefined;
    if (!row) throw new EdgeError('E_DOCUMENT_UNKNOWN', { what: `there is no document "${id}"` });
    return row.text;
  }

  countChunks(): number {
    return (this.#database.prepare('SELECT count(*) AS n FROM chunks').get() as { n: number }).n;
  }

  /** Number of chunks and sentences of some documents. */
  countParts(documentIds: readonly string[]): { readonly chunks: number; readonly sentences: number } {
    const count = this.#database.prepare(
      `SELECT count(DISTINCT c.id) AS chunks, count(s.id) AS sentences FROM chunks c LEFT JOIN sentences s ON s.chunk_id = c.id
       WHERE c.document_id IN (SELECT value FROM json_each(?))`,
    );
    return count.get(JSON.stringify(documentIds)) as { chunks: number; sentences: number };
  }

  /** Chunks that hold a word of the question, with their BM25 score (k1 = 1.2, b = 0.75, higher is better), best first. */
  findWords(question: string, limit: number): { readonly id: number; readonly score: number }[] {
    const words = [...contentWords(question).map((word) => word.text), ...joinCompounds(question)];
    if (words.length === 0) return [];
    const match = [...new Set(words)].map((word) => `"${word}"`).join(' OR ');
    return this.#database
      .prepare(
        `SELECT rowid AS id, -bm25(chunk_words, ${TITLE_WEIGHT}, 1) AS score FROM chunk_words WHERE chunk_words MATCH ? ORDER BY rank LIMIT ?`,
      )
      .all(match, limit) as { id: number; score: number }[];
  }

  /** Number of chunks that hold each term (as `text/terms.ts` writes terms). */
  documentFrequencies(terms: readonly string[]): Map<string, number> {
    const statement = this.#database.prepare('SELECT doc FROM chunk_vocabulary WHERE term = ?');
    return new Map(terms.map((term) => [term, (statement.get(term) as { doc: number } | undefined)?.doc ?? 0]));
  }

  /** Chunk of each sentence. */
  chunksOfSentences(sentenceIds: readonly number[]): Map<number, number> {
    const rows = this.#database
      .prepare('SELECT id, chunk_id AS chunkId FROM sentences WHERE id IN (SELECT value FROM json_each(?))')
      .all(JSON.stringify(sentenceIds)) as { id: number; chunkId: number }[];
    return new Map(rows.map((row) => [row.id, row.chunkId]));
  }

  /** The chunks with these ids, in this order. */
  readChunks(ids: readonly number[]): StoredChunk[] {
    const chunk = this.#database.prepare(
      `SELECT c.id, c.document_id AS documentId, d.source, d.title, c.start, c."end", c.page, c.path, w.body AS text
       FROM chunks c JOIN documents d ON d.id = c.document_id JOIN chunk_words w ON w.rowid = c.id WHERE c.id = ?`,
    );
    const sentences = this.#database.prepare('SELECT id, start, "end" FROM sentences WHERE chunk_id = ? ORDER BY id');
    return ids.map((id) => {
      const { page, path, ...row } = chunk.get(id) as Omit<StoredChunk, 'path' | 'sentences' | 'page'> & {
        path: string;
        page: number | null;
      };
      const spans = sentences.all(id) as StoredChunk['sentences'];
      return { ...row, path: JSON.parse(path) as string[], sentences: spans, ...(page === null ? {} : { page }) };
    });
  }

  /** Ids of all chunks, in the order of the file. */
  chunkIds(): number[] {
    return (this.#database.prepare('SELECT id FROM chunks ORDER BY id').all() as { id: number }[]).map((row) => row.id);
  }

  /** Runs synchronous work as one transaction. */
  transact<T>(work: () => T): T {
    return this.#database.transaction(work)();
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  #insertChunk(documentIdentity: string, { chunk, vector, sentenceVectors }: EmbeddedChunk): void {
    const inserted = this.#database
      .prepare('INSERT INTO chunks (document_id, start, "end", page, path) VALUES (?, ?, ?, ?, ?)')
      .run(documentIdentity, chunk.start, chunk.end, chunk.page ?? null, JSON.stringify(chunk.path));
    const chunkId = Number(inserted.lastInsertRowid);
    this.#database
      .prepare('INSERT INTO chunk_words (rowid, title, body) VALUES (?, ?, ?)')
      .run(chunkId, [...chunk.path, ...joinCompounds(chunk.text)].join(' '), chunk.text);
    this.vectors.insert('chunk', chunkId, vector);
    const insertSentence = this.#database.prepare('INSERT INTO sentences (chunk_id, start, "end") VALUES (?, ?, ?)');
    chunk.sentences.forEach((sentence, index) => {
      const sentenceId = Number(insertSentence.run(chunkId, sentence.start, sentence.end).lastInsertRowid);
      this.vectors.insert('sentence', sentenceId, sentenceVectors[index] as Float32Array);
    });
  }

  #deleteDocument(id: string): void {
    const ids = (sql: string): number[] => (this.#database.prepare(sql).all(id) as { id: number }[]).map((row) => row.id);
    const chunkIds = ids('SELECT id FROM chunks WHERE document_id = ?');
    this.vectors.delete('sentence', ids('SELECT s.id FROM sentences s JOIN chunks c ON c.id = s.chunk_id WHERE c.document_id = ?'));
    this.vectors.delete('chunk', chunkIds);
    const deleteWords = this.#database.prepare('DELETE FROM chunk_words WHERE rowid = ?');
    for (const chunkId of chunkIds) deleteWords.run(chunkId);
    this.#database.prepare('DELETE FROM documents WHERE id = ?').run(id);
  }

  #hasDocuments(): boolean {
    return this.#database.prepare('SELECT 1 FROM documents LIMIT 1').get() !== undefined;
  }

  #documentRow(id: string): DocumentInfo {
    return this.#database.prepare(`SELECT ${DOCUMENT_COLUMNS} FROM documents WHERE id = ?`).get(id) as DocumentRow;
  }
}

/** The id of a source, the same on every device. */
export function documentId(source: string): string {
  return `doc_${createHash('sha256').update(source).digest('hex').slice(0, 16)}`;
}

/** Changes when anything that is indexed of the document changes. */
export function documentHash(document: LoadedDocument): string {
  const { title, text, headings, code = [], pageStarts = [] } = document;
  return createHash('sha256')
    .update(JSON.stringify([title, text, headings, code, pageStarts]))
    .digest('hex');
}
