import { textInContext } from '#agent/retrieval/chunks.ts';
import { alignTokens, bestMatches, mean } from '#agent/retrieval/late-interaction.ts';
import { type SearchHit, type SearchQuestion, type SearchResult, zScores } from '#agent/retrieval/search.ts';
import type { Span } from '#agent/retrieval/text/sentences.ts';
import { contentWords, termsOf, wordsOf } from '#agent/retrieval/text/terms.ts';
import { answerTypeOf, hasAnswerOfType } from './answer-type.ts';
import { type Features, type LinearModel, scoreLinear, softmax } from './linear-model.ts';

/** A sentence that may hold the answer. */
export interface SentenceCandidate extends Span {
  readonly hit: SearchHit;
  readonly text: string;
  readonly features: Features;
}

/** A sentence with its chance of holding the answer, given that one of them does. */
export interface RankedSentence extends SentenceCandidate {
  readonly probability: number;
}

/** Chunks whose sentences are considered: more add more noise than answers. */
const CHUNKS = 3;

/** A question is no answer, however near it is. */
const QUESTION_END = /\?["'”’)\]]*$/;

/** Features that are compared among the candidates only, and the names of their z-scores. */
const RELATIVE = {
  cosine: 'cosineZ',
  maxSim: 'maxSimZ',
  maxSimContent: 'maxSimContentZ',
  maxSimWeakest: 'maxSimWeakestZ',
  maxSimRest: 'maxSimRestZ',
} as const;

/** What the ranking of sentences is trained on; none depends on the scale of one embedding model. */
export const SENTENCE_FEATURES = [
  ...Object.values(RELATIVE),
  'overlap',
  'contextOverlap',
  'pairs',
  'answerType',
  'chunkScore',
  'chunkFirst',
  'words',
  'first',
] as const;

/** All sentences of the best chunks, with what speaks for each. */
export function describeSentences({ hits, question }: SearchResult): SentenceCandidate[] {
  const all = hits.slice(0, CHUNKS).flatMap((hit, rank) => describeChunk(hit, { question, rank, hits }));
  const statements = all.filter(({ text }) => !QUESTION_END.test(text));
  const candidates = statements.length > 0 ? statements : all;
  const zOf = (name: keyof typeof RELATIVE): number[] => zScores(candidates.map((candidate) => candidate.features[name] ?? 0));
  const names = Object.keys(RELATIVE) as (keyof typeof RELATIVE)[];
  const columns = names.map((name) => [RELATIVE[name], zOf(name)] as const);
  return candidates.map((candidate, i) => ({
    ...candidate,
    features: { ...candidate.features, ...Object.fromEntries(columns.map(([name, values]) => [name, values[i]])) },
  }));
}

/** Ranks sentences by a listwise softmax over a linear score, best first. */
export function rankSentences(candidates: readonly SentenceCandidate[], model: LinearModel): RankedSentence[] {
  if (candidates.length === 0) return [];
  const probabilities = softmax(candidates.map((candidate) => scoreLinear(model, candidate.features)));
  const ranked = candidates.map((candidate, i) => ({ ...candidate, probability: probabilities[i] as number }));
  return ranked.sort((a, b) => b.probability - a.probability);
}

interface ChunkContext {
  readonly question: SearchQuestion;
  readonly rank: number;
  readonly hits: readonly SearchHit[];
}

function describeChunk(hit: SearchHit, { question, rank, hits }: ChunkContext): SentenceCandidate[] {
  const { chunk } = hit;
  const type = answerTypeOf(question.text);
  const late = lateFeatures(hit, question);
  const texts = chunk.sentences.map(({ start, end }) => chunk.text.slice(start - chunk.start, end - chunk.start));
  return chunk.sentences.map(({ start, end }, i) => {
    const text = texts[i] as string;
    const features = {
      cosine: hit.sentenceCosines[i],
      overlap: coverage(question.idf, text),
      contextOverlap: coverage(question.idf, `${chunk.path.join(' ')} ${texts[i - 1] ?? ''} ${text}`),
      pairs: sharedPairs(question.text, text),
      answerType: hasAnswerOfType(type, text, question.text) ? 1 : 0,
      chunkScore: hit.score - (hits[0] as SearchHit).score,
      chunkFirst: rank === 0 ? 1 : 0,
      words: Math.log(1 + wordsOf(text).length),
      first: i === 0 ? 1 : 0,
      ...late[i],
    };
    return { hit, start, end, text, features };
  });
}

/** Share of the question's terms, weighed by their rarity, that a text holds. */
export function coverage(idf: ReadonlyMap<string, number>, text: string): number {
  const terms = termsOf(text);
  let covered = 0;
  let total = 0;
  for (const [term, weight] of idf) {
    total += weight;
    if (terms.has(term)) covered += weight;
  }
  return total === 0 ? 0 : covered / total;
}

/** Share of the neighbouring content words of a question that stand within three words of each other in the text. */
function sharedPairs(question: string, text: string): number {
  const terms = contentWords(question).map((word) => word.term);
  if (terms.length < 2) return 0;
  const places = new Map<string, number[]>();
  for (const [at, { term }] of wordsOf(text).entries()) places.set(term, [...(places.get(term) ?? []), at]);
  let shared = 0;
  for (let i = 1; i < terms.length; i++) {
    const before = places.get(terms[i - 1] as string) ?? [];
    const after = places.get(terms[i] as string) ?? [];
    if (before.some((a) => after.some((b) => Math.abs(b - a) <= 3))) shared++;
  }
  return shared / (terms.length - 1);
}

/** MaxSim of the question to each sentence, its tokens encoded within the chunk: over all, content, weakest content and other tokens. */
function lateFeatures(hit: SearchHit, question: SearchQuestion): Features[] {
  const { chunk, tokens } = hit;
  if (!tokens || !question.tokens) return chunk.sentences.map(() => ({}));
  const isContent = contentTokens(question);
  const read = textInContext(chunk);
  const starts = alignTokens(read, tokens.tokens).map((at) => at + chunk.start - (read.length - chunk.text.length));
  return chunk.sentences.map(({ start, end }) => {
    const from = firstAtOrAfter(starts, start);
    const matches = bestMatches(question.tokens as NonNullable<SearchQuestion['tokens']>, tokens, from, firstAtOrAfter(starts, end));
    const content = [...matches].filter((_, i) => isContent[i]);
    return {
      maxSim: mean(matches),
      maxSimContent: mean(content),
      maxSimWeakest: content.length === 0 ? 0 : Math.min(...content),
      maxSimRest: mean([...matches].filter((_, i) => !isContent[i])),
    };
  });
}

/** Which of the question's tokens belong to content words. */
export function contentTokens({ text, tokens }: SearchQuestion): boolean[] {
  const words = contentWords(text);
  return alignTokens(text, tokens?.tokens ?? []).map((at) => words.some((word) => at >= word.start && at < word.end));
}

function firstAtOrAfter(starts: readonly number[], position: number): number {
  const found = starts.findIndex((start) => start >= position);
  return found === -1 ? starts.length : found;
}
