import { Annotation } from '@langchain/langgraph';
import type { EngineRef } from '#edge/contracts/parts.ts';
import type { SearchFilter } from './facets.ts';
import type { ParsedMessage, SortOrder } from './parse-message.ts';

/** What a turn says. */
export interface RecommendReply {
  readonly text: string;
  /** Products named in the text, in its order. */
  readonly productIds: readonly string[];
  /** False when the bot had to say that it cannot help. */
  readonly helped: boolean;
  readonly engine?: EngineRef;
}

/**
 * What the bot remembers of a session, and the turn in work. Product facts are never stored, only ids. Nothing is `null`, not
 * `undefined`: LangGraph takes an undefined update for none.
 */
export const RecommendState = Annotation.Root({
  message: Annotation<string>,
  parsed: Annotation<ParsedMessage>,
  /** What is said before the answer: corrections, and what was left out. */
  notes: Annotation<readonly string[]>,
  reply: Annotation<RecommendReply>,
  /** Conditions that hold. */
  filter: Annotation<SearchFilter>({ reducer: (_, next) => next, default: () => ({}) }),
  /** Described beyond the conditions. */
  words: Annotation<readonly string[]>({ reducer: (_, next) => next, default: () => [] }),
  sort: Annotation<SortOrder | null>({ reducer: (_, next) => next, default: () => null }),
  /** The last list, in its order. */
  shown: Annotation<readonly string[]>({ reducer: (_, next) => next, default: () => [] }),
  /** Every product that was listed under the present conditions: `more` leaves them out. */
  seen: Annotation<readonly string[]>({ reducer: (_, next) => next, default: () => [] }),
  /** The product that `it` means. */
  focus: Annotation<string | null>({ reducer: (_, next) => next, default: () => null }),
  /** The wider search that the bot offered. */
  offer: Annotation<SearchFilter | null>({ reducer: (_, next) => next, default: () => null }),
});

export type RecommendStateValue = typeof RecommendState.State;
export type RecommendUpdate = typeof RecommendState.Update;
