/** What the choice of a variant is worth: the chosen weights of the chat model against the file as it was downloaded. */
import type { OpenRuntime } from '#apps/device/open-runtime.ts';
import { EngineHost } from '#edge/backends/engine-host.ts';
import type { EngineSubject } from '#edge/calibration/engine-subject.ts';
import { measureEngine } from '#edge/calibration/measure-engine.ts';
import type { Candidate, Rates } from '#edge/contracts/plan.ts';
import type { KeptQuality } from '#edge/contracts/quantize.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { loadSpecOf, makePlan } from '#edge/planner/make-plan.ts';
import type { PlanInput } from '#edge/planner/plan-input.ts';
import type { BenchContext } from './context.ts';
import { type BenchRow, median } from './report.ts';

/** Both engines are measured in each, one after the other. */
const ROUNDS = 7;

export interface PrefillReport {
  readonly rows: readonly BenchRow[];
  readonly chosen: string;
  readonly downloaded: string;
  /** Of each round. */
  readonly rates: { readonly chosen: readonly Rates[]; readonly downloaded: readonly Rates[] };
  /** What the store keeps of the making of the chosen weights; absent when they were downloaded. */
  readonly kept?: KeptQuality;
}

/** @throws EdgeError `E_NO_CANDIDATE` when the chat model, or its weights as downloaded, cannot run here. */
export async function benchPrefill(opened: OpenRuntime, context: BenchContext): Promise<PrefillReport> {
  const input = await opened.runtime.planInput('generate', { model: context.config.runtime.models.generate });
  const { chosen, candidates, because } = makePlan(input);
  const stored = opened.store.list().filter(({ model }) => model === chosen?.model);
  const downloaded = candidates.find((one) => isTwin(one, chosen) && stored.some(({ variant, kept }) => variant === one.variant && !kept));
  if (!chosen || !downloaded)
    throw new EdgeError('E_NO_CANDIDATE', { what: 'cannot compare the weights of the chat model', found: because });
  const rates = await compare(opened, input, [chosen, downloaded], context);
  const report = { chosen: chosen.id, downloaded: downloaded.id, rates: { chosen: rates[0], downloaded: rates[1] } };
  const kept = stored.find(({ variant }) => variant === chosen.variant)?.kept;
  return { ...report, ...(kept ? { kept } : {}), rows: rowsOf(report, kept) };
}

/** The same way to run, whatever the weights. */
function isTwin(one: Candidate, other: Candidate | undefined): boolean {
  return one.model === other?.model && one.backend === other.backend && one.provider === other.provider && one.threads === other.threads;
}

async function compare(
  opened: OpenRuntime,
  input: PlanInput,
  [a, b]: readonly [Candidate, Candidate],
  context: BenchContext,
): Promise<readonly [readonly Rates[], readonly Rates[]]> {
  await using first = hostOf(opened, input, a, context);
  await using second = hostOf(opened, input, b, context);
  const subjects = [await subjectOf(first, context), await subjectOf(second, context)] as const;
  const rates: [Rates[], Rates[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    rates[0].push((await measureEngine(subjects[0], 'generate')).rates);
    rates[1].push((await measureEngine(subjects[1], 'generate')).rates);
  }
  return rates;
}

function hostOf({ store }: OpenRuntime, input: PlanInput, candidate: Candidate, { config, log }: BenchContext): EngineHost {
  const stored = store.find(candidate.model, candidate.variant);
  if (!stored) throw new EdgeError('E_MODEL_NOT_STORED', { what: `${candidate.id} is not on this device` });
  const spec = { ...loadSpecOf(candidate, input), stored };
  return new EngineHost({ spec, environment: config.environment, log, idleStopMs: 0, deadlineMs: 60_000 });
}

async function subjectOf(engine: EngineHost, { signal }: BenchContext): Promise<EngineSubject> {
  return { engine, info: await engine.load({ signal }), options: { signal } };
}

function rowsOf({ chosen, downloaded, rates }: Omit<PrefillReport, 'rows' | 'kept'>, kept: KeptQuality | undefined): BenchRow[] {
  const middle = (list: readonly Rates[], name: keyof Rates): number => median(list.map((each) => each[name] ?? Number.NaN));
  const ratio = (name: keyof Rates): number =>
    median(rates.chosen.map((each, i) => (each[name] ?? 0) / (rates.downloaded[i]?.[name] ?? 0)));
  const pair = (what: string, name: 'prefill' | 'decode', least: number): BenchRow[] => [
    { what: `${downloaded} ${what}`, value: middle(rates.downloaded, name), unit: 'tokens/s' },
    {
      what: `${chosen} ${what}`,
      value: middle(rates.chosen, name),
      unit: 'tokens/s',
      ratio: { to: 'as downloaded', value: ratio(name) },
      goal: { text: `>= ${least} x`, met: ratio(name) >= least },
    },
  ];
  return [...pair('prefill', 'prefill', 1.8), ...pair('decode', 'decode', 1), ...(kept ? [perplexityRow(chosen, kept)] : [])];
}

function perplexityRow(chosen: string, { source, derived, measure }: KeptQuality): BenchRow {
  const more = derived / source - 1;
  return {
    what: `${chosen} ${measure} against its source's`,
    value: 100 * more,
    unit: '% more',
    goal: { text: '<= 1', met: more <= 0.01 },
  };
}
