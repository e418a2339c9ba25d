/** A stretch of a text: `[start, end)` in UTF-16 units. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Shorter lines are taken as meant to end where they end: list entries, addresses, verse. */
const WRAPPED_LINE_CHARACTERS = 50;

const LIST_MARKER = /^\s*(?:[-*•–]|\d{1,3}[.)])\s+/;

/** Words that end with a full stop inside a sentence. */
const ABBREVIATION =
  /(?:^|[\s("'“])(?:\p{Lu}|Mr|Mrs|Ms|Dr|Prof|Sr|Jr|St|Mt|Ft|Gen|Col|Capt|Lt|Sgt|Rev|Hon|Gov|Sen|Rep|Pres|No|Nos|Vol|pp?|Fig|Figs|Eq|Sec|Ch|Art|vs|v|cf|ca|c|e\.g|i\.e|etc|al|approx|est|Inc|Ltd|Co|Corp|Dept|Univ|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|(?:\p{L}\.)+\p{L})\.\s*$/u;

const segmenter = new Intl.Segmenter('en', { granularity: 'sentence' });

/**
 * Sentences of `text.slice(span.start, span.end)`, in order, without surrounding white space and list markers. Paragraph
 * breaks and short lines end a sentence; Unicode's sentence rules (UAX 29) apply inside, mended after abbreviations and initials.
 */
export function sentenceSpans(text: string, span: Span = { start: 0, end: text.length }): Span[] {
  const sentences: Span[] = [];
  for (const block of hardBlocks(text, span)) sentences.push(...splitBlock(text, block));
  return sentences;
}

/** Stretches between the line breaks that are more than soft wraps. */
function hardBlocks(text: string, span: Span): Span[] {
  const blocks: Span[] = [];
  let start = span.start;
  let lineStart = span.start;
  for (let at = text.indexOf('\n', span.start); at !== -1 && at < span.end; at = text.indexOf('\n', at + 1)) {
    const nextLine = text.slice(at + 1, Math.min(span.end, at + 40));
    const isWrap = at - lineStart >= WRAPPED_LINE_CHARACTERS && !/^\s*\n/.test(nextLine) && !LIST_MARKER.test(nextLine);
    if (!isWrap) {
      blocks.push({ start, end: at });
      start = at + 1;
    }
    lineStart = at + 1;
  }
  blocks.push({ start, end: span.end });
  return blocks;
}

function splitBlock(text: string, block: Span): Span[] {
  const line = text.slice(block.start, block.end).replaceAll('\n', ' ');
  const sentences: Span[] = [];
  let start = LIST_MARKER.exec(line)?.[0].length ?? 0;
  for (const { index, segment } of segmenter.segment(line)) {
    const end = index + segment.length;
    if (end <= start) continue;
    if (end < line.length && !endsSentence(line.slice(Math.max(start, end - 24), end), line.slice(end, end + 12))) continue;
    const sentence = trim(line, start, end);
    if (sentence) sentences.push({ start: block.start + sentence.start, end: block.start + sentence.end });
    start = end;
  }
  return sentences;
}

function endsSentence(before: string, after: string): boolean {
  return !ABBREVIATION.test(before) && !/^\s*\p{Ll}/u.test(after);
}

function trim(text: string, start: number, end: number): Span | undefined {
  let from = start;
  let to = end;
  while (from < to && /\s/.test(text[from] as string)) from++;
  while (to > from && /\s/.test(text[to - 1] as string)) to--;
  return from < to ? { start: from, end: to } : undefined;
}
