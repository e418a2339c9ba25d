/** One turn of the support bot in a process of its own: `crash-child.ts FOLDER MODE TEXT`. Prints the answer, then waits to be killed. */
import { join } from 'node:path';
import { createSupportBot } from '#agent/bots/support/support-bot.ts';
import { openSaver } from '#agent/memory/sqlite-saver.ts';
import { openShop, type ShopDatabase } from '#agent/shop/shop-database.ts';
import { silentLogger } from '#edge/core/log.ts';
import { collectReply } from '#test/support/collect-reply.ts';
import { FakeRuntime } from '#test/support/fake-runtime.ts';

const [folder = '', mode = '', text = ''] = process.argv.slice(2);
const shop = openShop(join(folder, 'shop.db'));
const { saver } = openSaver(join(folder, 'checkpoints.db'));
const bot = createSupportBot({ runtime: new FakeRuntime(), shop: dieInWrite(shop, mode), saver, log: silentLogger });
const reply = await collectReply(bot, 'session', text);
process.stdout.write(`${JSON.stringify({ text: reply.text, items: reply.end.items ?? [] })}\n`);
setInterval(() => undefined, 1000);

/** The real shop, whose return kills the process right before or right after it is committed. */
function dieInWrite(target: ShopDatabase, when: string): ShopDatabase {
  return new Proxy(target, {
    get(shopDatabase, name) {
      const value: unknown = Reflect.get(shopDatabase, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        if (name === 'createReturn' && when === 'die-before-write') process.kill(process.pid, 'SIGKILL');
        const result: unknown = value.apply(shopDatabase, args);
        if (name === 'createReturn' && when === 'die-after-write') process.kill(process.pid, 'SIGKILL');
        return result;
      };
    },
  });
}
