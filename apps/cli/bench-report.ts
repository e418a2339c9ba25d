/** Measures every way to run a task and says how good the choice is; `nearside bench` prints it. */
import type { OpenRuntime } from '#apps/device/open-runtime.ts';
import type { CalibrationResult } from '#edge/calibration/calibrate.ts';
import { callSeconds } from '#edge/calibration/call-seconds.ts';
import type { Task } from '#edge/contracts/model.ts';
import { type Candidate, type Measurement, type Rates, TYPICAL_CALL } from '#edge/contracts/plan.ts';
import type { OnProgress } from '#edge/contracts/progress.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { Logger } from '#edge/core/log.ts';
import { serves } from '#edge/planner/list-candidates.ts';
import { makePlan } from '#edge/planner/make-plan.ts';
import { measurePeers, type Peers } from './bench-peers.ts';

export interface BenchFigures extends Rates {
  /** Of one `TYPICAL_CALL`. */
  readonly callSeconds: number;
  /** Generators: from the end of loading to the first token after a prompt of {@link TYPICAL_CALL}'s length. */
  readonly firstTokenMs?: number;
  readonly loadMs: number;
  readonly residentBytes: number;
  readonly joules?: number;
}

export interface BenchCandidate extends Pick<Candidate, 'id' | 'model' | 'variant' | 'backend' | 'provider' | 'threads'> {
  /** `null` when it could not be measured; {@link note} says why, or what disturbed it. */
  readonly measured: BenchFigures | null;
  readonly chosen: boolean;
  readonly note?: string;
}

export interface BenchReport {
  readonly task: Task;
  /** Fastest first, the unmeasured last. */
  readonly candidates: readonly BenchCandidate[];
  /**
   * Seconds of a call of the chosen candidate against the best measured one of the same model, less one: 0.03 is 3 % slower than the best.
   * `null` when either was not measured.
   */
  readonly regret: number | null;
  /** Other programs on the same file, measured right after. */
  readonly peers: Peers;
}

export interface BenchOptions {
  /** Only this model. Defaults to every stored one that was made for the task. */
  readonly model?: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly log: Logger;
  readonly onProgress: OnProgress;
  readonly signal: AbortSignal;
}

/** Time for all candidates of a task: one that was begun is measured to its end. */
const TOTAL_BUDGET_MS = 15 * 60_000;

/**
 * Measures all candidates that can run, with every sensible number of threads, and remembers what nobody disturbed.
 * @throws EdgeError `E_MODEL_NOT_STORED` when no stored model does the task, `E_CANCELLED`.
 */
export async function benchTask({ runtime, store }: OpenRuntime, task: Task, options: BenchOptions): Promise<BenchReport> {
  const { model, environment, log, onProgress, signal } = options;
  const stored = new Set(store.list().flatMap((each) => (each.state === 'verified' ? [each.model] : [])));
  const models = store.catalog.cards.filter(
    (card) => card.task === task && stored.has(card.id) && (model === undefined || model === card.id),
  );
  if (models.length === 0) throw nothingStored(task, model);
  const names = models.map(({ id }) => id);
  const result = await runtime.calibrate({ models: names, isExhaustive: true, totalBudgetMs: TOTAL_BUDGET_MS, onProgress, signal });
  const input = await runtime.planInput(task, model === undefined ? {} : { model });
  const plan = makePlan(input);
  const hashOf = ({ model: id, variant }: Candidate): string | undefined =>
    input.stored.find((one) => one.model === id && one.variant === variant)?.sha256;
  const candidates = plan.candidates
    .filter((candidate) => candidate.downloaded && names.includes(candidate.model))
    .map((candidate) => ({ ...toBenchCandidate(task, candidate, result, hashOf(candidate)), chosen: candidate.id === plan.chosen?.id }))
    .sort((a, b) => (a.measured?.callSeconds ?? Number.MAX_VALUE) - (b.measured?.callSeconds ?? Number.MAX_VALUE));
  const weights = plan.chosen && store.find(plan.chosen.model, plan.chosen.variant)?.files.weights;
  const peers = plan.chosen && weights ? await measurePeers(task, plan.chosen, weights, environment, { log, signal }) : {};
  return { task, candidates, regret: regretOf(candidates), peers };
}

/** Tasks that have a stored model of their own; classifiers are measured as the encoders they are. */
export function benchableTasks({ store }: OpenRuntime, tasks: readonly Task[]): readonly Task[] {
  const stored = new Set(store.list().map(({ model }) => model));
  return tasks.filter((task) => store.catalog.cards.some((card) => card.task === task && serves(card, task) && stored.has(card.id)));
}

function toBenchCandidate(
  task: Task,
  candidate: Candidate,
  result: CalibrationResult,
  sha256: string | undefined,
): Omit<BenchCandidate, 'chosen'> {
  const { id, model, variant, backend, provider, threads, reasons } = candidate;
  const measured = [...result.measured, ...result.disturbed].find((one) => isOf(one, candidate, sha256)) ?? candidate.measured;
  const note = result.skipped.find(({ candidateId }) => candidateId === id)?.detail ?? reasons.map(({ detail }) => detail).join('; ');
  return {
    id,
    model,
    variant,
    backend,
    provider,
    threads,
    measured: measured && {
      ...measured.rates,
      callSeconds: callSeconds(task, measured.rates),
      ...(measured.rates.prefill ? { firstTokenMs: (1000 * TYPICAL_CALL.generate.prefill) / measured.rates.prefill } : {}),
      loadMs: measured.loadMs,
      residentBytes: measured.residentBytes,
      ...(measured.joules === undefined ? {} : { joules: measured.joules }),
    },
    ...(note === '' ? {} : { note }),
  };
}

function isOf(one: Measurement, { variant, backend, provider, threads }: Candidate, sha256: string | undefined): boolean {
  return (
    one.modelSha256 === sha256 && one.variant === variant && one.backend === backend && one.provider === provider && one.threads === threads
  );
}

function regretOf(candidates: readonly BenchCandidate[]): number | null {
  const chosen = candidates.find((candidate) => candidate.chosen);
  if (!chosen?.measured) return null;
  const rivals = candidates.flatMap(({ model, measured }) => (model === chosen.model && measured ? [measured.callSeconds] : []));
  return chosen.measured.callSeconds / Math.min(...rivals) - 1;
}

function nothingStored(task: Task, model: string | undefined): EdgeError {
  return new EdgeError('E_MODEL_NOT_STORED', {
    what: `nothing to measure for ${task}`,
    expected: model === undefined ? `a stored model made for ${task}` : `model "${model}" in the store, made for ${task}`,
    found: 'none',
    hint: '"nearside list --all" shows the catalog, "nearside pull MODEL" fetches one.',
  });
}
