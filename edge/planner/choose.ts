import type { Candidate, PlanProfile } from '#edge/contracts/plan.ts';
import { type CriterionName, difference, targetShare, worthOf } from './criteria.ts';
import type { PlanInput } from './plan-input.ts';

/** The order in which each profile asks; the first difference decides, and equal candidates go by id. */
export const PROFILE_ORDER: Readonly<Record<PlanProfile, readonly CriterionName[]>> = {
  latency: [
    'preferred model',
    'token vectors',
    'measured or usual',
    'target speed',
    'acceptable quality',
    'call time',
    'quality',
    'less memory',
  ],
  quality: ['preferred model', 'token vectors', 'measured or usual', 'target speed', 'model size', 'quality', 'call time', 'less memory'],
  battery: [
    'preferred model',
    'token vectors',
    'measured or usual',
    'target speed',
    'acceptable quality',
    'energy a call',
    'call time',
    'less memory',
  ],
};

/**
 * Share of a call's time (or energy) that another candidate must save to take the place of the one that serves: loading
 * costs seconds and empties caches, and two measurements of the same engine differ by as much.
 */
export const SWITCH_GAIN = 0.15;

/** Criteria that rest on measurements, of which no two are the same. */
const FLUCTUATING: readonly CriterionName[] = ['target speed', 'energy a call', 'call time'];

/**
 * Candidates best first: those that may run, then those that only need a download, then the rest by the number of reasons.
 * The one that serves now stays first unless another is clearly better.
 */
export function rank(candidates: readonly Candidate[], input: PlanInput): readonly Candidate[] {
  const ranked = candidates.toSorted(
    (a, b) => hurdleOf(a) - hurdleOf(b) || compare(a, b, input) || (a.id < b.id ? -1 : Number(a.id > b.id)),
  );
  const current = ranked.find(({ id, reasons }) => id === input.current && reasons.length === 0);
  const [best] = ranked;
  if (!current || !best || isWorthSwitching(best, current, input)) return ranked;
  return [current, ...ranked.filter((candidate) => candidate !== current)];
}

/** The criterion by which two candidates differ first; undefined when only their ids do. */
export function decidingCriterion(a: Candidate, b: Candidate, input: PlanInput): CriterionName | undefined {
  return PROFILE_ORDER[input.profile].find((criterion) => difference(criterion, a, b, input) !== 0);
}

/**
 * Whether `best`, which ranks before `current`, is better by more than a trifle: nothing after the call's time is more, nor is what
 * somebody only expects of it.
 */
function isWorthSwitching(best: Candidate, current: Candidate, input: PlanInput): boolean {
  const order = PROFILE_ORDER[input.profile];
  const criterion = decidingCriterion(best, current, input);
  if (criterion === undefined || order.indexOf(criterion) > order.indexOf('call time')) return false;
  if (!FLUCTUATING.includes(criterion)) return true;
  if (isPromise(best, current)) return false;
  if (criterion === 'target speed') return targetShare(current) <= (1 - SWITCH_GAIN) * targetShare(best);
  return -worthOf(criterion, best, input) <= (1 - SWITCH_GAIN) * -worthOf(criterion, current, input);
}

/** True when one is measured, and of the other, which should be better, nothing is known. */
export function isPromise(better: Candidate, measured: Candidate): boolean {
  return better.measured === null && measured.measured !== null;
}

function hurdleOf({ reasons }: Candidate): number {
  const isOnlyAbsent = reasons.every(({ code }) => code === 'not-downloaded');
  return isOnlyAbsent ? reasons.length : 1 + reasons.length;
}

function compare(a: Candidate, b: Candidate, input: PlanInput): number {
  const criterion = decidingCriterion(a, b, input);
  return criterion === undefined ? 0 : difference(criterion, b, a, input);
}
