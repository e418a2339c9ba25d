import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { EdgeError } from '#edge/core/errors.ts';
import { ACTIONS, SLOT_FACTS } from './actions.ts';
import { type Flow, type FlowStep, flowSchema, type Outcome } from './flow-schema.ts';
import { SLOT_IDS, SLOTS } from './slots.ts';

/** The flows that are shipped, beside this module. */
export const FLOWS_FOLDER = fileURLToPath(new URL('./flows/', import.meta.url));

/** Ends a flow. */
export const FLOW_END = 'end';

/** A place in a file, for messages. */
interface Place {
  readonly file: string;
  readonly step: string;
}

/**
 * Reads and validates every `*.yaml` of a folder. Besides its form, each flow is proven to check the identity before it touches a
 * customer's data, to ask for a yes before every write, and to name only steps, outcomes and facts that exist.
 * @throws EdgeError `E_FLOW_INVALID`, naming the file and the step.
 */
export function loadFlows(folder: string = FLOWS_FOLDER): readonly Flow[] {
  const files = readdirSync(folder)
    .filter((file) => file.endsWith('.yaml'))
    .sort();
  const flows = files.map((file) => readFlow(join(folder, file)));
  for (const [index, flow] of flows.entries()) {
    checkFlow(flow, basename(files[index] as string), flows);
  }
  return flows;
}

function readFlow(path: string): Flow {
  const file = basename(path);
  let content: unknown;
  try {
    content = parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw invalid({ file, step: 'the whole file' }, 'YAML', error instanceof Error ? (error.message.split('\n')[0] ?? '') : '', error);
  }
  const result = flowSchema.safeParse(content);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const [head, index, ...rest] = issue?.path ?? [];
  const step =
    head === 'steps' && index !== undefined ? `${stepName(content, Number(index))} ${rest.join('.')}` : (issue?.path ?? []).join('.');
  throw invalid({ file, step: step.trim() }, 'a flow as flow-schema.ts describes it', issue?.message ?? 'something else', result.error);
}

function stepName(content: unknown, index: number): string {
  const steps = (content as { steps?: readonly { id?: unknown }[] }).steps;
  const id = steps?.[index]?.id;
  return typeof id === 'string' ? id : `step ${index + 1}`;
}

function checkFlow(flow: Flow, file: string, flows: readonly Flow[]): void {
  const ids = flow.steps.map((step) => step.id);
  for (const [index, step] of flow.steps.entries()) {
    const place = { file, step: step.id };
    if (ids.indexOf(step.id) !== index) throw invalid(place, 'an id of its own', `"${step.id}" twice`);
    checkTargets(step, place, { ids, flows });
    checkOutcomes(step, place);
    checkOrder(step, index, flow, place);
    checkFacts(step, place);
  }
}

function outcomesOf(step: FlowStep): readonly Outcome[] {
  if (step.kind === 'check') return Object.values(step.outcomes);
  if (step.kind === 'confirm') return [step.no];
  return step.kind === 'write' && step.goto ? [{ goto: step.goto }] : [];
}

function checkTargets(step: FlowStep, place: Place, known: { readonly ids: readonly string[]; readonly flows: readonly Flow[] }): void {
  if (step.kind === 'confirm' && step.no.goto === undefined && step.no.flow === undefined) {
    throw invalid(place, 'a goto or a flow for "no"', 'none: a no would lead to the next step');
  }
  for (const { goto, flow } of outcomesOf(step)) {
    if (goto !== undefined && goto !== FLOW_END && !known.ids.includes(goto)) {
      throw invalid(place, `goto: ${[...known.ids, FLOW_END].join(', ')}`, `"${goto}"`);
    }
    const others = known.flows.map(({ id }) => id);
    if (flow !== undefined && !others.includes(flow)) throw invalid(place, `flow: ${others.join(', ')}`, `"${flow}"`);
  }
}

function checkOutcomes(step: FlowStep, place: Place): void {
  if (step.kind !== 'check') return;
  const { outcomes } = ACTIONS[step.action];
  const handled = Object.keys(step.outcomes);
  const missing = outcomes.filter((outcome) => !handled.includes(outcome));
  const unknown = handled.filter((outcome) => !outcomes.includes(outcome));
  if (missing.length > 0 || unknown.length > 0) throw invalid(place, `outcomes: ${outcomes.join(', ')}`, handled.join(', '));
}

function checkOrder(step: FlowStep, index: number, flow: Flow, place: Place): void {
  const action = step.kind === 'check' || step.kind === 'write' ? ACTIONS[step.action] : undefined;
  const earlier = flow.steps.slice(0, index);
  const needsIdentity = action?.needsIdentity || (step.kind === 'ask' && SLOTS[step.slot].needsIdentity);
  if (needsIdentity && !earlier.some((other) => other.kind === 'check' && other.action === 'identify')) {
    throw invalid(place, 'an "identify" check before a step that reads customer data', 'none');
  }
  if (step.kind === 'write' && !action?.writes) throw invalid(place, 'an action that writes', step.action);
  if (step.kind === 'check' && action?.writes) throw invalid(place, 'kind: write for an action that writes', 'kind: check');
  if (!action?.writes) return;
  const jumps = flow.steps.some((other) => outcomesOf(other).some(({ goto }) => goto === step.id));
  const confirm = earlier.at(-1);
  if (confirm?.kind === 'confirm' && confirm.unless && action.writes === 'confirmed') {
    throw invalid(place, 'a confirm step that is never skipped', `one with "unless": ${confirm.id}`);
  }
  if (confirm?.kind !== 'confirm' || jumps) {
    throw invalid(place, 'a confirm step right before this write, and no other way to it', jumps ? 'a goto that skips it' : 'none');
  }
}

/** A name that neither a slot nor an action gives would be a hole in a sentence. */
function checkFacts(step: FlowStep, place: Place): void {
  const known = new Set<string>([...SLOT_IDS, ...SLOT_FACTS, ...Object.values(ACTIONS).flatMap(({ facts }) => facts)]);
  const texts = [
    ...(step.kind === 'ask' || step.kind === 'confirm' ? [step.question] : []),
    ...(step.kind === 'write' ? [step.say] : []),
    ...outcomesOf(step).flatMap(({ say }) => (say === undefined ? [] : [say])),
  ];
  for (const [, fact] of texts.join('\n').matchAll(/\{(\w+)\}/g)) {
    if (!known.has(fact as string)) throw invalid(place, `facts: ${[...known].join(', ')}`, `{${fact}}`);
  }
}

function invalid({ file, step }: Place, expected: string, found: string, cause?: unknown): EdgeError {
  return new EdgeError('E_FLOW_INVALID', { what: `flow ${file} is invalid at ${step}`, expected, found, cause, details: { file, step } });
}
