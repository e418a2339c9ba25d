import { type Heading, type LoadedDocument, pageAt } from './document.ts';
import { type Span, sentenceSpans } from './text/sentences.ts';

/** What is found and read: one or more whole paragraphs of one section, or whole sentences of a long paragraph. */
export interface Chunk extends Span {
  /** `document.text.slice(start, end)`. */
  readonly text: string;
  /** Document title and the headings above, outermost first. */
  readonly path: readonly string[];
  readonly page?: number;
  /** Sentences inside, as positions in the document. */
  readonly sentences: readonly Span[];
}

/** A chunk's text under its title path: what an encoder reads. */
export function textInContext({ path, text }: Pick<Chunk, 'path' | 'text'>): string {
  return `${path.join(' > ')}\n${text}`;
}

/** A chunk is closed at the first paragraph end past this many characters ... */
const TARGET_CHARACTERS = 700;
/** ... and never grows past this: about 450 tokens, which an encoder with 512 input tokens reads whole. */
const MAX_CHARACTERS = 1800;
/** Characters of a sentence with the block of code that belongs to it. */
const MAX_QUOTED_CODE = 400;

/**
 * Cuts a document along headings, paragraphs and sentences, in this order. No chunk crosses a heading; a sentence is cut
 * only when it alone is longer than a chunk may be.
 */
export function chunkDocument(document: LoadedDocument): Chunk[] {
  const chunks: Chunk[] = [];
  for (const section of sectionsOf(document)) {
    for (const sentences of packSentences(document, section)) chunks.push(toChunk(document, section.path, sentences));
  }
  return chunks;
}

interface Section extends Span {
  readonly path: readonly string[];
}

function sectionsOf(document: LoadedDocument): Section[] {
  const { text, title, headings } = document;
  const sections: Section[] = [{ start: 0, end: headings[0]?.start ?? text.length, path: [title] }];
  const open: Heading[] = [];
  headings.forEach((heading, index) => {
    while (open.length > 0 && (open.at(-1) as Heading).level >= heading.level) open.pop();
    open.push(heading);
    const titles = open.map((entry) => entry.title);
    const path = titles[0] === title ? titles : [title, ...titles];
    sections.push({ start: heading.end, end: headings[index + 1]?.start ?? text.length, path });
  });
  const filled = sections.filter((section) => text.slice(section.start, section.end).trim() !== '');
  // A document that is nothing but headings is still worth finding.
  return filled.length > 0 || text.trim() === '' ? filled : [{ start: 0, end: text.length, path: [title] }];
}

function* packSentences({ text, code = [] }: LoadedDocument, section: Section): Generator<Span[]> {
  let pack: Span[] = [];
  const size = (extra: Span): number => extra.end - (pack[0] ?? extra).start;
  for (const sentences of sentencesByParagraph(text, section, code)) {
    const last = sentences.at(-1);
    if (last && pack.length > 0 && size(last) > MAX_CHARACTERS) {
      yield pack;
      pack = [];
    }
    for (const sentence of sentences) {
      if (pack.length > 0 && size(sentence) > MAX_CHARACTERS) {
        yield pack;
        pack = [];
      }
      pack.push(sentence);
    }
    if (last && pack.length > 0 && size(last) >= TARGET_CHARACTERS) {
      yield pack;
      pack = [];
    }
  }
  if (pack.length > 0) yield pack;
}

/** Sentences of each paragraph. A block of code says nothing alone: it belongs to the sentence before it, unless that grew too long. */
function sentencesByParagraph(text: string, section: Section, code: readonly Span[]): Span[][] {
  const paragraphs: Span[][] = [];
  let start = section.start;
  const readProse = (end: number): void => {
    for (const paragraph of paragraphsOf(text, { start, end })) {
      paragraphs.push(sentenceSpans(text, paragraph).flatMap((sentence) => cutLong(text, sentence)));
    }
  };
  for (const block of code.filter((span) => span.start >= section.start && span.end <= section.end)) {
    readProse(block.start);
    const before = paragraphs.findLast((sentences) => sentences.length > 0);
    const lead = before?.at(-1);
    if (before && lead && block.end - lead.start <= MAX_QUOTED_CODE) before[before.length - 1] = { start: lead.start, end: block.end };
    else paragraphs.push(cutLong(text, block));
    start = block.end;
  }
  readProse(section.end);
  return paragraphs;
}

function paragraphsOf(text: string, section: Span): Span[] {
  const paragraphs: Span[] = [];
  let start = section.start;
  for (const gap of text.slice(section.start, section.end).matchAll(/\n[^\S\n]*\n\s*/g)) {
    paragraphs.push({ start, end: section.start + gap.index });
    start = section.start + gap.index + gap[0].length;
  }
  paragraphs.push({ start, end: section.end });
  return paragraphs;
}

/** Pieces of at most {@link MAX_CHARACTERS}, cut at white space where there is some, never inside a surrogate pair. */
function cutLong(text: string, sentence: Span): Span[] {
  const pieces: Span[] = [];
  let start = sentence.start;
  while (sentence.end - start > MAX_CHARACTERS) {
    const window = text.slice(start, start + MAX_CHARACTERS);
    const space = window.search(/\s\S*$/);
    let end = space > MAX_CHARACTERS / 2 ? start + space : start + MAX_CHARACTERS;
    if (/[\uD800-\uDBFF]/.test(text[end - 1] as string)) end--;
    pieces.push({ start, end });
    start = end;
    while (start < sentence.end && /\s/.test(text[start] as string)) start++;
  }
  if (start < sentence.end) pieces.push({ start, end: sentence.end });
  return pieces;
}

function toChunk(document: LoadedDocument, path: readonly string[], sentences: readonly Span[]): Chunk {
  const start = (sentences[0] as Span).start;
  const end = (sentences.at(-1) as Span).end;
  const page = pageAt(document.pageStarts, start);
  return { start, end, text: document.text.slice(start, end), path, sentences, ...(page === undefined ? {} : { page }) };
}
