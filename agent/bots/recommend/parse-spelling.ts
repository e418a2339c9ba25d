import { isVocabularyWord } from './parse-message.ts';
import { NOT_TYPOS, SOFT_WORDS, SPELLING_WORDS, STOP_WORDS } from './vocabulary.ts';

/** A message after its slips of the pen were corrected. */
export interface Spelling {
  readonly text: string;
  readonly corrections: readonly { readonly from: string; readonly to: string }[];
}

/** Letters from which a word may be a misspelt one: shorter ones lie too close to too many others. */
const MIN_LETTERS = 4;
/** Letters up to which one edit is allowed; longer words may have two. */
const SHORT_LETTERS = 6;

/**
 * Replaces words that nobody knows by the nearest word of the vocabulary: within one edit up to six letters, two beyond.
 * @param isKnown whether the catalogue has a word, which is then left alone.
 */
export function correctSpelling(
  message: string,
  { brands, isKnown }: { readonly brands: readonly string[]; readonly isKnown: (word: string) => boolean },
): Spelling {
  const candidates = [...SPELLING_WORDS, ...brands.flatMap((brand) => brand.toLowerCase().split(' '))];
  const corrections: { from: string; to: string }[] = [];
  const text = message.replaceAll(/(?<![\w'@.-])[a-z]+(?![\w'@-])/gi, (word) => {
    const from = word.toLowerCase();
    if (from.length < MIN_LETTERS || isPlainWord(from) || candidates.includes(from) || isKnown(from)) return word;
    const to = nearest(from, candidates);
    if (to === undefined) return word;
    corrections.push({ from, to });
    return to;
  });
  return { text, corrections };
}

function isPlainWord(word: string): boolean {
  return STOP_WORDS.has(word) || SOFT_WORDS.has(word) || NOT_TYPOS.has(word) || isVocabularyWord(word);
}

function nearest(word: string, candidates: readonly string[]): string | undefined {
  const limit = word.length > SHORT_LETTERS ? 2 : 1;
  const scored = candidates
    .filter((candidate) => candidate.length >= MIN_LETTERS && Math.abs(candidate.length - word.length) <= limit)
    .map((candidate) => ({ candidate, distance: damerauLevenshtein(word, candidate) }))
    .filter(({ candidate, distance }) => distance <= limit && beginsAlike(word, candidate))
    .sort((a, b) => a.distance - b.distance);
  return scored[0]?.candidate;
}

/** People seldom get the first letter wrong; another one makes another word (`pockets`, `jackets`). It may be lost, doubled or swapped. */
function beginsAlike(a: string, b: string): boolean {
  return a[0] === b[0] || a === b.slice(1) || a.slice(1) === b || (a[0] === b[1] && a[1] === b[0]);
}

/** Insertions, deletions, replacements and swaps of neighbours between two words (optimal string alignment; Damerau 1964). */
function damerauLevenshtein(a: string, b: string): number {
  const rows = Array.from({ length: a.length + 1 }, (_, i) =>
    Array.from({ length: b.length + 1 }, (_, j) => (i === 0 ? j : j === 0 ? i : 0)),
  );
  const at = (i: number, j: number): number => rows[i]?.[j] ?? 0;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const replaced = at(i - 1, j - 1) + Number(a[i - 1] !== b[j - 1]);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? at(i - 2, j - 2) + 1 : replaced;
      (rows[i] as number[])[j] = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, replaced, swapped);
    }
  }
  return at(a.length, b.length);
}
