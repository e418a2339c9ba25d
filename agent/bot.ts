/** What every bot is to the agent host: the host resolves sessions and stores turns, the bot replies. */
import type { CallOptions } from '#edge/contracts/backend.ts';
import type { BotInfo } from '#edge/contracts/bot.ts';
import type { ChatMessage } from '#edge/contracts/generate.ts';
import type { Citation, ReplyPart } from '#edge/contracts/parts.ts';

/** One message of a user, in its conversation. */
export interface BotTurn {
  /** Key of everything the bot remembers of this conversation. */
  readonly sessionId: string;
  /** The user's new message. */
  readonly text: string;
  /** Earlier turns, oldest first. */
  readonly history: readonly ChatMessage[];
}

/** One chatbot. Turns of one session must not overlap; turns of different sessions may. */
export interface Bot {
  readonly info: BotInfo;
  /**
   * Answers one turn; the last part is `response-end`.
   * @throws EdgeError of the runtime or of storage; a turn that failed can be sent again.
   */
  reply(turn: BotTurn, options?: CallOptions): AsyncIterable<ReplyPart>;
}

/** An answer out of documents, with the spans it was taken from. */
export interface KnowledgeAnswer {
  readonly text: string;
  readonly citations: readonly Citation[];
}

/** Answers questions on policies and documents; the QA bot implements it, the support bot asks it in mid-flow. */
export interface KnowledgePort {
  /** `undefined` when the documents hold no answer. */
  ask(question: string, options?: CallOptions): Promise<KnowledgeAnswer | undefined>;
}
