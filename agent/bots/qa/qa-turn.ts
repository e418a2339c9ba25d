import { Annotation } from '@langchain/langgraph';
import type { BotTurn } from '#agent/bot.ts';
import type { KnowledgeBase } from '#agent/retrieval/knowledge-base.ts';
import { NO_USAGE } from '#edge/contracts/generate.ts';
import type { Citation, EngineRef, ReplyPart, ResponseEnd, Rung } from '#edge/contracts/parts.ts';
import type { RuntimePort } from '#edge/contracts/runtime.ts';
import type { Logger } from '#edge/core/log.ts';
import type { Strictness } from './coefficients.ts';
import type { FoundAnswer } from './find-answer.ts';
import { chooseQuotes, citationOf, quoteText } from './quote.ts';
import type { Intent } from './understand.ts';

export interface QaBotOptions {
  readonly runtime: RuntimePort;
  readonly knowledge: KnowledgeBase;
  /** How sure the bot must be before it answers. */
  readonly strictness: Strictness;
  readonly log: Logger;
}

/** What is known of a turn while it runs through the graph. */
export const State = Annotation.Root({
  turn: Annotation<BotTurn>,
  /** `performance.now()` when the turn arrived. */
  startedAt: Annotation<number>,
  intent: Annotation<Intent>,
  /** What is searched for: the message, made to stand alone. */
  question: Annotation<string>,
  found: Annotation<FoundAnswer>,
  retrievalMs: Annotation<number>,
});
export type QaState = typeof State.State;

/** Hands parts of the reply to the caller while the graph runs. */
export type Write = (part: ReplyPart) => void;

/** Quotes the sentences that answer. */
export function writeQuote(state: QaState, write: Write): void {
  const citations = chooseQuotes(state.found.sentences).map((sentence, i) => citationOf(sentence.hit, sentence, i + 1));
  writeText(state, write, { text: quoteText(citations), citations, rung: 'quote' });
}

/** Says that the documents hold no answer, and shows the nearest sentence. */
export function writeAbstention(state: QaState, write: Write): void {
  const { found } = state;
  if (found.search.chunkCount === 0) {
    writeText(state, write, { text: 'I have no documents to answer from yet. Add some with "nearside docs add PATH".', rung: 'abstain' });
    return;
  }
  const [nearest] = found.sentences;
  const citations = nearest ? [citationOf(nearest.hit, nearest, 1)] : [];
  const text = "I don't know: the documents do not seem to hold the answer.";
  writeText(state, write, {
    text: nearest ? `${text} The nearest passage says: ${quoteText(citations)}` : text,
    citations,
    rung: 'abstain',
  });
}

interface FixedReply {
  readonly text: string;
  readonly rung: Rung;
  readonly citations?: readonly Citation[];
}

/** Writes a reply whose text stands. */
export function writeText(state: QaState, write: Write, { text, rung, citations = [] }: FixedReply): void {
  const firstTokenMs = performance.now() - state.startedAt;
  write({ type: 'text-start' });
  write({ type: 'text-delta', text });
  for (const citation of citations) write({ type: 'citation', citation });
  write({ type: 'text-end' });
  write(responseEnd(state, { rung, timings: { firstTokenMs } }));
}

/** The last part of a reply; the engine is the embedding model's unless another one wrote the text. */
export function responseEnd(
  state: QaState,
  end: {
    readonly rung: Rung;
    readonly timings: Partial<ResponseEnd['timings']>;
    readonly engine?: EngineRef;
    readonly usage?: ResponseEnd['usage'];
  },
): ResponseEnd {
  const { found, retrievalMs, startedAt, turn } = state;
  const engine = end.engine ?? found?.search.engine;
  return {
    type: 'response-end',
    finishReason: 'stop',
    usage: end.usage ?? { ...NO_USAGE, promptTokens: found?.search.promptTokens ?? 0 },
    timings: { ...end.timings, totalMs: performance.now() - startedAt, ...(retrievalMs === undefined ? {} : { retrievalMs }) },
    ...(engine ? { engine } : {}),
    rung: end.rung,
    sessionId: turn.sessionId,
  };
}
