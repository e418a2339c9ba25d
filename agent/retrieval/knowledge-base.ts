import type { CallOptions } from '#edge/contracts/backend.ts';
import type { AddDocumentsRequest, DocumentInfo, IngestPart } from '#edge/contracts/bot.ts';
import type { Progress } from '#edge/contracts/progress.ts';
import type { RuntimePort } from '#edge/contracts/runtime.ts';
import type { Logger } from '#edge/core/log.ts';
import { openDatabase } from '#edge/storage/sqlite.ts';
import { Embedder } from './embedder.ts';
import { INDEX_MIGRATIONS } from './index-schema.ts';
import { type IngestOptions, ingest } from './ingest.ts';
import { KnowledgeIndex } from './knowledge-index.ts';
import { reindex } from './reindex.ts';
import { type SearchOptions, type SearchResult, search } from './search.ts';

export interface KnowledgeBaseOptions {
  /** Index file, or `:memory:`. */
  readonly path: string;
  readonly runtime: RuntimePort;
  readonly log: Logger;
}

/** One's documents, searchable by words and by meaning. */
export interface KnowledgeBase extends Disposable {
  /** Reads documents in; the last part is the report. See {@link ingest}. */
  addDocuments(request: AddDocumentsRequest, options?: IngestOptions): AsyncIterable<IngestPart>;
  listDocuments(): readonly DocumentInfo[];
  /** By id, source, or file; returns how many went. Throws `E_DOCUMENT_UNKNOWN`. */
  removeDocuments(idsOrSources: readonly string[]): number;
  /** Throws `E_INDEX_MISMATCH` when the embedding model changed since the documents were added. */
  search(question: string, options?: SearchOptions): Promise<SearchResult>;
  /** Makes all vectors anew with the present embedding model; the old ones serve until it is done. */
  reindex(options?: CallOptions): AsyncIterable<Progress>;
  /** The whole text of a document, to which citations point. Throws `E_DOCUMENT_UNKNOWN`. */
  readDocument(id: string): string;
}

/**
 * Opens or makes a knowledge base.
 * @throws EdgeError `E_DATABASE_CORRUPT`, `E_DATABASE`, `E_DISK_FULL`
 */
export function openKnowledgeBase({ path, runtime, log }: KnowledgeBaseOptions): KnowledgeBase {
  const database = openDatabase({ path, migrations: INDEX_MIGRATIONS, vectors: true });
  database.pragma('secure_delete = ON');
  const index = new KnowledgeIndex(database);
  const embedder = new Embedder(runtime, log);
  return {
    addDocuments: (request, options) => ingest(index, embedder, request, options),
    listDocuments: () => index.listDocuments(),
    removeDocuments: (names) => index.removeDocuments(names),
    search: (question, options) => search(index, embedder, question, options),
    reindex: (options) => reindex(index, embedder, options),
    readDocument: (id) => index.readText(id),
    [Symbol.dispose]: () => index[Symbol.dispose](),
  };
}
