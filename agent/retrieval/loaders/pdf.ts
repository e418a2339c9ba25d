import { extractTextItems, getDocumentProxy, getMeta, type StructuredTextItem } from 'unpdf';
import { EdgeError } from '#edge/core/errors.ts';
import type { StructuredText } from './html.ts';

/** A line that stands lower than this many font sizes under the one before begins a paragraph. */
const PARAGRAPH_GAP = 1.7;

/**
 * Reads a PDF page by page. Lines of a paragraph are joined, words cut at line ends mended.
 * @throws EdgeError `E_DOCUMENT_UNREADABLE` for a broken or encrypted file.
 */
export async function readPdf(bytes: Uint8Array, source: string): Promise<StructuredText & { readonly pageStarts: readonly number[] }> {
  try {
    // The parser takes the buffer over, so it gets one of its own.
    const document = await getDocumentProxy(new Uint8Array(bytes), { verbosity: 0 });
    try {
      const { items } = await extractTextItems(document);
      const title = String((await getMeta(document)).info?.Title ?? '').trim();
      return { ...joinPages(items.map(pageText)), headings: [], ...(title ? { title } : {}) };
    } finally {
      await document.loadingTask.destroy();
    }
  } catch (error) {
    throw new EdgeError('E_DOCUMENT_UNREADABLE', {
      what: `cannot read ${source}`,
      expected: 'a PDF without a password',
      found: error instanceof Error ? error.message : String(error),
      cause: error,
    });
  }
}

function pageText(items: readonly StructuredTextItem[]): string {
  let text = '';
  let previous: StructuredTextItem | undefined;
  for (const item of items) {
    if (previous && isNewLine(previous, item)) text = endLine(text, previous.y - item.y > PARAGRAPH_GAP * (item.fontSize || 10));
    text += item.str;
    if (item.str.trim() !== '') previous = item;
  }
  return text.replace(/[^\S\n]+/g, ' ').trim();
}

function isNewLine(previous: StructuredTextItem, item: StructuredTextItem): boolean {
  return item.str.trim() !== '' && Math.abs(previous.y - item.y) > (item.fontSize || 10) / 2;
}

function endLine(text: string, isParagraphEnd: boolean): string {
  if (isParagraphEnd) return `${text.trimEnd()}\n\n`;
  return /\p{Ll}-\s*$/u.test(text) ? text.replace(/-\s*$/, '') : `${text.trimEnd()} `;
}

function joinPages(pages: readonly string[]): { text: string; pageStarts: readonly number[] } {
  const pageStarts: number[] = [];
  let text = '';
  for (const page of pages) {
    if (page !== '' && text !== '') text += '\n\n';
    pageStarts.push(text.length);
    text += page;
  }
  return { text, pageStarts };
}
