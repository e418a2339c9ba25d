import type { Bot, BotTurn, KnowledgeAnswer, KnowledgePort } from '#agent/bot.ts';
import { requireReadable, toTurnError } from '#agent/bots/run-turn.ts';
import type { SearchOptions } from '#agent/retrieval/search.ts';
import type { CallOptions } from '#edge/contracts/backend.ts';
import type { BotInfo } from '#edge/contracts/bot.ts';
import type { ReplyPart } from '#edge/contracts/parts.ts';
import { QA_COEFFICIENTS } from './coefficients.ts';
import { answers, findAnswer } from './find-answer.ts';
import { createQaGraph } from './qa-graph.ts';
import type { QaBotOptions } from './qa-turn.ts';
import { chooseQuotes, citationOf, quoteText } from './quote.ts';

const INFO: BotInfo = {
  id: 'qa',
  name: 'Questions and answers',
  description: 'Answers from your documents by quoting them, and says when they hold no answer.',
  examples: ['How long do I have to return an opened tent?', 'Who pays for the return shipping?', 'Summarise the warranty'],
};

/** The bot, and what other bots may ask it: of all documents, or of all but some. */
export interface QaBot extends Bot, KnowledgePort {
  ask(question: string, options?: Omit<SearchOptions, 'limit'>): Promise<KnowledgeAnswer | undefined>;
}

/** The QA bot: quotes its source, or says that it does not know. Keeps no state between turns but the history it is given. */
export function createQaBot(options: QaBotOptions): QaBot {
  const graph = createQaGraph(options);
  return { info: INFO, reply, ask };

  async function* reply(turn: BotTurn, { signal }: CallOptions = {}): AsyncGenerator<ReplyPart> {
    requireReadable(turn.text);
    try {
      const parts = await graph.stream({ turn, startedAt: performance.now() }, { streamMode: 'custom', ...(signal ? { signal } : {}) });
      for await (const part of parts) yield part as ReplyPart;
    } catch (error) {
      throw toTurnError(error, signal ? { signal } : {});
    }
  }

  async function ask(question: string, searchOptions: Omit<SearchOptions, 'limit'> = {}): Promise<KnowledgeAnswer | undefined> {
    const found = await findAnswer(options.knowledge, question, QA_COEFFICIENTS, searchOptions);
    if (!answers(found, options.strictness)) return undefined;
    const citations = chooseQuotes(found.sentences).map((sentence, i) => citationOf(sentence.hit, sentence, i + 1));
    return { text: quoteText(citations), citations };
  }
}
