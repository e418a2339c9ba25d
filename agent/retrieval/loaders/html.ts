import { parseHTML } from 'linkedom';
import type { Heading } from '../document.ts';

/** Plain text with its headings. */
export interface StructuredText {
  readonly text: string;
  readonly headings: readonly Heading[];
  /** The document's own title, when it names one. */
  readonly title?: string;
}

/** The part of the DOM that is read here. */
interface DomNode {
  readonly nodeType: number;
  readonly nodeName: string;
  readonly textContent: string | null;
  readonly childNodes: Iterable<DomNode>;
}

const ELEMENT = 1;
const TEXT = 3;
const SKIPPED = new Set(
  'SCRIPT STYLE NOSCRIPT TEMPLATE HEAD NAV HEADER FOOTER ASIDE FORM BUTTON SELECT INPUT TEXTAREA SVG IFRAME OBJECT'.split(' '),
);
const BLOCKS = new Set(
  'P DIV SECTION ARTICLE MAIN BLOCKQUOTE UL OL DL DT DD TABLE FIGURE FIGCAPTION DETAILS SUMMARY ADDRESS HR BODY HTML'.split(' '),
);

/** Reads the visible text of an HTML page: navigation and scripts left out, list entries and table rows on lines of their own. */
export function readHtml(html: string): StructuredText {
  // The parser wants one root; a fragment has none.
  const { document } = parseHTML(/<html[\s>]/i.test(html) ? html : `<!doctype html><html><body>${html}</body></html>`);
  const writer = new TextWriter();
  const root = document.querySelector('main') ?? document.querySelector('article') ?? document.body ?? document.documentElement;
  if (root) walk(root as unknown as DomNode, writer);
  const title = document.querySelector('title')?.textContent?.trim().replace(/\s+/g, ' ');
  return { ...writer.finish(), ...(title ? { title } : {}) };
}

function walk(node: DomNode, writer: TextWriter): void {
  if (node.nodeType === TEXT) writer.inline(node.textContent ?? '');
  else if (node.nodeType === ELEMENT) walkElement(node, node.nodeName.toUpperCase(), writer);
}

function walkElement(node: DomNode, name: string, writer: TextWriter): void {
  if (SKIPPED.has(name)) return;
  const level = /^H([1-6])$/.exec(name)?.[1];
  if (level) writer.heading(Number(level), node.textContent ?? '');
  else if (name === 'PRE') writer.verbatim(node.textContent ?? '');
  else if (name === 'TR') writer.row(cellsOf(node));
  else if (name === 'BR') writer.line('');
  else if (BLOCKS.has(name)) {
    writer.paragraph();
    walkChildren(node, writer);
    writer.paragraph();
  } else {
    if (name === 'LI') writer.line('- ');
    walkChildren(node, writer);
    if (name === 'LI') writer.endLine();
  }
}

function walkChildren(node: DomNode, writer: TextWriter): void {
  for (const child of node.childNodes) walk(child, writer);
}

function cellsOf(row: DomNode): string[] {
  const cells = [...row.childNodes].filter((cell) => /^T[DH]$/i.test(cell.nodeName));
  return cells.map((cell) => (cell.textContent ?? '').trim().replace(/\s+/g, ' '));
}

/** Collects text, folding white space as a browser does. */
class TextWriter {
  readonly #parts: string[] = [];
  readonly #headings: Heading[] = [];
  #length = 0;
  #last = '';
  /** White space owed before the next text: nothing, a space, a line end or an empty line. */
  #gap: '' | ' ' | '\n' | '\n\n' = '';

  inline(text: string): void {
    const folded = text.replace(/\s+/g, ' ');
    if (folded.startsWith(' ') && this.#gap === '') this.#gap = ' ';
    const core = folded.trim();
    if (core === '') return;
    this.#write(core);
    if (folded.endsWith(' ')) this.#gap = ' ';
  }

  line(prefix: string): void {
    if (this.#gap !== '\n\n') this.#gap = '\n';
    if (prefix) this.#write(prefix);
  }

  /** What comes next begins a line, even after a paragraph. */
  endLine(): void {
    this.#gap = '\n';
  }

  paragraph(): void {
    // A paragraph inside a list entry stays on the entry's line.
    if (!this.#last.endsWith('- ')) this.#gap = '\n\n';
  }

  row(cells: readonly string[]): void {
    this.line('');
    this.#write(cells.join(' | '));
    this.#gap = '\n';
  }

  heading(level: number, text: string): void {
    const title = text.trim().replace(/\s+/g, ' ');
    if (title === '') return;
    this.#gap = '\n\n';
    this.#write(title);
    this.#headings.push({ level, title, start: this.#length - title.length, end: this.#length });
    this.#gap = '\n\n';
  }

  verbatim(text: string): void {
    this.#gap = '\n\n';
    if (text.trim() !== '') this.#write(text.replace(/^\n+|\s+$/g, ''));
    this.#gap = '\n\n';
  }

  finish(): { text: string; headings: readonly Heading[] } {
    return { text: this.#parts.join(''), headings: this.#headings };
  }

  #write(text: string): void {
    const gap = this.#length === 0 || (this.#gap === ' ' && this.#last.endsWith(' ')) ? '' : this.#gap;
    this.#parts.push(gap + text);
    this.#length += gap.length + text.length;
    this.#last = text;
    this.#gap = '';
  }
}
