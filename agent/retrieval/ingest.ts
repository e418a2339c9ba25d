import type { AddDocumentsRequest, DocumentInfo, IngestPart, IngestReport } from '#edge/contracts/bot.ts';
import type { Progress } from '#edge/contracts/progress.ts';
import { throwIfAborted } from '#edge/core/abort.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { type Chunk, chunkDocument, textInContext } from './chunks.ts';
import type { LoadedDocument } from './document.ts';
import type { Embedder, EmbedOptions } from './embedder.ts';
import { documentHash, type EmbeddedChunk, type KnowledgeIndex } from './knowledge-index.ts';
import { findSources } from './loaders/find-sources.ts';
import { type DocumentSource, loadDocuments } from './loaders/load-documents.ts';

export interface IngestOptions {
  readonly signal?: AbortSignal;
  /** Folder against which the sources below it are named. Sources are absolute paths by default. */
  readonly relativeTo?: string;
}

/** Chunks embedded between two progress reports of a long document. */
const CHUNKS_A_STEP = 16;

/**
 * Reads, cuts, embeds and stores documents, one transaction a document: after a crash or a cancellation the same request goes on with the
 * first document that is not stored yet. A document that cannot be read is reported and does not stop the others; a failing
 * engine or database does.
 * @throws EdgeError of the engine and of storage; `E_INDEX_MISMATCH`; `E_CANCELLED`.
 */
export async function* ingest(
  index: KnowledgeIndex,
  embedder: Embedder,
  request: AddDocumentsRequest,
  options: IngestOptions = {},
): AsyncGenerator<IngestPart> {
  const report = new ReportBuilder();
  const sources = await findSources(request.paths, options.relativeTo);
  for (const [done, found] of sources.entries()) {
    throwIfAborted(options.signal, 'ingest');
    yield toPart({ label: `reading ${found.source}`, done, total: sources.length, unit: 'documents' });
    if ('error' in found) report.fail(found.source, found.error);
    else yield* ingestSource({ index, embedder, report, request, options }, found);
  }
  yield { type: 'report', report: report.finish() };
}

interface Ingest {
  readonly index: KnowledgeIndex;
  readonly embedder: Embedder;
  readonly report: ReportBuilder;
  readonly request: AddDocumentsRequest;
  readonly options: IngestOptions;
}

async function* ingestSource(context: Ingest, place: DocumentSource): AsyncGenerator<IngestPart> {
  const { index, report, request, options } = context;
  const seen = new Set<string>();
  try {
    const { format, fields } = request;
    for await (const row of loadDocuments(place, { format, ...(fields ? { fields } : {}), ...options })) {
      const source = 'document' in row ? row.document.source : row.source;
      if ('error' in row) report.fail(source, row.error);
      else if (seen.has(source)) report.fail(source, usedTwice(source));
      else yield* ingestDocument(context, row.document);
      seen.add(source);
    }
  } catch (error) {
    if (!isDocumentFault(error)) throw error;
    report.fail(place.source, error);
    return;
  }
  const gone = index.sourcesIn(place.source).filter((source) => !seen.has(source));
  if (gone.length > 0) index.removeDocuments(gone);
}

async function* ingestDocument({ index, embedder, report, options }: Ingest, document: LoadedDocument): AsyncGenerator<IngestPart> {
  throwIfAborted(options.signal, 'ingest');
  if (index.hashOf(document.source) === documentHash(document)) {
    report.keep(document.source);
    return;
  }
  const chunks = chunkDocument(document);
  if (chunks.length === 0) {
    report.fail(document.source, new EdgeError('E_DOCUMENT_EMPTY', { what: `${document.source} has no text` }));
    return;
  }
  const embedded: EmbeddedChunk[] = [];
  let maker: Awaited<ReturnType<typeof embedChunks>>['maker'] | undefined;
  for (let start = 0; start < chunks.length; start += CHUNKS_A_STEP) {
    const step = await embedChunks(embedder, chunks.slice(start, start + CHUNKS_A_STEP), {
      ...options,
      maker: maker ?? index.vectorMaker(),
    });
    embedded.push(...step.chunks);
    maker = step.maker;
    yield toPart({ label: `indexing ${document.source}`, done: embedded.length, total: chunks.length, unit: 'chunks' });
  }
  if (maker) report.add(index.putDocument(document, embedded, maker, new Date()));
}

async function embedChunks(embedder: Embedder, chunks: readonly Chunk[], options: EmbedOptions) {
  const { vectors, maker } = await embedder.embedPassages(chunks.flatMap(embeddingTexts), options);
  let next = 0;
  const embedded = chunks.map((chunk): EmbeddedChunk => {
    const vector = vectors[next] as Float32Array;
    const sentenceVectors = vectors.slice(next + 1, next + 1 + chunk.sentences.length);
    next += 1 + chunk.sentences.length;
    return { chunk, vector, sentenceVectors };
  });
  return { chunks: embedded, maker };
}

/** What is embedded for a chunk: its text under its title path, then each of its sentences under its heading. */
export function embeddingTexts(chunk: Pick<Chunk, 'path' | 'text' | 'start' | 'sentences'>): string[] {
  const { path, text, start, sentences } = chunk;
  return [
    textInContext(chunk),
    ...sentences.map((sentence) => `${path.at(-1)}: ${text.slice(sentence.start - start, sentence.end - start)}`),
  ];
}

function usedTwice(source: string): EdgeError {
  return new EdgeError('E_DOCUMENT_UNREADABLE', {
    what: `cannot read a second ${source}`,
    expected: 'an id of its own for each row',
    found: 'the id of an earlier row',
    hint: 'Name another field with --id, or none.',
  });
}

/** Faults of one document, which do not stop the others. */
function isDocumentFault(error: unknown): error is EdgeError {
  return (
    EdgeError.is(error, 'E_DOCUMENT_UNREADABLE') ||
    EdgeError.is(error, 'E_DOCUMENT_EMPTY') ||
    EdgeError.is(error, 'E_FORMAT_UNKNOWN') ||
    EdgeError.is(error, 'E_SOURCE_UNAVAILABLE') ||
    EdgeError.is(error, 'E_DEADLINE')
  );
}

function toPart(progress: Progress): IngestPart {
  return { type: 'progress', progress };
}

class ReportBuilder {
  readonly #added: DocumentInfo[] = [];
  readonly #unchanged: string[] = [];
  readonly #failed: IngestReport['failed'][number][] = [];

  add(document: DocumentInfo): void {
    this.#added.push(document);
  }

  keep(source: string): void {
    this.#unchanged.push(source);
  }

  fail(source: string, { code, message, hint }: EdgeError): void {
    this.#failed.push({ source, code, message, hint });
  }

  finish(): IngestReport {
    return { added: this.#added, unchanged: this.#unchanged, failed: this.#failed };
  }
}
