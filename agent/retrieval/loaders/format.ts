import { extname } from 'node:path';
import { EdgeError } from '#edge/core/errors.ts';

export const DOCUMENT_FORMATS = ['markdown', 'text', 'html', 'pdf', 'docx', 'jsonl'] as const;
export type DocumentFormat = (typeof DOCUMENT_FORMATS)[number];

const BY_EXTENSION: Readonly<Record<string, DocumentFormat>> = {
  '.md': 'markdown',
  '.markdown': 'markdown',
  '.txt': 'text',
  '.text': 'text',
  '.html': 'html',
  '.htm': 'html',
  '.xhtml': 'html',
  '.pdf': 'pdf',
  '.docx': 'docx',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
};

const BY_CONTENT_TYPE: Readonly<Record<string, DocumentFormat>> = {
  'text/markdown': 'markdown',
  'text/plain': 'text',
  'text/html': 'html',
  'application/xhtml+xml': 'html',
  'application/pdf': 'pdf',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': 'docx',
  'application/jsonl': 'jsonl',
  'application/x-ndjson': 'jsonl',
};

/** The format that a file name stands for, if its extension is known. */
export function formatOfName(name: string): DocumentFormat | undefined {
  return BY_EXTENSION[extname(name).toLowerCase()];
}

/**
 * Format by extension, then by content type, then by the first bytes (`%PDF-`, an HTML doctype).
 * @throws EdgeError `E_FORMAT_UNKNOWN`
 */
export function detectFormat(name: string, bytes: Uint8Array, contentType?: string): DocumentFormat {
  const known = formatOfName(name) ?? BY_CONTENT_TYPE[contentType?.split(';')[0]?.trim().toLowerCase() ?? ''];
  if (known) return known;
  const head = Buffer.from(bytes.subarray(0, 1024)).toString('latin1').trimStart();
  if (head.startsWith('%PDF-')) return 'pdf';
  if (/^<(!doctype html|html)\b/i.test(head)) return 'html';
  throw new EdgeError('E_FORMAT_UNKNOWN', {
    what: `cannot tell the format of ${name}`,
    expected: Object.keys(BY_EXTENSION).join(', '),
    found: contentType ?? (extname(name) || 'no extension'),
  });
}
