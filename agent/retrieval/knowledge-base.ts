import type { CallOptions } from '#edge/contracts/backend.ts';
import type { AddDocumentsRequest, DocumentInfo, IngestPart } from '#edge/contracts/bot.ts';
import type { Progress } from '#edge/contracts/progress.ts';
import type { RuntimePort } from '#edge/contracts/runtime.ts';
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
  let following: AbortController | undefined;
  const requireNoReindex = (): void => {
    following?.abort();
    if (isReindexing && !following) throw busy('change the documents', 'reindexing');
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
      yield* reindex(index, embedder, options);
    } finally {
      isReindexing = false;
    }
  }

  async function followEngine(options: CallOptions = {}): Promise<boolean> {
    const maker = index.vectorMaker();
    if (!maker || isReindexing || ingests > 0) return false;
    const { model, variant } = await embedder.preferred();
    if ((model === maker.model && variant === maker.variant) || isReindexing || ingests > 0) return false;
    const controller = new AbortController();
    following = controller;
    const signal = options.signal ? AbortSignal.any([options.signal, controller.signal]) : controller.signal;
    log.info('documents are embedded anew', { from: `${maker.model}:${maker.variant}`, to: `${model}:${variant}` });
    isReindexing = true;
    try {
      for await (const _progress of reindex(index, embedder, { signal }));
      log.info('documents were embedded anew', { by: `${model}:${variant}` });
      return true;
    } catch (error) {
      if (controller.signal.aborted) return false;
      throw error;
    } finally {
      following = undefined;
      isReindexing = false;
    }
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
