import { Command, END } from '@langchain/langgraph';
import type { ShopDatabase } from '#agent/shop/shop-database.ts';
import { ACTIONS, type ActionContext, type Facts, slotFacts } from './actions.ts';
import type { Flow, FlowStep, Outcome, WaitingStep } from './flow-schema.ts';
import { FLOW_END } from './load-flows.ts';
import { SLOTS, type SlotContext } from './slots.ts';
import { type SupportStateValue, type SupportUpdate, withoutFlow } from './support-state.ts';

export interface StepDependencies {
  readonly shop: ShopDatabase;
  readonly flows: readonly Flow[];
  /** The shop's day, `YYYY-MM-DD`. */
  readonly today: () => string;
}

/** Name of a step's node in the graph. */
export function nodeOf(flow: Pick<Flow, 'id'>, step: Pick<FlowStep, 'id'>): string {
  return `${flow.id}/${step.id}`;
}

/** Runs one step of a flow: says, checks or writes, and names the node that comes next. */
export function runStep(
  state: SupportStateValue,
  flow: Flow,
  step: FlowStep,
  host: StepDependencies & { readonly transcript: string },
): Command {
  switch (step.kind) {
    case 'ask':
      return ask(state, flow, step, host);
    case 'confirm':
      if (isSkipped(state, step)) return follow(state, flow, step, { host, rule: {}, facts: {} });
      return wait(state, flow, step, fill(step.question, factsOf(state, host)));
    case 'check': {
      const result = ACTIONS[step.action].run(contextOf(state, flow, step, host));
      const { outcome, facts = {}, items = [], customer, failedIdentities } = result;
      const settled: SupportUpdate = {
        ...(customer === undefined ? {} : { customer }),
        ...(failedIdentities === undefined ? {} : { failedIdentities }),
        items: [...state.items, ...items],
      };
      return follow(state, flow, step, { host, rule: step.outcomes[outcome] ?? {}, facts, settled });
    }
    case 'write': {
      const { facts = {}, items = [] } = ACTIONS[step.action].run(contextOf(state, flow, step, host));
      const rule: Outcome = { say: step.say, ...(step.goto ? { goto: step.goto } : {}) };
      return follow(state, flow, step, { host, rule, facts, settled: { items: [...state.items, ...items] } });
    }
  }
}

/** Leads on from a step by one of its outcomes. */
export function follow(
  state: SupportStateValue,
  flow: Flow,
  step: FlowStep,
  { host, rule, facts, settled = {} }: { host: StepDependencies; rule: Outcome; facts: Facts; settled?: SupportUpdate },
): Command {
  const known = { ...state.facts, ...facts };
  const said = rule.say ? [...state.said, fill(rule.say, { ...factsOf(state, host), ...facts })] : state.said;
  const forgotten = new Set<string>(rule.forget);
  const slots = Object.fromEntries(Object.entries(state.slots).filter(([slot]) => !forgotten.has(slot)));
  const update: SupportUpdate = { ...settled, said, slots, facts: known };
  if (rule.flow) {
    const other = host.flows.find(({ id }) => id === rule.flow) as Flow;
    return new Command({ update: { ...update, flow: other.id, opening: '' }, goto: nodeOf(other, other.steps[0] as FlowStep) });
  }
  const next = rule.goto === FLOW_END ? undefined : nextStep(flow, step, rule.goto);
  if (next) return new Command({ update, goto: nodeOf(flow, next) });
  return new Command({
    update: { ...update, ...withoutFlow({ slots }), said: [...said, 'What else can I do for you?'] },
    goto: END,
  });
}

/** Waits at a step whose answer could not be read: its `retry` stands for the question. */
export function askAgain(
  state: SupportStateValue,
  flow: Flow,
  step: Extract<FlowStep, { kind: 'ask' }>,
  host: Pick<StepDependencies, 'shop'>,
): { readonly update: SupportUpdate } {
  return { update: waiting(state, flow, step, withChoices(state, step, host, step.retry)) };
}

/** A message as the patterns read it: lower case, straight apostrophes, no space around it. */
export function readable(message: string): string {
  return message.toLowerCase().replaceAll('’', "'").trim();
}

/** What a step waits for, as the last line of an answer. */
function waitingLine(state: SupportStateValue, flow: Flow, step: WaitingStep): string {
  const waiting = flow.steps.filter((other) => other.kind === 'ask' || (other.kind === 'confirm' && !isSkipped(state, other)));
  return `(${flow.title}, step ${waiting.findIndex(({ id }) => id === step.id) + 1} of ${waiting.length}: waiting for ${step.label})`;
}

export function slotContext(state: SupportStateValue, { shop }: Pick<StepDependencies, 'shop'>): SlotContext {
  return { shop, slots: state.slots, customer: state.customer };
}

function ask(state: SupportStateValue, flow: Flow, step: Extract<FlowStep, { kind: 'ask' }>, host: StepDependencies): Command {
  const context = slotContext(state, host);
  const slot = SLOTS[step.slot];
  const choices = slot.choices?.(context) ?? [];
  const only = choices.length === 1 ? choices[0]?.value : undefined;
  const value =
    state.slots[step.slot] ?? slot.infer?.(context) ?? only ?? (slot.isInOpening ? slot.parse(state.opening, context) : undefined);
  if (value !== undefined) {
    return follow({ ...state, slots: { ...state.slots, [step.slot]: value } }, flow, step, { host, rule: {}, facts: {} });
  }
  return wait(state, flow, step, withChoices(state, step, host, step.question));
}

function withChoices(
  state: SupportStateValue,
  step: Extract<FlowStep, { kind: 'ask' }>,
  host: Pick<StepDependencies, 'shop'>,
  question: string,
): string {
  const choices = SLOTS[step.slot].choices?.(slotContext(state, host)) ?? [];
  const list = choices.map(({ label }, index) => `${index + 1}. ${label}`);
  return [fill(question, factsOf(state, host)), ...list].join('\n');
}

/** The customer asked for just this in so many words, so no yes is asked for. */
function isSkipped({ opening }: SupportStateValue, { unless = [] }: Extract<FlowStep, { kind: 'confirm' }>): boolean {
  return unless.some((pattern) => new RegExp(pattern).test(readable(opening)));
}

function wait(state: SupportStateValue, flow: Flow, step: WaitingStep, question: string): Command {
  return new Command({ update: waiting(state, flow, step, question), goto: END });
}

function waiting(state: SupportStateValue, flow: Flow, step: WaitingStep, question: string): SupportUpdate {
  return { said: [...state.said, question, waitingLine(state, flow, step)], flow: flow.id, step: step.id };
}

function contextOf(
  state: SupportStateValue,
  flow: Flow,
  step: FlowStep,
  { shop, today, transcript }: StepDependencies & { readonly transcript: string },
): ActionContext {
  return {
    ...slotContext(state, { shop }),
    failedIdentities: state.failedIdentities,
    today: today(),
    key: `${state.run}/${nodeOf(flow, step)}`,
    transcript,
  };
}

function nextStep(flow: Flow, step: FlowStep, goto: string | undefined): FlowStep | undefined {
  if (goto !== undefined) return flow.steps.find(({ id }) => id === goto);
  return flow.steps[flow.steps.findIndex(({ id }) => id === step.id) + 1];
}

function factsOf(state: SupportStateValue, host: Pick<StepDependencies, 'shop'>): Facts {
  return { ...state.facts, ...slotFacts(slotContext(state, host)) };
}

function fill(template: string, facts: Facts): string {
  return template.replaceAll(/\{(\w+)\}/g, (_, name: string) => facts[name] ?? '').trim();
}
