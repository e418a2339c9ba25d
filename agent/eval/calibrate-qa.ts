import { type ConfidenceModel, type QaCoefficients, STRICTNESS, type Strictness } from '#agent/bots/qa/coefficients.ts';
import { DENSE_FEATURES, describeConfidence, LEXICAL_FEATURES } from '#agent/bots/qa/confidence.ts';
import { type LinearModel, scoreLinear, sigmoid } from '#agent/bots/qa/linear-model.ts';
import { describeSentences, rankSentences, SENTENCE_FEATURES, type SentenceCandidate } from '#agent/bots/qa/select-sentences.ts';
import type { KnowledgeBase } from '#agent/retrieval/knowledge-base.ts';
import type { SearchResult } from '#agent/retrieval/search.ts';
import { type Example, fitListwise, fitLogistic, type RankingExample } from './fit-linear.ts';
import { auroc, share, thresholdFor } from './metrics.ts';
import { holdsPhrase, type PageQuestions } from './page-questions.ts';
import { holdsAnswer, paragraphDocuments, type XquadQuestion } from './xquad.ts';

/** Share of the questions without an answer that each level may answer all the same. */
const ALLOWED_WRONG: Readonly<Record<Strictness, number>> = { strict: 0.03, balanced: 0.1, helpful: 0.25 };
/** Articles that a small knowledge base is made of, in turn. */
const SMALL_BASES = [1, 2, 4];
const PASSAGES = 6;
const FOLDS = 8;
const SENTENCE_L2 = 5;
const CONFIDENCE_L2 = 3;
/** How often a question on pages counts for the ranking and for the confidence: there are few of them, and they are what people meet first. */
const PAGE_IMPORTANCE = 2;

/** Coefficients, and what they reach on articles and questions they were not trained on (8 folds). */
export interface Calibration {
  readonly coefficients: QaCoefficients;
  readonly crossValidated: Readonly<Record<string, number>>;
}

type IsRight = (candidate: SentenceCandidate) => boolean;

/** A question in one situation: what was found, and which of it is right. */
interface Situation {
  readonly group: 'xquad' | 'small' | 'pages';
  readonly search: SearchResult;
  readonly candidates: readonly SentenceCandidate[];
  /** The documents hold the answer. */
  readonly answerable: boolean;
  readonly isRight: IsRight;
  readonly fold: number;
}

/** The two sources of questions, each with the knowledge base that they are asked of. */
export interface CalibrationData {
  readonly xquad: { readonly knowledge: KnowledgeBase; readonly questions: readonly XquadQuestion[] };
  readonly pages: { readonly knowledge: KnowledgeBase; readonly questions: PageQuestions };
}

/**
 * Trains the ranking of sentences and the confidence on questions whose answers are known. Encyclopaedia articles alone would teach
 * too much trust in shared words, so short pages under headings are trained on too, and knowledge bases of a few articles: a device may
 * hold ten passages as well as ten thousand.
 */
export async function calibrateQa(data: CalibrationData, onQuestion?: (done: number) => void): Promise<Calibration> {
  const situations = [...(await collectXquad(data.xquad, onQuestion)), ...(await collectPages(data.pages))];
  const embedModel = situations[0]?.search.engine?.model ?? '';
  const sentences = fitSentences(situations);
  const dense = fitConfidence(situations, sentences, [...LEXICAL_FEATURES, ...DENSE_FEATURES]);
  const lexical = fitConfidence(situations, sentences, LEXICAL_FEATURES);
  return {
    coefficients: { embedModel, sentences, confidence: dense.model, lexicalConfidence: lexical.model },
    crossValidated: { ...crossValidateSentences(situations), ...dense.scores, lexical_auroc: lexical.scores.xquad_auroc as number },
  };
}

async function collectXquad({ knowledge, questions }: CalibrationData['xquad'], onQuestion?: (done: number) => void): Promise<Situation[]> {
  const ids = paragraphDocuments(knowledge);
  const titles = new Map(knowledge.listDocuments().map((document) => [document.id, document.title]));
  const articles = [...new Set(titles.values())];
  const situations: Situation[] = [];
  for (const [i, question] of questions.entries()) {
    const gold = ids.get(question.paragraph) as string;
    const article = articles.indexOf(titles.get(gold) as string);
    const size = SMALL_BASES[i % SMALL_BASES.length] as number;
    const kept = new Set(articles.filter((_, at) => (at - article + articles.length) % articles.length < size));
    const outside = [...titles].filter(([, title]) => !kept.has(title)).map(([id]) => id);
    const find = async (group: Situation['group'], answerable: boolean, excludeDocuments: readonly string[]): Promise<void> => {
      const search = await knowledge.search(question.question, { limit: PASSAGES, excludeDocuments });
      situations.push({
        ...found(group, search),
        answerable,
        isRight: (candidate) => holdsAnswer(candidate, question),
        fold: article % FOLDS,
      });
    };
    await find('xquad', true, []);
    await find('xquad', false, [gold]);
    await find('small', true, outside);
    await find('small', false, [...outside, gold]);
    onQuestion?.(i + 1);
  }
  return situations;
}

