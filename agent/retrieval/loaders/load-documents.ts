import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { AddDocumentsRequest } from '#edge/contracts/bot.ts';
import { throwIfAborted } from '#edge/core/abort.ts';
import { EdgeError, systemErrorCode } from '#edge/core/errors.ts';
import { formatBytes } from '#edge/core/format.ts';
import type { LoadedDocument } from '../document.ts';
import { decodeText } from './decode.ts';
import { readDocx } from './docx.ts';
import { fetchUrl, isUrl } from './fetch-url.ts';
import { type DocumentFormat, detectFormat } from './format.ts';
import { readHtml, type StructuredText } from './html.ts';
import { type JsonlFields, type JsonlRow, readJsonl } from './jsonl.ts';
import { readMarkdown } from './markdown.ts';
import { readPdf } from './pdf.ts';

/** Files are read whole; a larger one is refused. */
const MAX_FILE_BYTES = 256 * 1024 * 1024;

/** One file or URL to load. */
export interface DocumentSource {
  /** Absolute path or URL. */
  readonly location: string;
  /** Name under which it is indexed and cited. */
  readonly source: string;
}

export interface LoadOptions {
  readonly format: AddDocumentsRequest['format'];
  readonly fields?: JsonlFields;
  readonly signal?: AbortSignal;
}

/**
 * Reads one file or URL; a JSONL file yields one document a row, with the rows that could not be read.
 * @throws EdgeError `E_DOCUMENT_UNREADABLE`, `E_DOCUMENT_EMPTY`, `E_FORMAT_UNKNOWN`, or those of {@link fetchUrl}.
 */
export async function* loadDocuments(place: DocumentSource, options: LoadOptions): AsyncGenerator<JsonlRow> {
  const { source } = place;
  throwIfAborted(options.signal, `reading ${source}`);
  const { bytes, contentType } = isUrl(place.location) ? await fetchUrl(place.location, options.signal) : await readBytes(place);
  const name = isUrl(place.location) ? new URL(place.location).pathname : place.location;
  const format = options.format === 'auto' ? detectFormat(name, bytes, contentType) : options.format;
  if (format === 'jsonl') {
    const text = requireText(decodeText(bytes, source), source);
    yield* readJsonl(text, source, options.fields);
    return;
  }
  const read = await readFormat(format, bytes, source);
  requireText(read.text, source);
  yield { document: { ...read, source, title: read.title ?? titleOfName(name) } };
}

async function readFormat(
  format: Exclude<DocumentFormat, 'jsonl'>,
  bytes: Uint8Array,
  source: string,
): Promise<StructuredText & Pick<LoadedDocument, 'pageStarts'>> {
  try {
    switch (format) {
      case 'pdf':
        return await readPdf(bytes, source);
      case 'docx':
        return await readDocx(bytes, source);
      case 'html':
        return readHtml(decodeText(bytes, source));
      case 'markdown':
        return readMarkdown(decodeText(bytes, source));
      case 'text':
        return { text: decodeText(bytes, source), headings: [] };
    }
  } catch (error) {
    // Parsers fail in their own ways, such as by a full stack at 10,000 nested elements; one document must not stop the others.
    if (EdgeError.is(error)) throw error;
    throw new EdgeError('E_DOCUMENT_UNREADABLE', {
      what: `cannot read ${source}`,
      expected: `a well-formed ${format} document`,
      found: error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error),
      cause: error,
    });
  }
}

async function readBytes({ location, source }: DocumentSource): Promise<{ bytes: Uint8Array; contentType: undefined }> {
  try {
    const { size } = await stat(location);
    if (size > MAX_FILE_BYTES) {
      throw new EdgeError('E_DOCUMENT_UNREADABLE', {
        what: `cannot read ${source}`,
        expected: `at most ${formatBytes(MAX_FILE_BYTES)}`,
        found: formatBytes(size),
        hint: 'Split the file.',
      });
    }
    return { bytes: await readFile(location), contentType: undefined };
  } catch (error) {
    if (EdgeError.is(error)) throw error;
    throw new EdgeError('E_DOCUMENT_UNREADABLE', {
      what: `cannot read ${source}`,
      expected: 'a readable file',
      found: systemErrorCode(error) ?? String(error),
      cause: error,
    });
  }
}

function requireText(text: string, source: string): string {
  if (text.trim() === '') throw new EdgeError('E_DOCUMENT_EMPTY', { what: `${source} has no text` });
  return text;
}

/** `return-policy.pdf` > `return policy`. */
function titleOfName(path: string): string {
  const name = basename(path).replace(/\.[^.]+$/, '');
  return name.replace(/[-_]+/g, ' ').trim() || path;
}
