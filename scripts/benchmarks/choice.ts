/** How good the choice of engines is: against the best that was measured, and how far its predictions were off. */
import { type BenchFigures, benchTask } from '#apps/cli/bench-report.ts';
import { type OpenRuntime, openRuntime } from '#apps/device/open-runtime.ts';
import type { ModelCard } from '#edge/contracts/model.ts';
import type { Candidate } from '#edge/contracts/plan.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { makePlan } from '#edge/planner/make-plan.ts';
import { type BenchContext, UNWATCHED } from './context.ts';
import { type Named, type Regret, regretOf, type Spread, spreadOf } from './figures.ts';
import { freshHome } from './fresh-home.ts';
import { benchPrefill, type PrefillReport } from './prefill.ts';
import { type BenchRow, median } from './report.ts';

/** Each measures every candidate once; medians over them are compared. */
const ROUNDS = 5;

/** What the device chose for a model after its calibration, and every way to run it, measured again. */
export interface ModelChoice extends Regret {
  readonly model: string;
  readonly task: ModelCard['task'];
  readonly chosen: string;
  readonly candidates: readonly MeasuredCandidate[];
}

export interface MeasuredCandidate {
  readonly id: string;
  /** Of a typical call, one a round. */
  readonly callSeconds: readonly number[];
  /** Medians. */
  readonly measured: { readonly callSeconds: number; readonly residentBytes: number };
  /** Before anything was measured. */
  readonly predicted: { readonly callSeconds: number; readonly residentBytes: number };
}

export interface ChoiceReport {
  readonly rows: readonly BenchRow[];
  readonly rounds: number;
  readonly models: readonly ModelChoice[];
  /** Predicted / measured. */
  readonly predictions: { readonly callSeconds: Spread; readonly memory: Spread };
  readonly prefill: PrefillReport;
}

/** Works in a home folder of its own: what was measured here before does not count, and what it measures is not kept. */
export async function benchChoice(context: BenchContext): Promise<ChoiceReport> {
  using home = freshHome(context.config);
  await using opened = openRuntime(home.config, context.log);
  const subjects = await Promise.all(storedCards(opened).map(async (card) => ({ card, predicted: await predict(opened, card) })));
  const choices = new Map<string, Candidate>();
  for (const { card } of subjects) choices.set(card.id, await choose(opened, card, context));
  const prefill = await benchPrefill(opened, context);
  const seen = new Map<string, BenchFigures[]>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const { card } of subjects) await measureOnce(opened, card, context, seen);
  }
  const models = subjects.map(({ card, predicted }) => judge(card, predicted, choices, seen));
  const predictions = { callSeconds: spreadOf(ratiosOf(models, 'callSeconds')), memory: spreadOf(ratiosOf(models, 'residentBytes')) };
  return { rows: rowsOf(models, predictions, prefill), rounds: ROUNDS, models, predictions, prefill };
}

function storedCards({ store }: OpenRuntime): readonly ModelCard[] {
  const stored = new Set(store.list().flatMap(({ model, state }) => (state === 'verified' ? [model] : [])));
  const cards = store.catalog.cards.filter(({ id }) => stored.has(id));
  if (cards.length > 0) return cards;
  throw new EdgeError('E_MODEL_NOT_STORED', { what: 'nothing to measure', expected: 'a model in the store' });
}

/** Candidates with what they are predicted to do, by id; a plan lists those of other models too. */
async function predict({ runtime }: OpenRuntime, card: ModelCard): Promise<ReadonlyMap<string, Candidate>> {
  const { candidates } = makePlan(await runtime.planInput(card.task, { model: card.id, measurements: [] }));
  return new Map(candidates.filter(({ model }) => model === card.id).map((candidate) => [candidate.id, candidate]));
}

/** What a device would choose after the calibration that it makes by itself. */
async function choose({ runtime }: OpenRuntime, card: ModelCard, { onProgress, signal }: BenchContext): Promise<Candidate> {
  await runtime.calibrate({ models: [card.id], watchConditions: UNWATCHED, onProgress, signal });
  const { chosen, because } = makePlan(await runtime.planInput(card.task, { model: card.id }));
  if (chosen) return chosen;
  throw new EdgeError('E_NO_CANDIDATE', { what: `cannot measure ${card.id}`, found: because });
}

async function measureOnce(
  opened: OpenRuntime,
  card: ModelCard,
  { log, onProgress, signal }: BenchContext,
  seen: Map<string, BenchFigures[]>,
): Promise<void> {
  const { candidates } = await benchTask(opened, card.task, { model: card.id, environment: {}, log, onProgress, signal });
  for (const { id, measured } of candidates) if (measured) seen.set(id, [...(seen.get(id) ?? []), measured]);
}

function judge(
  { id: model, task }: ModelCard,
  predicted: ReadonlyMap<string, Candidate>,
  choices: ReadonlyMap<string, Candidate>,
  seen: ReadonlyMap<string, readonly BenchFigures[]>,
): ModelChoice {
  const candidates = [...predicted.values()].flatMap(({ id, estimate }) => {
    const figures = seen.get(id);
    if (!figures) return [];
    const callSeconds = figures.map((each) => each.callSeconds);
    const measured = { callSeconds: median(callSeconds), residentBytes: median(figures.map((each) => each.residentBytes)) };
    return [
      { id, callSeconds, measured, predicted: { callSeconds: estimate.callSeconds.value, residentBytes: estimate.memory.totalBytes } },
    ];
  });
  const chosen = choices.get(model)?.id ?? '';
  const regret = regretOf(chosen, candidates);
  if (regret) return { model, task, chosen, ...regret, candidates };
  throw new EdgeError('E_NO_CANDIDATE', { what: `the choice for ${model}`, expected: `a measurement of ${chosen}`, found: 'none' });
}

function ratiosOf(models: readonly ModelChoice[], what: keyof MeasuredCandidate['measured']): readonly Named[] {
  return models.flatMap(({ candidates }) =>
    candidates.map(({ id, predicted, measured }) => ({ id, ratio: predicted[what] / measured[what] })),
  );
}

function rowsOf(models: readonly ModelChoice[], { callSeconds, memory }: ChoiceReport['predictions'], prefill: PrefillReport): BenchRow[] {
  return [
    ...models.map(({ model, task, chosen, best, regret }) => ({
      what: `${task}, ${model}: ${wayOf(chosen)}${best === chosen ? ' is the best' : ` against ${wayOf(best)}`}`,
      value: 100 * regret,
      unit: '% longer a call',
      goal: { text: '<= 5', met: regret <= 0.05 },
    })),
    ...spreadRows('predicted / measured time of a call', callSeconds, { text: '0.5 to 2', least: 0.5, most: 2 }),
    ...spreadRows('predicted / measured memory', memory, { text: '0.85 to 1.15', least: 0.85, most: 1.15 }),
    ...prefill.rows,
  ];
}

/** `int8/onnx/cpu/t2` of `e5-small-v2/int8/onnx/cpu/t2`. */
const wayOf = (id: string): string => id.slice(id.indexOf('/') + 1);

function spreadRows(
  what: string,
  { min, median: middle, max, worst }: Spread,
  { text, least, most }: { readonly text: string; readonly least: number; readonly most: number },
): BenchRow[] {
  const met = least <= min && max <= most;
  return [
    { what: `${what}, median`, value: middle, unit: 'x' },
    {
      what: `${what}, least and most: ${min.toFixed(2)} to ${max.toFixed(2)}; furthest off ${worst.id}`,
      value: worst.ratio,
      unit: 'x',
      goal: { text, met },
    },
  ];
}