async function collectPages({ knowledge, questions }: CalibrationData['pages']): Promise<Situation[]> {
  const ids = new Map(knowledge.listDocuments().map((document) => [document.source, document.id]));
  const situations: Situation[] = [];
  const find = async (question: string, fold: number, answer?: { isRight: IsRight; exclude?: string }): Promise<void> => {
    const excludeDocuments = answer?.exclude ? [answer.exclude] : [];
    const search = await knowledge.search(question, { limit: PASSAGES, excludeDocuments });
    const answerable = answer !== undefined && !answer.exclude;
    situations.push({ ...found('pages', search), answerable, isRight: answer?.isRight ?? (() => false), fold });
  };
  for (const [i, { question, source, phrases }] of questions.answerable.entries()) {
    const isRight: IsRight = ({ text }) => phrases.some((phrase) => holdsPhrase(text, phrase));
    await find(question, i % FOLDS, { isRight });
    await find(question, i % FOLDS, { isRight, exclude: ids.get(source) as string });
  }
  for (const [i, question] of questions.unanswerable.entries()) await find(question, i % FOLDS);
  return situations;
}

function found(group: Situation['group'], search: SearchResult): Pick<Situation, 'group' | 'search' | 'candidates'> {
  return { group, search, candidates: describeSentences(search) };
}

function fitSentences(situations: readonly Situation[]): LinearModel {
  const usable = situations.filter(({ group, answerable }) => answerable && group !== 'small');
  const examples = usable.flatMap(({ group, candidates, isRight }): RankingExample[] => {
    const example = { candidates: candidates.map((candidate) => candidate.features), right: candidates.map(isRight) };
    return Array<RankingExample>(group === 'pages' ? PAGE_IMPORTANCE : 1).fill(example);
  });
  return fitListwise(SENTENCE_FEATURES, examples, { l2: SENTENCE_L2 });
}

function crossValidateSentences(situations: readonly Situation[]): Record<string, number> {
  const outcomes = folds(situations).flatMap(({ train, test }) => {
    const model = fitSentences(train);
    return test
      .filter(({ answerable }) => answerable)
      .map(({ group, candidates, isRight }) => {
        const [best] = rankSentences(candidates, model);
        return { group, isRight: best !== undefined && isRight(best) };
      });
  });
  const quoted = (group: Situation['group']): number =>
    share(
      outcomes.filter((outcome) => outcome.group === group),
      (outcome) => outcome.isRight,
    );
  return { 'xquad_quote@1': quoted('xquad'), 'pages_quote@1': quoted('pages') };
}

function fitConfidence(
  situations: readonly Situation[],
  sentences: LinearModel,
  names: readonly string[],
): { readonly model: ConfidenceModel; readonly scores: Record<string, number> } {
  const described = situations.map(({ group, search, candidates, answerable, isRight, fold }) => {
    const ranked = rankSentences(candidates, sentences);
    const isQuoted = answerable && ranked.slice(0, 2).some(isRight);
    return { group, answerable, isQuoted, fold, features: describeConfidence(search, ranked) };
  });
  type Described = (typeof described)[number];
  const trainOn = (list: readonly Described[]): LinearModel => {
    const examples = list.map(({ group, isQuoted, features }): Example => {
      return { features, label: isQuoted ? 1 : 0, importance: group === 'pages' ? PAGE_IMPORTANCE : 1 };
    });
    return fitLogistic(names, examples, { l2: CONFIDENCE_L2 });
  };
  const held = folds(described).flatMap(({ train, test }) => {
    const model = trainOn(train);
    return test.map(({ group, answerable, features }) => ({ group, answerable, score: sigmoid(scoreLinear(model, features)) }));
  });
  const scoresOf = (group: Situation['group'], answerable: boolean): number[] =>
    held.filter((row) => row.group === group && row.answerable === answerable).map((row) => row.score);
  const thresholds = STRICTNESS.map((level) => {
    const threshold = thresholdFor(scoresOf('xquad', false), ALLOWED_WRONG[level]);
    return [level, Number(threshold.toFixed(4))] as const;
  });
  const model = { ...trainOn(described), thresholds: Object.fromEntries(thresholds) as Record<Strictness, number> };
  const groups = ['xquad', 'small', 'pages'] as const;
  const reached = (group: Situation['group'], answerable: boolean): number =>
    share(scoresOf(group, answerable), (score) => score >= model.thresholds.balanced);
  const scores = groups.flatMap((group) => [
    [`${group}_auroc`, auroc(scoresOf(group, true), scoresOf(group, false))],
    [`${group}_answered`, reached(group, true)],
    [`${group}_wrong`, reached(group, false)],
  ]);
  return { model, scores: Object.fromEntries(scores) as Record<string, number> };
}

function folds<T extends { readonly fold: number }>(items: readonly T[]): { train: T[]; test: T[] }[] {
  return Array.from({ length: FOLDS }, (_, fold) => ({
    train: items.filter((item) => item.fold !== fold),
    test: items.filter((item) => item.fold === fold),
  })).filter(({ test }) => test.length > 0);
}
