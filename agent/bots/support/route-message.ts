import { Command, END } from '@langchain/langgraph';
import type { KnowledgeAnswer, KnowledgePort } from '#agent/bot.ts';
import type { CallOptions } from '#edge/contracts/backend.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { newId } from '#edge/core/ids.ts';
import type { Logger } from '#edge/core/log.ts';
import type { Flow, FlowStep, WaitingStep } from './flow-schema.ts';
import type { IntentRouter } from './intent-router.ts';
import { askAgain, follow, nodeOf, readable, type StepDependencies, slotContext } from './run-step.ts';
import { SLOTS, type SlotId, type Slots } from './slots.ts';
import { type SupportStateValue, type SupportUpdate, withoutFlow } from './support-state.ts';

export interface RouteDependencies extends StepDependencies {
  readonly router: IntentRouter;
  readonly knowledge?: KnowledgePort | undefined;
  readonly log: Logger;
}

const HAND_OVER = 'hand-over';
const CANCEL =
  /^(?:(?:please|ok(?:ay)?|no|actually|sorry)[,.]? )*(?:cancel|stop|abort|quit|exit|never ?mind|forget (?:it|about it)|leave it)(?: (?:it|this|that|the return|the order status|please|everything))?[.!]*$/;
const AFFIRMATION =
  "(?:yes|yeah|yep|yup|y|sure|of course|certainly|absolutely|definitely|ok|okay|all ?right|fine|perfect|correct|right|that(?:'?s| is) (?:right|correct|fine|ok)|sounds good|i'?m sure|i am sure|(?:i )?confirm(?:ed)?|please do|(?:please )?(?:go ahead|(?:do|register|send|open|confirm) (?:it|this|that|so|the return|the ticket|a ticket)))";
