import type { Bot, BotTurn, KnowledgePort } from '#agent/bot.ts';
import { runTurn } from '#agent/bots/run-turn.ts';
import { streamTemplate } from '#agent/bots/template-reply.ts';
import type { SqliteSaver } from '#agent/memory/sqlite-saver.ts';
import { threadIdOf } from '#agent/memory/thread-id.ts';
import type { ShopDatabase } from '#agent/shop/shop-database.ts';
import type { CallOptions } from '#edge/contracts/backend.ts';
import type { BotInfo } from '#edge/contracts/bot.ts';
import type { ReplyPart } from '#edge/contracts/parts.ts';
import type { RuntimePort } from '#edge/contracts/runtime.ts';
import type { Logger } from '#edge/core/log.ts';
import { IntentRouter } from './intent-router.ts';
import { loadFlows } from './load-flows.ts';
import { buildSupportGraph, ROUTE_NODE } from './support-graph.ts';
import { newTurn, type SupportStateValue } from './support-state.ts';

export interface SupportBotDependencies {
  readonly runtime: RuntimePort;
  /** May still be empty when the bot is made; it is asked at each turn. */
  readonly shop: ShopDatabase;
  readonly saver: SqliteSaver;
  /** Answers policy questions; without it they lead to a person. */
  readonly knowledge?: KnowledgePort;
  readonly log: Logger;
  /** Milliseconds since 1970. Defaults to the day on which the shop's calendar stands. */
  readonly now?: () => number;
}

const INFO: BotInfo = {
  id: 'support',
  name: 'Customer support',
  description: 'Looks up orders and registers returns of the demo shop after checking who you are, or hands you over to a person.',
  examples: [
    'Where is my order FH-100002? My e-mail is alex.morgan@example.com',
    'I want to return the tent from order FH-100001, I am alex.morgan@example.com',
    'I want to talk to a person',
  ],
};

/**
 * The support bot: flows out of YAML files, run step by step with a checkpoint between any two.
 * @throws EdgeError `E_FLOW_INVALID` when a flow file is broken.
 */
export function createSupportBot(dependencies: SupportBotDependencies): Bot {
  const { runtime, shop, saver, knowledge, log, now } = dependencies;
  const flows = loadFlows();
  const today = (): string => (now ? new Date(now()).toISOString().slice(0, 10) : shop.asOf());
  const graph = buildSupportGraph({ shop, flows, knowledge, log, saver, today, router: new IntentRouter({ runtime, flows, log }) });

  async function converse(turn: BotTurn, options: CallOptions): Promise<SupportStateValue> {
    const config = {
      ...options,
      configurable: { thread_id: threadIdOf('support', turn.sessionId), transcript: renderTranscript(turn) },
      // A step's result is on the disk before the next step begins: a crash repeats one step at most.
      durability: 'sync',
    } as const;
    const before = await graph.getState(config);
    // A turn that broke off at a flow's step is finished first; one that had not got so far is taken anew.
    const unfinished = before.next.some((node) => node !== ROUTE_NODE && node !== '__start__');
    if (!unfinished) return (await graph.invoke(newTurn(turn.text), config)) as SupportStateValue;
    log.info('support turn was resumed', { step: before.next[0] });
    const finished = (await graph.invoke(null, config)) as SupportStateValue;
    if (before.values.message === turn.text) return finished;
    const answered = (await graph.invoke(newTurn(turn.text), config)) as SupportStateValue;
    const notice = 'I was interrupted while I worked on your last message. It is done now:';
    return { ...answered, said: [notice, ...finished.said, ...answered.said], items: [...finished.items, ...answered.items] };
  }

  return {
    info: INFO,
    async *reply(turn: BotTurn, options: CallOptions = {}): AsyncGenerator<ReplyPart> {
      const startedAt = performance.now();
      const { said, items, citations, engine, helped } = await runTurn(turn.text, () => converse(turn, options), options);
      const rung = !helped ? 'abstain' : citations.length > 0 ? 'quote' : 'template';
      yield* streamTemplate({ text: said.join('\n\n'), rung, items, citations, ...(engine ? { engine } : {}) }, turn.sessionId, startedAt);
    },
  };
}

function renderTranscript({ history, text }: BotTurn): string {
  return [...history, { role: 'user', content: text }].map(({ role, content }) => `${role}: ${content}`).join('\n');
}
