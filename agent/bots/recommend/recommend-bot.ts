import type { Bot, BotTurn } from '#agent/bot.ts';
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
import { ProductRanker } from './rank-products.ts';
import { buildRecommendGraph } from './recommend-graph.ts';
import type { RecommendStateValue } from './recommend-state.ts';
import { toItem } from './render-products.ts';

export interface RecommendBotDependencies {
  readonly runtime: RuntimePort;
  /** May still be empty when the bot is made; it is asked at each turn. */
  readonly shop: ShopDatabase;
  readonly saver: SqliteSaver;
  readonly log: Logger;
}

const INFO: BotInfo = {
  id: 'recommend',
  name: 'Recommendations',
  description: 'Finds products of the demo shop by what you need; names and prices come from its database.',
  examples: ['A waterproof jacket for men under £120', 'Show me a light 2-person tent', 'Hiking boots in size 42, not black'],
};

/** The recommendation bot: stated conditions are hard filters, the rest is likeness and popularity, and the text is templates. */
export function createRecommendBot({ runtime, shop, saver, log }: RecommendBotDependencies): Bot {
  const graph = buildRecommendGraph({ shop, saver, ranker: new ProductRanker({ runtime, shop, log }) });
  return {
    info: INFO,
    async *reply(turn: BotTurn, options: CallOptions = {}): AsyncGenerator<ReplyPart> {
      const startedAt = performance.now();
      const config = { ...options, configurable: { thread_id: threadIdOf('recommend', turn.sessionId) }, durability: 'exit' } as const;
      const { reply }: RecommendStateValue = await runTurn(turn.text, () => graph.invoke({ message: turn.text }, config), options);
      const products = reply.productIds.map((id) => shop.readProduct(id)).filter((product) => product !== undefined);
      yield* streamTemplate(
        {
          text: reply.text,
          rung: reply.helped ? 'template' : 'abstain',
          items: products.map(toItem),
          ...(reply.engine ? { engine: reply.engine } : {}),
        },
        turn.sessionId,
        startedAt,
      );
    },
  };
}
