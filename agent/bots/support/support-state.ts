import { Annotation } from '@langchain/langgraph';
import type { Citation, EngineRef, ReplyItem } from '#edge/contracts/parts.ts';
import type { Facts } from './actions.ts';
import type { Slots } from './slots.ts';

/** What the bot remembers of a session, and the turn in work. Nothing is `null`: LangGraph takes an undefined update for none. */
export const SupportState = Annotation.Root({
  /** This turn's message. */
  message: Annotation<string>,
  /** This turn's answer, a paragraph an entry. */
  said: Annotation<readonly string[]>,
  items: Annotation<readonly ReplyItem[]>,
  citations: Annotation<readonly Citation[]>,
  engine: Annotation<EngineRef | null>,
  /** False when the bot had to say that it does not understand. */
  helped: Annotation<boolean>,
  /** The flow that runs. */
  flow: Annotation<string | null>({ reducer: (_, next) => next, default: () => null }),
  /** The step that waits for the user, or that is being run. */
  step: Annotation<string | null>({ reducer: (_, next) => next, default: () => null }),
  /** Names this run of the flow for ever: the root of the keys that make writes idempotent. */
  run: Annotation<string>,
  /** The message that began the flow. */
  opening: Annotation<string>,
  slots: Annotation<Slots>({ reducer: (_, next) => next, default: () => ({}) }),
  facts: Annotation<Facts>({ reducer: (_, next) => next, default: () => ({}) }),
  /** The customer whose identity was confirmed in this session. */
  customer: Annotation<string | null>({ reducer: (_, next) => next, default: () => null }),
  failedIdentities: Annotation<number>({ reducer: (_, next) => next, default: () => 0 }),
  /** Answers in a row that could not be read. */
  misunderstood: Annotation<number>({ reducer: (_, next) => next, default: () => 0 }),
  /** The flow that the bot offered to begin. */
  offer: Annotation<string | null>({ reducer: (_, next) => next, default: () => null }),
});

export type SupportStateValue = typeof SupportState.State;
export type SupportUpdate = typeof SupportState.Update;

/** What every turn begins with. */
export function newTurn(message: string): SupportUpdate {
  return { message, said: [], items: [], citations: [], engine: null, helped: true };
}

/** No flow runs; who the customer is stays known, the rest belonged to the flow. */
export function withoutFlow({ slots: { email } }: Pick<SupportStateValue, 'slots'>): SupportUpdate {
  return { flow: null, step: null, slots: email === undefined ? {} : { email }, facts: {}, misunderstood: 0 };
}
