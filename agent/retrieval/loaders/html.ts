import { parseHTML } from 'linkedom';
import type { Heading } from '../document.ts';
import type { Span } from '../text/sentences.ts';

/** Plain text with its headings. */
export interface StructuredText {
  readonly text: string;
  readonly headings: readonly Heading[];
  /** Blocks of code, in order. */
  readonly code?: readonly Span[];
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

/**
 * Reads the visible text of an HTML page: navigation and scripts left out, list entries on lines of their own. A table row becomes a
 * paragraph that names its columns (`Leeds: Address 14 Weir Street; Sunday 11 am to 5 pm.`), so that it can be read alone.
 */
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
  else if (name === 'PRE') writer.verbatim(node.textContent ?? '', childrenOf(node, 'CODE').length > 0);
  else if (name === 'TABLE') walkTable(node, writer);
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

function walkTable(table: DomNode, writer: TextWriter): void {
  for (const caption of childrenOf(table, 'CAPTION')) walk(caption, writer);
  const groups = [table, ...childrenOf(table, 'THEAD', 'TBODY', 'TFOOT')];
  let columns: readonly string[] = [];
  for (const row of groups.flatMap((group) => childrenOf(group, 'TR'))) {
    const cells = childrenOf(row, 'TD', 'TH');
    const texts = cells.map((cell) => (cell.textContent ?? '').trim().replace(/\s+/g, ' '));
    if (cells.length > 1 && cells.every((cell) => cell.nodeName.toUpperCase() === 'TH')) columns = texts;
    else writer.row(rowText(texts, columns));
  }
}

/** A row in words; cells without a column name are only listed. */
function rowText(cells: readonly string[], columns: readonly string[]): string {
  const [first = '', ...rest] = cells.map((cell, i) => (i > 0 && columns[i] && cell ? `${columns[i]} ${cell}` : cell));
  const filled = rest.filter((cell) => cell !== '');
  if (filled.length === 0) return first;
  const list = filled.join('; ');
  return `${first}${first ? ': ' : ''}${list}${/[.!?:;]$/.test(list) ? '' : '.'}`;
}

function childrenOf(node: DomNode, ...names: readonly string[]): DomNode[] {
  return [...node.childNodes].filter((child) => names.includes(child.nodeName.toUpperCase()));
}

/** Collects text, folding white space as a browser does. */
class TextWriter {
  readonly #parts: string[] = [];
  readonly #headings: Heading[] = [];
  readonly #code: Span[] = [];
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

  row(text: string): void {
    this.#gap = '\n\n';
    if (text !== '') this.#write(text);
    this.#gap = '\n\n';
  }

  heading(level: number, text: string): void {
    const title = text.trim().replace(/\s+/g, ' ');
    if (title === '') return;
    this.#gap = '\n\n';
    this.#write(title);
    this.#headings.push({ level, title, start: this.#length - title.length, end: this.#length });
    this.#gap = '\n\n';
  }

  verbatim(text: string, isCode: boolean): void {
    this.#gap = '\n\n';
    const block = text.replace(/^\n+|\s+$/g, '');
    if (block !== '') {
      this.#write(block);
      if (isCode) this.#code.push({ start: this.#length - block.length, end: this.#length });
    }
    this.#gap = '\n\n';
  }

  finish(): { text: string; headings: readonly Heading[]; code: readonly Span[] } {
    return { text: this.#parts.join(''), headings: this.#headings, code: this.#code };
  }

  #write(text: string): void {
    const gap = this.#length === 0 || (this.#gap === ' ' && this.#last.endsWith(' ')) ? '' : this.#gap;
    this.#parts.push(gap + text);
    this.#length += gap.length + text.length;
    this.#last = text;
    this.#gap = '';
  }
}
