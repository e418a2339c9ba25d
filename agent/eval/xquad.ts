import { readFileSync } from 'node:fs';
import type { QaCoefficients } from '#agent/bots/qa/coefficients.ts';
import { STRICTNESS, type Strictness } from '#agent/bots/qa/coefficients.ts';
import { type FoundAnswer, findAnswer } from '#agent/bots/qa/find-answer.ts';
import type { SentenceCandidate } from '#agent/bots/qa/select-sentences.ts';
import type { KnowledgeBase } from '#agent/retrieval/knowledge-base.ts';
import { auroc, share } from './metrics.ts';

/** A question of XQuAD: `paragraph` is the id of the corpus row that answers it. */
export interface XquadQuestion {
  readonly question: string;
  readonly answers: readonly string[];
  readonly paragraph: string;
}

/** Figures of one run; all are shares, 0..1. */
export interface XquadScores {
  /** The right paragraph is first, or among the first five. */
  readonly 'hit@1': number;
  readonly 'hit@5': number;
  readonly mrr: number;
  /** The best sentence, or one of the best two, stands in the right paragraph and contains the answer. */
  readonly 'quote@1': number;
  readonly 'quote@2': number;
  /** Confidence with the right paragraph there against confidence with it left out. */
  readonly abstention_auroc: number;
  /** Share answered although the right paragraph was left out, and answered when it was there, at each level. */
  readonly strict_wrong: number;
  readonly strict_answered: number;
  readonly balanced_wrong: number;
  readonly balanced_answered: number;
  readonly helpful_wrong: number;
  readonly helpful_answered: number;
}

/** Reads a questions file, one JSON object a line. */
export function readXquadQuestions(path: string): XquadQuestion[] {
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as XquadQuestion);
}

/** Scores the QA bot's own search and choice of sentences over a knowledge base that holds the corpus. */
export async function evaluateXquad(
  knowledge: KnowledgeBase,
  questions: readonly XquadQuestion[],
  coefficients: QaCoefficients,
  onQuestion?: (done: number) => void,
): Promise<XquadScores> {
  const documents = paragraphDocuments(knowledge);
  const outcomes: Outcome[] = [];
  for (const question of questions) {
    const present = await findAnswer(knowledge, question.question, coefficients);
    const excludeDocuments = [documents.get(question.paragraph) as string];
    const absent = await findAnswer(knowledge, question.question, coefficients, { excludeDocuments });
    outcomes.push({ question, present, absent });
    onQuestion?.(outcomes.length);
  }
  return scoreOutcomes(outcomes);
}

/** Document ids by paragraph id: a row's source ends with `#id`. */
export function paragraphDocuments(knowledge: KnowledgeBase): Map<string, string> {
  return new Map(knowledge.listDocuments().map((document) => [document.source.slice(document.source.lastIndexOf('#') + 1), document.id]));
}

/** True when a sentence stands in the right paragraph and contains an answer, letter case aside. */
export function holdsAnswer({ hit, text }: SentenceCandidate, { paragraph, answers }: XquadQuestion): boolean {
  return hit.chunk.source.endsWith(`#${paragraph}`) && answers.some((answer) => text.toLowerCase().includes(answer.toLowerCase()));
}

interface Outcome {
  readonly question: XquadQuestion;
  readonly present: FoundAnswer;
  readonly absent: FoundAnswer;
}

function scoreOutcomes(outcomes: readonly Outcome[]): XquadScores {
  const ranks = outcomes.map(({ question, present }) => {
    return present.search.hits.findIndex((hit) => hit.chunk.source.endsWith(`#${question.paragraph}`)) + 1;
  });
  const quoted = (count: number): number =>
    share(outcomes, ({ question, present }) => present.sentences.slice(0, count).some((sentence) => holdsAnswer(sentence, question)));
  const answers = (which: 'present' | 'absent', level: Strictness): number =>
    share(outcomes, (outcome) => outcome[which].confidence >= outcome[which].model.thresholds[level]);
  const levels = STRICTNESS.flatMap((level) => [
    [`${level}_wrong`, answers('absent', level)],
    [`${level}_answered`, answers('present', level)],
  ]);
  return {
    'hit@1': share(ranks, (rank) => rank === 1),
    'hit@5': share(ranks, (rank) => rank >= 1 && rank <= 5),
    mrr: ranks.reduce((sum, rank) => sum + (rank === 0 ? 0 : 1 / rank), 0) / ranks.length,
    'quote@1': quoted(1),
    'quote@2': quoted(2),
    abstention_auroc: auroc(
      outcomes.map((outcome) => outcome.present.confidence),
      outcomes.map((outcome) => outcome.absent.confidence),
    ),
    ...(Object.fromEntries(levels) as Record<`${Strictness}_${'wrong' | 'answered'}`, number>),
  };
}
