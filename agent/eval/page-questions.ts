import { readFileSync } from 'node:fs';
import type { QaCoefficients, Strictness } from '#agent/bots/qa/coefficients.ts';
import { answers, findAnswer } from '#agent/bots/qa/find-answer.ts';
import { chooseQuotes } from '#agent/bots/qa/quote.ts';
import type { KnowledgeBase } from '#agent/retrieval/knowledge-base.ts';

/** A question of a person, the page that answers it, and phrases of which a right quote holds one. */
export interface PageQuestion {
  readonly question: string;
  readonly source: string;
  readonly phrases: readonly string[];
}

/** Questions on the bots' default knowledge. */
export interface PageQuestions {
  readonly answerable: readonly PageQuestion[];
  readonly unanswerable: readonly string[];
}

/** How one question went: `wrong` is a quote without the answer, `silent` an abstention. */
export interface PageOutcome {
  readonly question: string;
  readonly verdict: 'right' | 'wrong' | 'silent';
  readonly confidence: number;
  readonly quotes: readonly string[];
  /** Page of each quote, or of the nearest sentences. */
  readonly sources: readonly string[];
}

/** Reads a file of page questions. */
export function readPageQuestions(path: string | URL): PageQuestions {
  return JSON.parse(readFileSync(path, 'utf8')) as PageQuestions;
}

/** Asks every question. An answerable one is right when a quote holds its phrase, an unanswerable one when nothing is quoted. */
export async function askPages(
  knowledge: KnowledgeBase,
  { answerable, unanswerable }: PageQuestions,
  coefficients: QaCoefficients,
  strictness: Strictness,
): Promise<{ readonly answerable: readonly PageOutcome[]; readonly unanswerable: readonly PageOutcome[] }> {
  const ask = async (question: string, isRight: (quotes: readonly string[]) => boolean): Promise<PageOutcome> => {
    const found = await findAnswer(knowledge, question, coefficients);
    const chosen = chooseQuotes(found.sentences);
    const quotes = chosen.map(({ text }) => text);
    const verdict = answers(found, strictness) ? (isRight(quotes) ? 'right' : 'wrong') : 'silent';
    return { question, verdict, confidence: found.confidence, quotes, sources: chosen.map(({ hit }) => hit.chunk.source) };
  };
  const outcomes = { answerable: [] as PageOutcome[], unanswerable: [] as PageOutcome[] };
  for (const { question, phrases } of answerable) {
    outcomes.answerable.push(await ask(question, (quotes) => phrases.some((phrase) => quotes.some((quote) => holdsPhrase(quote, phrase)))));
  }
  for (const question of unanswerable) outcomes.unanswerable.push(await ask(question, () => false));
  return outcomes;
}

/** True when a text holds the phrase, letter case and line breaks aside. */
export function holdsPhrase(text: string, phrase: string): boolean {
  const fold = (value: string): string => value.toLowerCase().replace(/\s+/g, ' ');
  return fold(text).includes(fold(phrase));
}