/** An affirmation from end to end: nothing beside it but courtesy. Only this lets a write happen. */
const YES = new RegExp(`^${AFFIRMATION}(?:[,!.]? (?:${AFFIRMATION}|and|please|thanks|thank you))*(?:\\.|!+)?$`);
/** A word of doubt: neither a yes nor a no. */
const DOUBT =
  /\b(?:but|wait|hold on|hang on|not (?:yet|sure|now|today)|unsure|maybe|perhaps|hmm+|moment|a (?:sec|second|minute)|think about|don'?t know|do not know|problem|worries|first)\b|\.\.\.|…/;
/** Begins with a no; what follows may be its reason. */
const NO = /^(?:no|nope|nah|don'?t|do not|wrong|n)\b/;
const ONLY_NO = /^(?:no|nope|nah|n)[.!]*$/;
const QUESTION =
  /\?\s*$|^(?:(?:and|but|so|ok(?:ay)?|well|hi|hello|hey|sorry|no|yes)[, ]+)*(?:what|how|when|where|why|who|which|can|could|do|does|did|is|are|am|may|will|would|should|tell me|explain|i (?:want|would like|'d like) to know|i wonder)\b/;
/** Takes up an offer; nothing is written for it, so more may follow. */
const AGREES = new RegExp(`^(?:${AFFIRMATION}|please)(?![\\w'])`);
const CORRECTION = /\b(?:actually|i meant?|sorry|instead|correct(?:ion)?|wrong|change|no,|not the|rather|should be)\b/;
/** Asks what would be, and does not say what is. */
const HYPOTHESIS = /^(?:[a-z]+[, ]+){0,2}(?:what|how|why|when)\b/;
const GREETING =
  /^(?:(?:hi|hello|hey|hiya|good (?:morning|afternoon|evening))(?: there| again| bot| all| team)?|is (?:any|some)(?:body|one) (?:there|here)|(?:any|some)(?:body|one) (?:there|here))[\s!.,?]*$/;
/** What it is and what it can do. */
const ABOUT =
  /^(?:(?:hi|hello|hey)[,!.]? )?(?:who|what) are you[\s?!.]*$|^(?:(?:hi|hello|hey)[,!.]? )?(?:what (?:can|do) you do|what can i (?:ask|do)|how (?:can|do) you help|how does this work|what is this|are you (?:an? )?(?:real |live )?(?:bot|robot|human|person|machine|computer|ai)|(?:please )?help(?: me)?|(?:can|could) you help(?: me)?|i need help|menu)(?: here| for me| me| please)?[\s?!.]*$/;
const THANKS = /^(?:(?:ok(?:ay)?|great|perfect|cool|no)[,.]? )?(?:many )?(?:thanks?|thank you|thx|cheers|great|perfect)\b[\s!.,a-z]{0,20}$/;
const CLOSING =
  /^(?:(?:no|nope|nah|n|ok(?:ay)?)[,.!]? )?(?:no|nope|nah|n|nothing(?: else| more)?|not (?:now|today)|that(?:'?s| is| was| will be) (?:all|it|everything)|i'?m (?:good|fine|done)|all good|(?:good)?bye|see you)(?: for (?:now|today))?(?:[,.!]? (?:thanks?|thank you|cheers|bye))*[\s.!]*$/;
/** Answers in a row that could not be read, after which a person is offered. */
const OFFER_PERSON_AFTER = 2;
/** ... and after which the bot says how to stop. */
const EXPLAIN_CANCEL_AFTER = 3;

const MENU = 'I can tell you where an order is, register a return, answer questions about the shop, or hand you over to a person.';

/** Reads a message where the session stands, and leads to the node that deals with it. */
export async function routeMessage(state: SupportStateValue, host: RouteDependencies, options?: CallOptions): Promise<Command> {
  const text = readable(state.message);
  const flow = host.flows.find(({ id }) => id === state.flow);
  const step = flow?.steps.find((candidate): candidate is WaitingStep => candidate.id === state.step && isWaiting(candidate));
  if (CANCEL.test(text)) return cancel(state, flow);
  if (!flow || !step) return openTurn(state, text, host, options);
  return step.kind === 'confirm'
    ? answerConfirm(state, { flow, step, text }, host, options)
    : answerAsk(state, { flow, step, text }, host, options);
}

interface Waiting<Step extends WaitingStep> {
  readonly flow: Flow;
  readonly step: Step;
  /** Lower case. */
  readonly text: string;
}

async function answerAsk(
  state: SupportStateValue,
  waiting: Waiting<Extract<WaitingStep, { kind: 'ask' }>>,
  host: RouteDependencies,
  options?: CallOptions,
): Promise<Command> {
  const { flow, step, text } = waiting;
  const slot = SLOTS[step.slot];
  if (slot.isFreeText) {
    const value = slot.parse(state.message, slotContext(state, host));
    return value === undefined ? repeat(state, waiting, host) : take(state, flow, { [step.slot]: value }, step);
  }
  const talk = smallTalk(text);
  if (talk) return back(state, waiting, [talk]);
  const corrected = correct(state, waiting, host);
  if (corrected) return corrected;
  const told = tellingSlots(state, flow);
  if (told[step.slot] !== undefined) return take(state, flow, told, step);
  const switched = switchFlow(state, flow, host);
  if (switched) return switched;
  if (QUESTION.test(text)) {
    const answered = await answerInFlow(state, waiting, host, options);
    if (answered) return answered;
  }
  const value = HYPOTHESIS.test(text) ? undefined : slot.parse(state.message, slotContext(state, host));
  if (value !== undefined) return take(state, flow, { ...told, [step.slot]: value }, step);
  return Object.keys(told).length > 0 ? note(state, { flow, step, told }, host) : repeat(state, waiting, host);
}

async function answerConfirm(
  state: SupportStateValue,
  waiting: Waiting<Extract<WaitingStep, { kind: 'confirm' }>>,
  host: RouteDependencies,
  options?: CallOptions,
): Promise<Command> {
  const { flow, step, text } = waiting;
  const settled: SupportUpdate = { misunderstood: 0 };
  if (YES.test(text)) return follow(state, flow, step, { host, rule: {}, facts: {}, settled });
  const talk = smallTalk(text);
  if (talk) return back(state, waiting, [talk]);
  const corrected = correct(state, waiting, host);
  if (corrected) return corrected;
  const switched = switchFlow(state, flow, host);
  if (switched) return switched;
  const doubts = DOUBT.test(text);
  if (NO.test(text) && !doubts) return follow(state, flow, step, { host, rule: step.no, facts: {}, settled });
  const answered = QUESTION.test(text) ? await answerInFlow(state, waiting, host, options) : undefined;
  if (answered) return answered;
  return doubts
    ? back(state, waiting, ['Take your time: nothing is done before you say yes. Please answer with yes or no.'])
    : repeat(state, waiting, host);
}

/** Says something and goes back to the step. */
function back(state: SupportStateValue, { flow, step }: Waiting<WaitingStep>, said: readonly string[]): Command {
  return new Command({ update: { said: [...state.said, ...said], misunderstood: 0 }, goto: nodeOf(flow, step) });
}

/** Takes what was said of later slots, and asks for the present one in other words. */
function note(
  state: SupportStateValue,
  { flow, step, told }: { readonly flow: Flow; readonly step: Extract<WaitingStep, { kind: 'ask' }>; readonly told: Slots },
  host: RouteDependencies,
): Command {
  const noted = flow.steps.flatMap((other) =>
    other.kind === 'ask' && told[other.slot] !== undefined ? [`I have noted ${other.label}: ${told[other.slot]}.`] : [],
  );
  const known = { ...state, slots: { ...state.slots, ...told }, said: [...state.said, ...noted] };
  const { update } = askAgain(known, flow, step, host);
  return new Command({ update: { ...update, slots: known.slots, misunderstood: 0 }, goto: END });
}

/** Puts values into slots and goes on at the step. */
function take(state: SupportStateValue, flow: Flow, values: Slots, step: FlowStep): Command {
  return new Command({ update: { slots: { ...state.slots, ...values }, misunderstood: 0 }, goto: nodeOf(flow, step) });
}

/** What the message says of the flow's slots without being asked, where it says something new. */
function tellingSlots(state: SupportStateValue, flow: Flow): Slots {
  // "What if it is broken?" does not say that it is.
  const asks = QUESTION.test(readable(state.message));
  const found = flow.steps.flatMap((step): (readonly [SlotId, string])[] => {
    if (step.kind !== 'ask') return [];
    // Once a customer is known, an order number names an order, not a proof; before, it is the other way round.
    if (step.slot === 'proof' && state.customer !== null) return [];
    if (step.slot === 'order' && state.customer === null) return [];
    if (step.slot === 'reason' && asks) return [];
    const value = SLOTS[step.slot].tell?.(state.message);
    return value === undefined || value === state.slots[step.slot] ? [] : [[step.slot, value]];
  });
  return Object.fromEntries(found);
}

/** A new value for a slot that was filled: what was asked after it is asked again. */
function correct(
  state: SupportStateValue,
  { flow, step: waiting, text }: Waiting<WaitingStep>,
  host: RouteDependencies,
): Command | undefined {
  const context = slotContext(state, host);
  const told = tellingSlots(state, flow);
  const atConfirm = waiting.kind === 'confirm';
  const mayCorrect = atConfirm || CORRECTION.test(text);
  const asks = flow.steps.filter((step) => step.kind === 'ask');
  const target = asks.find(({ slot }) => {
    const filled = state.slots[slot];
    if (filled === undefined || SLOTS[slot].isFreeText) return false;
    if (told[slot] !== undefined) return true;
    if (!mayCorrect || QUESTION.test(text)) return false;
    const value = SLOTS[slot].parse(state.message, context);
    return value !== undefined && value !== filled;
  });
  if (!target) return undefined;
  const value = told[target.slot] ?? SLOTS[target.slot].parse(state.message, context);
  const later = new Set<string>(asks.slice(asks.indexOf(target) + 1).flatMap(({ slot }) => (SLOTS[slot].isFreeText ? [] : [slot])));
  const provesAnew = target.slot === 'email' || target.slot === 'proof';
  const kept = Object.entries(state.slots).filter(
    ([slot]) => !later.has(slot) || (slot === 'proof' && target.slot === 'email' && state.customer === null),
  );
  const slots: Slots = { ...Object.fromEntries(kept), ...told, [target.slot]: value };
  // What the opening message said of the later slots belonged to the old value.
  const update: SupportUpdate = { slots, misunderstood: 0, opening: '', said: [...state.said, 'I have changed that.'] };
  return new Command({ update: { ...update, ...(provesAnew ? { customer: null } : {}) }, goto: nodeOf(flow, target) });
}

/** A message that plainly begins another flow. */
function switchFlow(state: SupportStateValue, flow: Flow, host: RouteDependencies): Command | undefined {
  const intent = host.router.byRule(state.message);
  if (!intent || intent.flow === flow.id) return undefined;
  const aside = `I have put the ${flow.title.toLowerCase()} aside; nothing was changed.`;
  return begin({ ...state, ...withoutFlow(state), said: [...state.said, aside] } as SupportStateValue, intent.flow, host);
}

async function answerInFlow(
  state: SupportStateValue,
  { flow, step }: Waiting<WaitingStep>,
  host: RouteDependencies,
  options?: CallOptions,
): Promise<Command | undefined> {
  const answer = await lookUp(state.message, host, options);
  if (!answer) return undefined;
  const update: SupportUpdate = {
    said: [...state.said, answer.text, 'Now back to where we were.'],
    citations: answer.citations,
    misunderstood: 0,
  };
  return new Command({ update, goto: nodeOf(flow, step) });
}

function repeat(state: SupportStateValue, { flow, step }: Waiting<WaitingStep>, host: RouteDependencies): Command {
  const misunderstood = state.misunderstood + 1;
  const help = [
    ...(misunderstood >= OFFER_PERSON_AFTER ? ['Say "person" to be handed over to a colleague.'] : []),
    ...(misunderstood >= EXPLAIN_CANCEL_AFTER ? [`Say "cancel" to stop the ${flow.title.toLowerCase()}; nothing is changed then.`] : []),
  ];
  const settled: SupportUpdate = { misunderstood, helped: false };
  if (step.kind === 'ask') {
    const { update } = askAgain({ ...state, said: [...state.said, ...help] }, flow, step, host);
    return new Command({ update: { ...update, ...settled }, goto: END });
  }
  return new Command({ update: { ...settled, said: [...state.said, 'Please answer with yes or no.', ...help] }, goto: nodeOf(flow, step) });
}

function cancel(state: SupportStateValue, flow: Flow | undefined): Command {
  const text = flow
    ? `I have stopped the ${flow.title.toLowerCase()}; nothing was changed. What else can I do for you?`
    : `There is nothing to stop. ${MENU}`;
  return new Command({ update: { ...withoutFlow(state), offer: null, said: [...state.said, text] }, goto: END });
}

/** A turn while no flow runs. */
async function openTurn(state: SupportStateValue, text: string, host: RouteDependencies, options?: CallOptions): Promise<Command> {
  const talk = smallTalk(text);
  if (talk) return say(state, talk);
  const ruled = host.router.byRule(text);
  if (ruled) return begin(state, ruled.flow, host);
  if (state.offer !== null && ONLY_NO.test(text)) return say(state, `All right. ${MENU}`);
  if (state.offer !== null && AGREES.test(text) && !DOUBT.test(text)) return begin(state, state.offer, host);
  if (YES.test(text)) return say(state, `All right. ${MENU}`);
  if (CLOSING.test(text)) return say(state, 'All right. I am here when you need me. Goodbye!');
  const asks = QUESTION.test(text);
  const answer = asks ? await lookUp(state.message, host, options) : undefined;
  if (answer) return offerAfter(state, answer, host);
  const near = await host.router.byExample(state.message, options);
  if (near) return begin({ ...state, engine: near.engine ?? null }, near.flow, host);
  const late = asks ? undefined : await lookUp(state.message, host, options);
  if (late) return offerAfter(state, late, host);
  const said = [...state.said, `I am not sure what you need. ${MENU}`, 'Shall I hand you over to a person?'];
  return new Command({ update: { said, offer: HAND_OVER, helped: false }, goto: END });
}

function say(state: SupportStateValue, text: string): Command {
  return new Command({ update: { offer: null, said: [...state.said, text] }, goto: END });
}

/** The answer to a message that is nothing but courtesy, or that asks about the bot itself. */
function smallTalk(text: string): string | undefined {
  if (GREETING.test(text)) return `Hello. ${MENU}`;
  if (ABOUT.test(text)) return `I am the shop's support bot, a program. ${MENU}`;
  return THANKS.test(text) && !CLOSING.test(text) ? 'You are welcome. I am here when you need me.' : undefined;
}

function offerAfter(state: SupportStateValue, answer: KnowledgeAnswer, host: RouteDependencies): Command {
  const topic = host.router.byTopic(state.message)?.flow ?? null;
  const title = host.flows.find(({ id }) => id === topic)?.title.toLowerCase();
  const offer = title ? [`Shall I begin with the ${title}?`] : [];
  return new Command({ update: { said: [...state.said, answer.text, ...offer], citations: answer.citations, offer: topic }, goto: END });
}

function begin(state: SupportStateValue, id: string, host: RouteDependencies): Command {
  const flow = host.flows.find((candidate) => candidate.id === id) as Flow;
  const slots = { ...state.slots, ...tellingSlots(state, flow) };
  const provesAnew = slots.email !== state.slots.email && state.slots.email !== undefined;
  const update: SupportUpdate = {
    ...withoutFlow(state),
    said: state.said,
    engine: state.engine,
    flow: flow.id,
    run: newId('run'),
    opening: state.message,
    slots,
    offer: null,
    ...(provesAnew ? { customer: null } : {}),
  };
  return new Command({ update, goto: nodeOf(flow, flow.steps[0] as FlowStep) });
}

/** A policy question; a failure of the answering side is told to the log and does not stop the conversation. */
async function lookUp(
  question: string,
  { knowledge, log }: RouteDependencies,
  options?: CallOptions,
): Promise<KnowledgeAnswer | undefined> {
  try {
    return await knowledge?.ask(question, options);
  } catch (error) {
    if (!EdgeError.is(error) || error.code === 'E_CANCELLED') throw error;
    log.warn('policy question was left unanswered', { reason: error.code });
    return undefined;
  }
}

function isWaiting(step: FlowStep): step is WaitingStep {
  return step.kind === 'ask' || step.kind === 'confirm';
}
