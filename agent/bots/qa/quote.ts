import type { SearchHit } from '#agent/retrieval/search.ts';
import type { Span } from '#agent/retrieval/text/sentences.ts';
import type { Citation } from '#edge/contracts/parts.ts';
import type { RankedSentence } from './select-sentences.ts';

/** A second sentence is shown when it is at least this likely compared to the first. */
const SECOND_SHARE = 0.4;

/** Text around a quote that goes with it, each side. */
const CONTEXT_CHARACTERS = 400;

/** The one or two sentences to show, the second only when it is nearly as likely; of one passage, in reading order. */
export function chooseQuotes([first, second]: readonly RankedSentence[]): RankedSentence[] {
  if (!first) return [];
  if (!second || second.probability < SECOND_SHARE * first.probability) return [first];
  const isReadAfter = second.hit.chunk.id !== first.hit.chunk.id || second.start > first.start;
  return isReadAfter ? [first, second] : [second, first];
}

/** The citation of a span of a passage. */
export function citationOf(hit: SearchHit, span: Span, number: number): Citation {
  const { chunk } = hit;
  const [from, to] = [span.start - chunk.start, span.end - chunk.start];
  return {
    number,
    documentId: chunk.documentId,
    source: chunk.source,
    title: chunk.path.join(' > '),
    start: span.start,
    end: span.end,
    text: chunk.text.slice(from, to),
    before: chunk.text.slice(Math.max(0, from - CONTEXT_CHARACTERS), from),
    after: chunk.text.slice(to, to + CONTEXT_CHARACTERS),
    ...(chunk.page === undefined ? {} : { page: chunk.page }),
  };
}

/** The answer text of quotes: each sentence as it stands, white space folded, with its number. */
export function quoteText(citations: readonly Citation[]): string {
  return citations.map((citation) => `${citation.text.replace(/\s+/g, ' ')} [${citation.number}]`).join(' ');
}
