import { isStopWord, termsOf, wordsOf } from '#agent/retrieval/text/terms.ts';

/** Share of a text's content words that the passage need not hold: room for a joining verb, not for a new fact. */
const FREE_SHARE = 0.1;
/** Words in a row that a text may not say twice. */
const REPEATED_WORDS = 4;

/**
 * True when a phrased text says nothing that its passage does not: every number and every name stands there, nearly every
 * other content word too, and nothing is said twice. A check of words, not of sense: it lets a faithful phrasing through and
 * stops what small models make up.
 */
export function isSupportedBy(text: string, passage: string): boolean {
  const known = termsOf(passage);
  const words = wordsOf(text).filter((word) => !isStopWord(word.text));
  const unknown = words.filter((word) => !known.has(word.term));
  const isName = (word: { readonly text: string; readonly start: number }): boolean =>
    /^\p{Lu}/u.test(word.text) && !/(?:^|[.!?]\s+)$/.test(text.slice(0, word.start));
  if (words.length === 0 || unknown.some((word) => /\p{N}/u.test(word.text) || isName(word))) return false;
  return unknown.length <= FREE_SHARE * words.length && !repeatsItself(text);
}

function repeatsItself(text: string): boolean {
  const terms = wordsOf(text).map((word) => word.term);
  const runs = terms.slice(REPEATED_WORDS - 1).map((_, i) => terms.slice(i, i + REPEATED_WORDS).join(' '));
  return new Set(runs).size < runs.length;
}
