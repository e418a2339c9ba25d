import { bestMatches, mean } from '#agent/retrieval/late-interaction.ts';
import type { SearchHit, SearchResult } from '#agent/retrieval/search.ts';
import { answerTypeOf, hasAnswerOfType } from './answer-type.ts';
import type { Features } from './linear-model.ts';
import { contentTokens, coverage, type RankedSentence } from './select-sentences.ts';

/** Features that need no embedding model: what is left to go by when the installed one is not the one calibrated for. */
export const LEXICAL_FEATURES = [
  'coverageTop',
  'coverageBest',
  'coverageTop3',
  'coverageAll',
  'bm25Share',
  'bm25Margin',
  'bm25Agrees',
  'terms',
  'answerType',
] as const;

/** Features of the vectors; their scale is the model's own. */
export const DENSE_FEATURES = [
  'cosine',
  'cosineGap',
  'sentenceCosine',
  'sentenceGap',
  'cosineAgrees',
  'maxSim',
  'maxSimGap',
  'maxSimContent',
  'maxSimWeakest',
  'scoreGap',
  'sentenceProbability',
  'sentenceMaxSim',
  'sentenceWeakest',
] as const;

/** What tells whether the documents hold the answer at all. The hits are those of one search, the sentences theirs, best first. */
export function describeConfidence({ hits, question }: SearchResult, sentences: readonly RankedSentence[]): Features {
  const [top, second] = hits as readonly [SearchHit | undefined, SearchHit | undefined];
  const [best] = sentences;
  if (!top || !best) return {};
  const total = [...question.idf.values()].reduce((sum, idf) => sum + idf, 0) || 1;
  const bm25 = hits.map((hit) => hit.bm25);
  const cosines = hits.map((hit) => hit.cosine);
  const bestCosines = hits.map((hit) => Math.max(...hit.sentenceCosines));
  return {
    coverageTop: coverage(question.idf, readable(top)),
    coverageBest: coverage(question.idf, `${best.hit.chunk.path.join(' ')} ${best.text}`),
    coverageTop3: coverage(question.idf, hits.slice(0, 3).map(readable).join(' ')),
    coverageAll: coverage(question.idf, hits.map(readable).join(' ')),
    bm25Share: top.bm25 / total,
    bm25Margin: second && margin(top.bm25, Math.max(...bm25.slice(1))),
    bm25Agrees: top.bm25 === Math.max(...bm25) ? 1 : 0,
    terms: Math.log(1 + question.idf.size),
    answerType: typeFit(question.text, best.text),
    cosine: top.cosine,
    cosineGap: second && top.cosine - mean(cosines.slice(1)),
    sentenceCosine: Math.max(...top.sentenceCosines),
    sentenceGap: second && Math.max(...top.sentenceCosines) - mean(bestCosines.slice(1)),
    cosineAgrees: top.cosine === Math.max(...cosines) ? 1 : 0,
    scoreGap: second && top.score - second.score,
    sentenceProbability: best.probability,
    ...lateConfidence(hits, question, best),
  };
}

function lateConfidence(hits: readonly SearchHit[], question: SearchResult['question'], best: RankedSentence): Features {
  const [top] = hits;
  if (!top?.tokens || !question.tokens || top.maxSim === undefined) return {};
  const others = hits.slice(1).flatMap((hit) => (hit.maxSim === undefined ? [] : [hit.maxSim]));
  const isContent = contentTokens(question);
  const content = [...bestMatches(question.tokens, top.tokens)].filter((_, i) => isContent[i]);
  return {
    maxSim: top.maxSim,
    maxSimGap: others.length === 0 ? undefined : top.maxSim - Math.max(...others),
    maxSimContent: mean(content),
    maxSimWeakest: content.length === 0 ? undefined : Math.min(...content),
    sentenceMaxSim: best.features.maxSim,
    sentenceWeakest: best.features.maxSimWeakest,
  };
}

function readable({ chunk }: SearchHit): string {
  return `${chunk.path.join(' ')} ${chunk.text}`;
}

function margin(top: number, next: number): number {
  return top === 0 ? 0 : (top - next) / top;
}

function typeFit(question: string, answer: string): number {
  const type = answerTypeOf(question);
  if (type === 'other') return 0.5;
  return hasAnswerOfType(type, answer, question) ? 1 : 0;
}
