import { stem } from './stem.ts';

/** A word of a text and where it stands. */
export interface Word {
  /** As written. */
  readonly text: string;
  /** Lower case, without accents, stemmed: how the full-text index stores it. */
  readonly term: string;
  readonly start: number;
  readonly end: number;
}

/** Words as SQLite's `unicode61` cuts them: runs of letters, digits and marks. */
const WORD = /[\p{L}\p{N}\p{M}\p{Co}]+/gu;

/** The words of a text, in order. */
export function wordsOf(text: string): Word[] {
  return [...text.matchAll(WORD)].map((match) => ({
    text: match[0],
    term: stem(match[0].normalize('NFD').replace(/\p{M}/gu, '').toLowerCase()),
    start: match.index,
    end: match.index + match[0].length,
  }));
}

/** Hyphenated words, joined: `re-soled` is found as `resoled` too. */
export function joinCompounds(text: string): string[] {
  return (text.match(/[\p{L}\p{N}]+(?:[-\u2010\u2011][\p{L}\p{N}]+)+/gu) ?? []).map((word) => word.replace(/[-\u2010\u2011]/g, ''));
}

/** All terms of a text, those of {@link joinCompounds} included. */
export function termsOf(text: string): Set<string> {
  return new Set(wordsOf([text, ...joinCompounds(text)].join(' ')).map((word) => word.term));
}

/** Function words of English, which say what a question asks for but not what it is about. */
const STOP_WORDS = new Set(
  (
    'a about after all also am an and any are as at be because been before being between both but by can could d did do does doing ' +
    'during each either else ever few for from further get gets give given had has have having he her here hers herself him himself his ' +
    'how i if in into is it its itself just know let ll may me might more most much must my myself no nor not of off on once one only or ' +
    'other our ours out over own please re s same shall she should so some such t tell than that the their theirs them themselves then ' +
    'there these they this those though through to too under until up upon us ve very was we were what when where whether which while ' +
    'who whom whose why will with within without would you your yours'
  ).split(' '),
);

/** True for words that carry no topic. */
export function isStopWord(word: string): boolean {
  return STOP_WORDS.has(word.toLowerCase());
}

/** The words that a question is about: stop words left out, unless nothing else is there. */
export function contentWords(text: string): Word[] {
  const words = wordsOf(text);
  const content = words.filter((word) => !isStopWord(word.text));
  return content.length > 0 ? content : words;
}

/** Distinct {@link contentWords} terms, in order. */
export function contentTerms(text: string): string[] {
  return [...new Set(contentWords(text).map((word) => word.term))];
}
