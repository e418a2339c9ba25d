import type { Command } from 'commander';
import { openRuntime } from '#apps/device/open-runtime.ts';
import type { ConfigFile } from '#edge/config/schema.ts';
import type { Task } from '#edge/contracts/model.ts';
import type { Plan, PlanProfile } from '#edge/contracts/plan.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { makePlan } from '#edge/planner/make-plan.ts';
import type { PlanInput } from '#edge/planner/plan-input.ts';
import { planTable } from '#edge/planner/plan-table.ts';
import type { EdgeRuntime } from '#edge/runtime/edge-runtime.ts';
import { action } from '../context.ts';
import { describeFit, type Fit, judgeFit } from '../plan-fit.ts';
import { describeFile, type FileSubject, type PlanSubject, resolveSubject } from '../plan-subject.ts';
import { paint, print, printJson } from '../terminal.ts';

/** Tasks with a default model. */
const USUAL_TASKS: readonly Task[] = ['generate', 'embed', 'classify'];

interface PlanOptions {
  readonly all?: boolean;
  readonly context?: number;
}

/** `nearside plan`: made here and now, without a device running. */
export const plan = action(
  async ({ config, log, json, callerDirectory, signal }, name: string | undefined, options: PlanOptions) => {
    requireContext(name, options.context);
    await using opened = openRuntime(config, log);
    const { runtime, store } = opened;
    if (name === undefined) return showAll(runtime, json, options.all ?? false);
    const subject = await resolveSubject(name, { catalog: store.catalog, settings: config.store, callerDirectory, signal });
    const input = await inputFor(subject, runtime, options.context);
    const made = makePlan(input);
    const fit = subject.kind === 'task' && options.context === undefined ? undefined : judgeFit(made, input);
    const shown = subject.kind === 'file' && subject.absence !== undefined ? withAbsence(made, subject.absence) : made;
    if (json) return printJson({ ...shown, device: input.device, ...(fit ? { fit } : {}), ...headerOf(subject) });
    if (subject.kind === 'file') print(describeFile(subject));
    printPlan(shown, options.all || subject.kind !== 'task', fit);
  },
  { overrides: profileOverride },
);

function profileOverride(command: Command): ConfigFile {
  const { profile } = command.opts<{ profile?: PlanProfile }>();
  return profile ? { runtime: { profile } } : {};
}

function requireContext(name: string | undefined, context: number | undefined): void {
  if (context === undefined) return;
  const what = 'cannot plan with --context';
  if (!Number.isSafeInteger(context) || context < 1) throw new EdgeError('E_USAGE', { what, expected: 'a number of tokens, 1 or more' });
  if (name === undefined) throw new EdgeError('E_USAGE', { what, expected: 'a task, a model or a file to plan' });
}

async function showAll(runtime: EdgeRuntime, json: boolean, all: boolean): Promise<void> {
  const plans: Plan[] = [];
  for (const task of USUAL_TASKS) plans.push(await runtime.plan(task));
  if (json) return printJson({ device: await runtime.device(), plans });
  for (const made of plans) printPlan(made, all, undefined);
}

function inputFor(subject: PlanSubject, runtime: EdgeRuntime, context: number | undefined): Promise<PlanInput> {
  const wish = context === undefined ? {} : { requiredContextTokens: context };
  if (subject.kind === 'task') return runtime.planInput(subject.task, wish);
  const { card } = subject;
  return runtime.planInput(card.task, { ...wish, model: card.id, cards: [card], ...(subject.kind === 'file' ? asStored(subject) : {}) });
}

/** A file outside the store, planned as if it lay there; nothing that was learnt of a model of the same name holds for it. */
function asStored({ card, header, path }: FileSubject): Pick<PlanInput, 'stored' | 'measurements' | 'quarantined'> {
  const stored = card.variants.map(({ id }) => ({
    model: card.id,
    variant: id,
    format: header.format,
    files: path === undefined ? {} : { weights: path },
    sha256: '',
    bytes: header.fileBytes,
  }));
  return { stored, measurements: [], quarantined: [] };
}

/** The plan of a file that is elsewhere, for no candidate of it can run before it is fetched. */
function withAbsence({ chosen: _chosen, loadSpec: _loadSpec, ...made }: Plan, absence: string): Plan {
  const because = `Not downloaded (${absence}). Once it is here: ${made.because}`;
  const reason = { code: 'not-downloaded', detail: absence } as const;
  const candidates = made.candidates.map((each) => ({ ...each, downloaded: false, reasons: [...each.reasons, reason] }));
  return { ...made, because, candidates, fallbacks: [] };
}

function headerOf(subject: PlanSubject): Partial<Pick<FileSubject, 'header'>> {
  return subject.kind === 'file' ? { header: subject.header } : {};
}

function printPlan(made: Plan, all: boolean, fit: Fit | undefined): void {
  print(`${paint('bold', made.task)}: ${made.because}`);
  const shown = all ? made : { ...made, candidates: made.candidates.filter((candidate) => candidate.downloaded) };
  print(planTable(shown).join('\n'));
  if (fit) print(`   ${describeFit(fit)}`);
  const hidden = made.candidates.length - shown.candidates.length;
  print(hidden > 0 ? paint('dim', `   ${hidden} candidates of models that are not downloaded: --all shows them\n`) : '');
}
