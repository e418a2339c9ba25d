import type { ModelCard } from '#edge/contracts/model.ts';
import type { Candidate, PlanProfile } from '#edge/contracts/plan.ts';
import type { PlanInput } from './plan-input.ts';

/** Below this a task is no fun: reading speed for text, in tokens a second; a quarter of a second for every other call. */
const TARGET_DECODE = 10;
const TARGET_CALL_SECONDS = 0.25;
const TARGET_MARGIN = 1.2;

/** Loss below full precision that nobody notices. */
const ACCEPTABLE_QUALITY = 0.95;

interface Subject {
  readonly candidate: Candidate;
  readonly card: ModelCard;
  readonly input: PlanInput;
}

/** What counts, each as a number of which more is better. */
const CRITERIA = {
  'preferred model': ({ candidate, input }) => Number(candidate.model === input.settings.preferredModel),
  'target speed': ({ candidate }) => Number(meetsTarget(candidate)),
  'acceptable quality': ({ candidate }) => Number(candidate.quality >= ACCEPTABLE_QUALITY),
  'model size': ({ card }) => card.parameters,
  quality: ({ candidate }) => candidate.quality,
  'call time': ({ candidate }) => -candidate.estimate.callSeconds.value,
  'energy a step': ({ candidate }) => -candidate.estimate.memory.weightsBytes,
  'fewer threads': ({ candidate }) => -candidate.threads,
  'less memory': ({ candidate }) => -candidate.estimate.memory.totalBytes,
} as const satisfies Readonly<Record<string, (subject: Subject) => number>>;

export type Criterion = keyof typeof CRITERIA;

/** The order in which each profile asks; the first difference decides, and equal candidates go by id. */
export const PROFILE_ORDER: Readonly<Record<PlanProfile, readonly Criterion[]>> = {
  latency: ['preferred model', 'target speed', 'acceptable quality', 'call time', 'quality', 'less memory'],
  quality: ['preferred model', 'target speed', 'model size', 'quality', 'call time', 'less memory'],
  battery: ['preferred model', 'target speed', 'acceptable quality', 'energy a step', 'fewer threads', 'call time', 'less memory'],
};

/** Candidates best first: those that may run, then those that only need a download, then the rest by the number of reasons. */
export function rank(candidates: readonly Candidate[], input: PlanInput): readonly Candidate[] {
  return candidates.toSorted((a, b) => hurdleOf(a) - hurdleOf(b) || compare(a, b, input) || (a.id < b.id ? -1 : Number(a.id > b.id)));
}

/** The criterion that put `winner` before `loser`; undefined when only the id did. */
export function decidingCriterion(winner: Candidate, loser: Candidate, input: PlanInput): Criterion | undefined {
  return PROFILE_ORDER[input.profile].find((criterion) => difference(criterion, winner, loser, input) !== 0);
}

/** With a margin, on the lower bound of what is known. */
function meetsTarget({ estimate: { rates, callSeconds } }: Candidate): boolean {
  if (rates.decode) return rates.decode.value * rates.decode.confidence >= TARGET_DECODE * TARGET_MARGIN;
  return (callSeconds.value / callSeconds.confidence) * TARGET_MARGIN <= TARGET_CALL_SECONDS;
}

function hurdleOf({ reasons }: Candidate): number {
  const isOnlyAbsent = reasons.every(({ code }) => code === 'not-downloaded');
  return isOnlyAbsent ? reasons.length : 1 + reasons.length;
}

function compare(a: Candidate, b: Candidate, input: PlanInput): number {
  const criterion = decidingCriterion(a, b, input);
  return criterion === undefined ? 0 : difference(criterion, b, a, input);
}

function difference(criterion: Criterion, a: Candidate, b: Candidate, input: PlanInput): number {
  const [left, right] = [a, b].map((candidate) => {
    const card = input.cards.find(({ id }) => id === candidate.model);
    return card === undefined ? 0 : CRITERIA[criterion]({ candidate, card, input });
  });
  return (left ?? 0) - (right ?? 0);
}
