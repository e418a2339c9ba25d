import type { CallOptions } from '#edge/contracts/backend.ts';
import type { AddDocumentsRequest, DocumentInfo, IngestPart } from '#edge/contracts/bot.ts';
import type { Progress } from '#edge/contracts/progress.ts';
import type { RuntimePort } from '#edge/contracts/runtime.ts';
import { throwIfAborted } from '#edge/core/abort.ts';
import { EdgeError } from '#edge/core/errors.ts';
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
  /** Reads documents in; the last part is the report. See {@link ingest}. Throws `E_BUSY` during {@link reindex}. */
  addDocuments(request: AddDocumentsRequest, options?: IngestOptions): AsyncIterable<IngestPart>;
  listDocuments(): readonly DocumentInfo[];
  /** By id, source, or file; returns how many went. Throws `E_DOCUMENT_UNKNOWN`, and `E_BUSY` during {@link reindex}. */
  removeDocuments(idsOrSources: readonly string[]): number;
  /** Throws `E_INDEX_MISMATCH` when the model that made the vectors cannot run any more. */
  search(question: string, options?: SearchOptions): Promise<SearchResult>;
  /** Makes all vectors anew with the present embedding model; the old ones serve until it is done. Throws `E_BUSY` while documents change. */
  reindex(options?: CallOptions): AsyncIterable<Progress>;
  /**
   * Makes all vectors anew when the device would now choose another model or variant than the one that made them. The old ones serve
   * until it is done. A change of the documents goes first: it ends this, to be done at another time. Returns whether it was done.
   */
  followEngine(options?: CallOptions): Promise<boolean>;
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
  let ingests = 0;
  let isReindexing = false;
  let following: { readonly stop: AbortController; readonly ended: Promise<unknown> } | undefined;
  const requireNoReindex = (): void => {
    if (isReindexing) throw busy('change the documents', 'reindexing');
    following?.stop.abort();
  };

  async function* addDocuments(request: AddDocumentsRequest, options?: IngestOptions): AsyncGenerator<IngestPart> {
    requireNoReindex();
    ingests++;
    try {
      yield* ingest(index, embedder, request, options);
    } finally {
      ingests--;
    }
  }

  /** What changed meanwhile would be missing among the new vectors, or left over. */
  async function* reindexAlone(options?: CallOptions): AsyncGenerator<Progress> {
    requireNoReindex();
    if (ingests > 0) throw busy('reindex', 'reading documents in');
    isReindexing = true;
    try {
      await following?.ended;
      yield* reindex(index, embedder, options);
    } finally {
      isReindexing = false;
    }
  }

  async function followEngine(options: CallOptions = {}): Promise<boolean> {
    const isTaken = (): boolean => isReindexing || ingests > 0 || following !== undefined;
    const maker = index.vectorMaker();
    if (!maker || isTaken()) return false;
    const chosen = await embedder.preferred();
    throwIfAborted(options.signal, 'embedding anew');
    if ((chosen.model === maker.model && chosen.variant === maker.variant) || isTaken()) return false;
    log.info('documents are embedded anew', { from: `${maker.model}:${maker.variant}`, to: `${chosen.model}:${chosen.variant}` });
    const stop = new AbortController();
    const work = follow(options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal);
    following = { stop, ended: Promise.allSettled([work]) };
    try {
      await work;
      log.info('documents were embedded anew');
      return true;
    } catch (error) {
      if (stop.signal.aborted) return false;
      throw error;
    } finally {
      following = undefined;
    }
  }

  async function follow(signal: AbortSignal): Promise<void> {
    for await (const _progress of reindex(index, embedder, { signal }));
  }

  return {
    addDocuments,
    followEngine,
    listDocuments: () => index.listDocuments(),
    removeDocuments: (names) => {
      requireNoReindex();
      return index.removeDocuments(names);
    },
    search: (question, options) => search(index, embedder, question, options),
    reindex: reindexAlone,
    readDocument: (id) => index.readText(id),
    [Symbol.dispose]: () => index[Symbol.dispose](),
  };
}

function busy(what: string, work: string): EdgeError {
  return new EdgeError('E_BUSY', { what: `cannot ${what} now`, found: `${work} in progress`, hint: 'Wait until it has finished.' });
}
