import mammoth from 'mammoth';
import { EdgeError } from '#edge/core/errors.ts';
import { readHtml, type StructuredText } from './html.ts';

/**
 * Reads a Word document: paragraphs, headings, lists and tables. Pictures are left out.
 * @throws EdgeError `E_DOCUMENT_UNREADABLE`
 */
export async function readDocx(bytes: Uint8Array, source: string): Promise<StructuredText> {
  try {
    const { value } = await mammoth.convertToHtml({ buffer: Buffer.from(bytes) }, { convertImage: mammoth.images.imgElement(noImage) });
    return readHtml(`<html><body>${value}</body></html>`);
  } catch (error) {
    throw new EdgeError('E_DOCUMENT_UNREADABLE', {
      what: `cannot read ${source}`,
      expected: 'a DOCX document',
      found: error instanceof Error ? error.message : String(error),
      cause: error,
    });
  }
}

function noImage(): Promise<{ src: string }> {
  return Promise.resolve({ src: '' });
}
