/** Decides what is worth measuring next; pure. */
import type { CpuProfile } from '#edge/contracts/hardware.ts';
import type { Candidate, Plan } from '#edge/contracts/plan.ts';

/** A candidate predicted to be this many times slower than the best measured one cannot win: predictions are within 2x. */
const HOPELESS = 4;
/** A way to run whose best measured thread count is this many times slower than the best of all is not tried with others ... */
const FAR_BEHIND = 2;
/** ... unless it reached less than this part of its predicted speed: then threads may stand in each other's way. */
const SUSPICIOUS = 0.6;

export interface CalibrationState {
  /** Ids that are over: measured, failed or given up in this run. */
  readonly over: ReadonlySet<string>;
  /** Seconds of a typical call as estimated before it was measured, by id. */
  readonly expectedSeconds: ReadonlyMap<string, number>;
  /** Thread counts to try, ascending; empty when the count is fixed. */
  readonly threadCounts: readonly number[];
}

/**
 * Candidates that a plan's choice should not be made without, the most promising first. First each way to run (variant, backend, provider)
 * with the planner's thread count, in the order of the plan; then, outwards from the best measured count of each, the next lower and higher one.
 */
export function candidatesToMeasure(plan: Plan, state: CalibrationState): readonly Candidate[] {
  const runnable = plan.candidates.filter(({ reasons }) => reasons.length === 0);
  const measured = runnable.filter((candidate) => candidate.measured !== null);
  const best = Math.min(...measured.map(secondsOf));
  const isOpen = ({ id }: Candidate): boolean => !state.over.has(id);
  const unmeasured = runnable.filter((candidate) => candidate.measured === null && isOpen(candidate));
  return [
    ...unmeasured.filter((candidate) => secondsOf(candidate) <= best * HOPELESS),
    ...otherThreads(measured, best, state).filter(
      (candidate) => isOpen(candidate) && !plan.candidates.some(({ id }) => id === candidate.id),
    ),
  ];
}

/** 1, 2, 4 ... up to the cores this process may use, and where the kinds of cores end. */
export function threadCountsOf({ usableCores, logicalCores, physicalCores, performanceCores }: CpuProfile): readonly number[] {
  const most = Math.max(1, Math.floor(Math.min(usableCores, logicalCores)));
  const powers = Array.from({ length: Math.floor(Math.log2(most)) + 1 }, (_, i) => 2 ** i);
  const borders = [physicalCores, performanceCores ?? most, most].filter((count) => count >= 1 && count <= most);
  return [...new Set([...powers, ...borders])].sort((a, b) => a - b);
}

function otherThreads(measured: readonly Candidate[], best: number, state: CalibrationState): readonly Candidate[] {
  const leaders = [...Map.groupBy(measured, wayOf).values()].map((group) =>
    group.reduce((first, one) => (secondsOf(one) < secondsOf(first) ? one : first)),
  );
  return leaders
    .filter((leader) => leader.provider.startsWith('cpu') && (secondsOf(leader) <= best * FAR_BEHIND || isSuspicious(leader, state)))
    .sort((a, b) => secondsOf(a) - secondsOf(b) || (a.id < b.id ? -1 : 1))
    .flatMap((leader) => neighbours(leader.threads, state.threadCounts).map((threads) => withThreads(leader, threads)));
}

function neighbours(threads: number, counts: readonly number[]): readonly number[] {
  return [counts.findLast((count) => count < threads), counts.find((count) => count > threads)].filter((count) => count !== undefined);
}

function isSuspicious(candidate: Candidate, { expectedSeconds }: CalibrationState): boolean {
  const expected = expectedSeconds.get(candidate.id);
  return expected !== undefined && expected / secondsOf(candidate) < SUSPICIOUS;
}

function withThreads(candidate: Candidate, threads: number): Candidate {
  const { model, variant, backend, provider } = candidate;
  return { ...candidate, id: `${model}/${variant}/${backend}/${provider}/t${threads}`, threads, measured: null };
}

function wayOf({ variant, backend, provider }: Candidate): string {
  return `${variant}/${backend}/${provider}`;
}

function secondsOf({ estimate }: Candidate): number {
  return estimate.callSeconds.value;
}
