import type { KnowledgeBase } from '#agent/retrieval/knowledge-base.ts';
import type { SearchOptions, SearchResult } from '#agent/retrieval/search.ts';
import type { ConfidenceModel, QaCoefficients, Strictness } from './coefficients.ts';
import { describeConfidence } from './confidence.ts';
import { type Features, scoreLinear, sigmoid } from './linear-model.ts';
import { describeSentences, type RankedSentence, rankSentences } from './select-sentences.ts';

/** The sentences that may answer a question, and how likely it is that they do. */
export interface FoundAnswer {
  readonly search: SearchResult;
  /** Best first; empty when nothing was found. */
  readonly sentences: readonly RankedSentence[];
  /** Probability that the documents hold the answer, 0..1. */
  readonly confidence: number;
  /** What the confidence was made of. */
  readonly evidence: Features;
  /** The model, with its thresholds, that made it. */
  readonly model: ConfidenceModel;
}

/** Passages compared by the confidence features; the calibration saw as many. */
const PASSAGES = 6;

/** Searches, ranks the sentences of the best passages, and weighs whether they answer at all. Throws what {@link KnowledgeBase.search} throws. */
export async function findAnswer(
  knowledge: KnowledgeBase,
  question: string,
  coefficients: QaCoefficients,
  options: Omit<SearchOptions, 'limit'> = {},
): Promise<FoundAnswer> {
  const search = await knowledge.search(question, { ...options, limit: PASSAGES });
  const sentences = rankSentences(describeSentences(search), coefficients.sentences);
  const isCalibrated = search.engine?.model === coefficients.embedModel;
  const model = isCalibrated ? coefficients.confidence : coefficients.lexicalConfidence;
  const evidence = describeConfidence(search, sentences);
  const confidence = sentences.length === 0 ? 0 : sigmoid(scoreLinear(model, evidence));
  return { search, sentences, confidence, evidence, model };
}

/** True when the answer is sure enough to be shown at this level. */
export function answers({ sentences, confidence, model }: FoundAnswer, strictness: Strictness): boolean {
  return sentences.length > 0 && confidence >= model.thresholds[strictness];
}
