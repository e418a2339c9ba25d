import type { Vocabulary } from './vocabulary.ts';

/** A word of the vocabulary, found in a message. */
export interface Term<T> {
  readonly value: T;
  readonly negated: boolean;
  readonly start: number;
  readonly end: number;
}

const NEGATION =
  /\b(?:not|no|non|without|except|avoid|other than|anything but|don'?t (?:want|like)|isn'?t|aren'?t)[ -](?:(?:in|a|an|the|any|from|of|made of|by|for)\s+)*$/;
const LIST_GLUE = /^\s*(?:,|,?\s*(?:or|and|nor))\s*(?:(?:in|a|an|the|any|from|of)\s+)*$/;

/**
 * Every term of one vocabulary in the (lower-case) text, longest phrase first, without overlaps. A negation before a term holds
 * for the terms that follow it in a list: `not black or grey`.
 */
export function findTerms<T>(text: string, vocabulary: Vocabulary<T>): Term<T>[] {
  const found = vocabulary.flatMap(([value, patterns]) =>
    patterns.flatMap((pattern) =>
      [...text.matchAll(new RegExp(`(?<![\\w-])(?:${pattern})(?![\\w-])`, 'g'))].map((match) => {
        const start = match.index + match[0].length - match[0].trimStart().length;
        return { value, start, end: match.index + match[0].length };
      }),
    ),
  );
  const kept: (typeof found)[number][] = [];
  for (const term of found.sort((a, b) => b.end - b.start - (a.end - a.start) || a.start - b.start)) {
    if (kept.every((other) => term.end <= other.start || term.start >= other.end)) kept.push(term);
  }
  const terms: Term<T>[] = [];
  for (const term of kept.sort((a, b) => a.start - b.start)) {
    const previous = terms.at(-1);
    const inherited = previous?.negated === true && LIST_GLUE.test(text.slice(previous.end, term.start));
    terms.push({ ...term, negated: inherited || NEGATION.test(text.slice(0, term.start)) });
  }
  return terms;
}
