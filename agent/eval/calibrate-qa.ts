import { type ConfidenceModel, type QaCoefficients, STRICTNESS, type Strictness } from '#agent/bots/qa/coefficients.ts';
import { DENSE_FEATURES, describeConfidence, LEXICAL_FEATURES } from '#agent/bots/qa/confidence.ts';
import { type Features, type LinearModel, scoreLinear, sigmoid } from '#agent/bots/qa/linear-model.ts';
import { describeSentences, rankSentences, SENTENCE_FEATURES } from '#agent/bots/qa/select-sentences.ts';
import type { KnowledgeBase } from '#agent/retrieval/knowledge-base.ts';
import type { SearchResult } from '#agent/retrieval/search.ts';
import { type Example, fitListwise, fitLogistic, type RankingExample } from './fit-linear.ts';
import { auroc, thresholdFor } from './metrics.ts';
import { holdsAnswer, paragraphDocuments, type XquadQuestion } from './xquad.ts';

/** Share of the questions without an answer that each level may answer all the same. */
const ALLOWED_WRONG: Readonly<Record<Strictness, number>> = { strict: 0.03, balanced: 0.1, helpful: 0.25 };
/** Articles that a small knowledge base is made of, in turn. */
const SMALL_BASES = [1, 2, 4];
const PASSAGES = 6;
const FOLDS = 8;
const SENTENCE_L2 = 5;
const CONFIDENCE_L2 = 3;

/** Coefficients, and what they reach on articles they were not trained on (8 folds). */
export interface Calibration {
  readonly coefficients: QaCoefficients;
  readonly crossValidated: {
    readonly 'quote@1': number;
    readonly abstention_auroc: number;
    readonly lexical_auroc: number;
    readonly small_auroc: number;
  };
}

/** One question in four situations: whole or small knowledge base, its paragraph there or left out. */
interface Sample {
  readonly question: XquadQuestion;
  readonly fold: number;
  readonly present: SearchResult;
  readonly absent: SearchResult;
  readonly smallPresent: SearchResult;
  readonly smallAbsent: SearchResult;
}

/**
 * Trains the ranking of sentences and the confidence on questions whose answers are known. Knowledge bases of a few articles are trained on
 * too: a device may hold ten passages as well as ten thousand.
 */
export async function calibrateQa(
  knowledge: KnowledgeBase,
  questions: readonly XquadQuestion[],
  onQuestion?: (done: number) => void,
): Promise<Calibration> {
  const samples = await collect(knowledge, questions, onQuestion);
  const embedModel = samples[0]?.present.engine?.model ?? '';
  const sentences = fitSentences(samples);
  const dense = fitConfidence(samples, sentences, [...LEXICAL_FEATURES, ...DENSE_FEATURES]);
  const lexical = fitConfidence(samples, sentences, LEXICAL_FEATURES);
  return {
    coefficients: { embedModel, sentences, confidence: dense.model, lexicalConfidence: lexical.model },
    crossValidated: {
      'quote@1': crossValidateSentences(samples),
      abstention_auroc: dense.auroc,
      lexical_auroc: lexical.auroc,
      small_auroc: dense.smallAuroc,
    },
  };
}

async function collect(
  knowledge: KnowledgeBase,
  questions: readonly XquadQuestion[],
  onQuestion?: (done: number) => void,
): Promise<Sample[]> {
  const ids = paragraphDocuments(knowledge);
  const titles = new Map(knowledge.listDocuments().map((document) => [document.id, document.title]));
  const articles = [...new Set(titles.values())];
  const samples: Sample[] = [];
  for (const [i, question] of questions.entries()) {
    const gold = ids.get(question.paragraph) as string;
    const article = articles.indexOf(titles.get(gold) as string);
    const size = SMALL_BASES[i % SMALL_BASES.length] as number;
    const kept = new Set(articles.filter((_, at) => (at - article + articles.length) % articles.length < size));
    const outside = [...titles].filter(([, title]) => !kept.has(title)).map(([id]) => id);
    const find = (excludeDocuments: readonly string[]): Promise<SearchResult> =>
      knowledge.search(question.question, { limit: PASSAGES, excludeDocuments });
    samples.push({
      question,
      fold: article % FOLDS,
      present: await find([]),
      absent: await find([gold]),
      smallPresent: await find(outside),
      smallAbsent: await find([...outside, gold]),
    });
    onQuestion?.(samples.length);
  }
  return samples;
}

function fitSentences(samples: readonly Sample[]): LinearModel {
  const examples = samples.map(({ question, present }): RankingExample => {
    const candidates = describeSentences(present);
    return {
      candidates: candidates.map((candidate) => candidate.features),
      right: candidates.map((candidate) => holdsAnswer(candidate, question)),
    };
  });
  return fitListwise(SENTENCE_FEATURES, examples, { l2: SENTENCE_L2 });
}

function crossValidateSentences(samples: readonly Sample[]): number {
  let right = 0;
  for (const { train, test } of folds(samples)) {
    const model = fitSentences(train);
    for (const { question, present } of test) {
      const [best] = rankSentences(describeSentences(present), model);
      if (best && holdsAnswer(best, question)) right++;
    }
  }
  return right / samples.length;
}

function fitConfidence(
  samples: readonly Sample[],
  sentences: LinearModel,
  names: readonly string[],
): { readonly model: ConfidenceModel; readonly auroc: number; readonly smallAuroc: number } {
  const featuresOf = (search: SearchResult): Features => describeConfidence(search, rankSentences(describeSentences(search), sentences));
  const described = samples.map((sample) => ({
    fold: sample.fold,
    present: featuresOf(sample.present),
    absent: featuresOf(sample.absent),
    smallPresent: featuresOf(sample.smallPresent),
    smallAbsent: featuresOf(sample.smallAbsent),
  }));
  type Described = (typeof described)[number];
  const examples = (list: readonly Described[]): Example[] =>
    list.flatMap((sample) => [
      { features: sample.present, label: 1 },
      { features: sample.absent, label: 0 },
      { features: sample.smallPresent, label: 1 },
      { features: sample.smallAbsent, label: 0 },
    ]);
  const trainOn = (list: readonly Described[]): LinearModel => fitLogistic(names, examples(list), { l2: CONFIDENCE_L2 });
  const held = folds(described).flatMap(({ train, test }) => {
    const model = trainOn(train);
    const probability = (features: Features): number => sigmoid(scoreLinear(model, features));
    return test.map((sample) => ({
      present: probability(sample.present),
      absent: probability(sample.absent),
      smallPresent: probability(sample.smallPresent),
      smallAbsent: probability(sample.smallAbsent),
    }));
  });
  const column = (name: keyof (typeof held)[number]): number[] => held.map((row) => row[name]);
  const absent = column('absent');
  const thresholds = STRICTNESS.map((level) => [level, Number(thresholdFor(absent, ALLOWED_WRONG[level]).toFixed(4))]);
  return {
    model: { ...trainOn(described), thresholds: Object.fromEntries(thresholds) as Record<Strictness, number> },
    auroc: auroc(column('present'), absent),
    smallAuroc: auroc(column('smallPresent'), column('smallAbsent')),
  };
}

function folds<T extends { readonly fold: number }>(samples: readonly T[]): { train: T[]; test: T[] }[] {
  return Array.from({ length: FOLDS }, (_, fold) => ({
    train: samples.filter((sample) => sample.fold !== fold),
    test: samples.filter((sample) => sample.fold === fold),
  })).filter(({ test }) => test.length > 0);
}
