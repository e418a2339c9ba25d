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
  /** Everything that can run is measured, known or hopeless, with every thread count. */
  readonly isExhaustive?: boolean;
}

/**
 * Candidates that a plan's choice should not be made without, the most promising first. First each way to run (variant, backend, provider)
 * as the plan ranks it highest; then, outwards from the best measured thread count of each way, the next lower and higher one.
 */
export function candidatesToMeasure(plan: Plan, state: CalibrationState): readonly Candidate[] {
  const runnable = plan.candidates.filter(({ reasons }) => reasons.length === 0);
  if (state.isExhaustive) return withAllThreads(runnable, state).filter(({ id }) => !state.over.has(id));
  const ways = [...Map.groupBy(runnable, wayOf).values()];
  const leaders = ways.flatMap((way) => way.filter(({ measured }) => measured !== null).sort(byTime)[0] ?? []).sort(byTime);
  const best = leaders[0] ? secondsOf(leaders[0]) : Number.POSITIVE_INFINITY;
  const unknown = ways
    .filter((way) => way.every(({ measured }) => measured === null))
    .flatMap((way) => way.find(({ id }) => !state.over.has(id)) ?? [])
    .filter((candidate) => secondsOf(candidate) <= best * HOPELESS);
  const others = leaders
    .filter((leader) => secondsOf(leader) <= best * FAR_BEHIND || isSuspicious(leader, state))
    .flatMap((leader) => neighbours(leader, state.threadCounts))
    .filter(({ id }) => !state.over.has(id) && !plan.candidates.some((candidate) => candidate.id === id && isSettled(candidate)));
  return [...unknown, ...others];
}

/** 1, 2, 4 ... up to the cores this process may use, and where the kinds of cores end. */
export function threadCountsOf({ usableCores, logicalCores, physicalCores, performanceCores }: CpuProfile): readonly number[] {
  const most = Math.max(1, Math.floor(Math.min(usableCores, logicalCores)));
  const powers = Array.from({ length: Math.floor(Math.log2(most)) + 1 }, (_, i) => 2 ** i);
  const borders = [physicalCores, performanceCores ?? most, most].filter((count) => count >= 1 && count <= most);
  return [...new Set([...powers, ...borders])].sort((a, b) => a - b);
}

/** Providers other than the CPU do not depend on the threads that feed them. */
function withAllThreads(runnable: readonly Candidate[], { threadCounts }: CalibrationState): readonly Candidate[] {
  const all = runnable.flatMap((candidate) => [
    candidate,
    ...(candidate.provider.startsWith('cpu') ? threadCounts.map((threads) => withThreads(candidate, threads)) : []),
  ]);
  return all.filter(({ id }, index) => all.findIndex((other) => other.id === id) === index);
}

/** The candidate with the next lower and the next higher count; threads mean nothing where a GPU does the work. */
function neighbours(leader: Candidate, counts: readonly number[]): readonly Candidate[] {
  if (!leader.provider.startsWith('cpu')) return [];
  const lower = counts.findLast((count) => count < leader.threads);
  const higher = counts.find((count) => count > leader.threads);
  return [lower, higher].flatMap((threads) => (threads === undefined ? [] : [withThreads(leader, threads)]));
}

/** True for what is measured, or may not run. */
function isSettled({ measured, reasons }: Candidate): boolean {
  return measured !== null || reasons.length > 0;
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

function byTime(a: Candidate, b: Candidate): number {
  return secondsOf(a) - secondsOf(b) || (a.id < b.id ? -1 : 1);
}

function secondsOf({ estimate }: Candidate): number {
  return estimate.callSeconds.value;
}
