import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Bot } from '#agent/bot.ts';
import { createRecommendBot } from '#agent/bots/recommend/recommend-bot.ts';
import { openSaver } from '#agent/memory/sqlite-saver.ts';
import type { Product } from '#agent/shop/shop.ts';
import { openShop, type ShopDatabase } from '#agent/shop/shop-database.ts';
import { generateShop } from '#apps/demo/generate-shop.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { createLogger, silentLogger } from '#edge/core/log.ts';
import { type CollectedReply, collectReply } from '#test/support/collect-reply.ts';
import { FakeRuntime } from '#test/support/fake-runtime.ts';

let shop: ShopDatabase;
let saver: ReturnType<typeof openSaver>;
let bot: Bot;
let session = 0;

beforeAll(() => {
  shop = openShop(':memory:');
  saver = openSaver(':memory:');
  bot = createRecommendBot({ runtime: new FakeRuntime(), shop, saver: saver.saver, log: silentLogger });
  // The host makes its bots before the shop is filled.
  shop.importShop(generateShop({ seed: 1 }));
});
afterAll(() => {
  shop[Symbol.dispose]();
  saver[Symbol.dispose]();
});
beforeEach(() => {
  session++;
});

const say = (text: string): Promise<CollectedReply> => collectReply(bot, `session-${session}`, text);
const productsOf = ({ end }: CollectedReply): Product[] => (end.items ?? []).map(({ id }) => shop.readProduct(id) as Product);

describe('hard conditions', () => {
  it("shows no women's shirt to a man who asks for pink shirts", async () => {
    const reply = await say('pink strip shirts for men');
    const products = productsOf(reply);
    expect(products.length).toBeGreaterThan(0);
    for (const product of products) {
      expect(product).toMatchObject({ category: 'shirt', colour: 'pink' });
      expect(['men', 'unisex']).toContain(product.gender);
    }
    expect(reply.text).not.toMatch(/women/i);
  });

  it('meets every stated condition in 300 generated queries, and says so when nothing does', async () => {
    const part = <T>(values: readonly T[]): fc.Arbitrary<T | undefined> =>
      fc.option(fc.constantFrom(...values), { nil: undefined, freq: 1 });
    const queries = fc.record({
      category: fc.constantFrom(
        ['jackets', 'jacket'],
        ['boots', 'boots'],
        ['tents', 'tent'],
        ['t-shirts', 'shirt'],
        ['rucksacks', 'backpack'],
      ),
      gender: part([
        ['for men', 'men'],
        ['for women', 'women'],
        ['for kids', 'kids'],
      ] as const),
      colour: part(['blue', 'red', 'black', 'pink', 'green'] as const),
      notColour: part(['not white', 'but not yellow'] as const),
      price: part([
        ['under', 60],
        ['below', 120],
        ['over', 80],
        ['up to', 100],
      ] as const),
      waterproof: fc.boolean(),
      weight: part([400, 900, 2500] as const),
      brand: part(['Skarn', 'Fellmark'] as const),
    });
    let shown = 0;
    await fc.assert(
      fc.asyncProperty(queries, async ({ category, gender, colour, notColour, price, waterproof, weight, brand }) => {
        session++;
        const text = [
          waterproof ? 'waterproof' : '',
          colour ?? '',
          category[0],
          gender?.[0] ?? '',
          brand ? `by ${brand}` : '',
          price ? `${price[0]} £${price[1]}` : '',
          weight ? `lighter than ${weight} g` : '',
          !colour && notColour ? notColour : '',
        ].join(' ');
        const reply = await say(text);
        const products = productsOf(reply);
        shown += products.length;
        const matches = (product: Product): boolean =>
          product.category === category[1] &&
          (!gender || product.gender === gender[1] || (product.gender === 'unisex' && gender[1] !== 'kids')) &&
          (!colour || product.colour === colour) &&
          (colour !== undefined || !notColour || !notColour.endsWith(product.colour)) &&
          (!price || boundHolds(price, product.price)) &&
          (!waterproof || product.waterproof) &&
          (!weight || product.weightGrams < weight) &&
          (!brand || product.brand === brand) &&
          product.stock > 0;
        const expected = shop.findProducts({}).filter(matches);
        expect(products.every(matches), text).toBe(true);
        expect(products.length, text).toBe(Math.min(5, expected.length));
        if (expected.length === 0) expect(reply.text).toMatch(/^There are no .*Shall I/s);
      }),
      { numRuns: 300, seed: 20_260_601 },
    );
    expect(shown).toBeGreaterThan(300);
  });

  it('takes names and prices from the database only', async () => {
    const reply = await say('boots for women');
    for (const item of reply.end.items ?? []) {
      const product = shop.readProduct(item.id) as Product;
      expect(item).toMatchObject({ kind: 'product', title: product.name, fields: { price: product.price / 100, brand: product.brand } });
      expect(reply.text).toContain(`**${product.name}**: £${(product.price / 100).toFixed(2)}`);
    }
    expect(reply.end).toMatchObject({ rung: 'template', finishReason: 'stop', sessionId: `session-${session}` });
  });

  it('names the condition that removes all, offers to drop it, and drops it', async () => {
    const reply = await say('boots for men under £20');
    expect(reply.end.items).toBeUndefined();
    expect(reply.text).toContain('There are no boots for men, under £20 in stock.');
    expect(reply.text).toContain('Shall I leave out "under £20"?');
    const relaxed = productsOf(await say('yes please'));
    expect(relaxed).toHaveLength(5);
    for (const product of relaxed) expect(product).toMatchObject({ category: 'boots' });
  });

  it('offers the whole category when no single condition is to blame', async () => {
    const reply = await say('a purple rope for kids under 10');
    expect(reply.text).toContain('Shall I show you all ropes instead?');
    expect(productsOf(await say('ok')).map(({ category }) => category)).toEqual(Array(5).fill('rope'));
  });
});

describe('follow-ups', () => {
  it('answers about the second one from the list, without searching again', async () => {
    const list = productsOf(await say('pink shirts for men'));
    const price = await say('price of 2nd item');
    expect(price.text).toBe(`The ${list[1]?.name} costs £${((list[1]?.price ?? 0) / 100).toFixed(2)}.`);
    expect((await say('what sizes does it come in?')).text).toContain(`The ${list[1]?.name} comes in`);
    expect(productsOf(await say('and the first one'))).toEqual([list[0]]);
    expect(productsOf(await say('the last one'))).toEqual([list.at(-1)]);
    expect(productsOf(await say('compare number 1 and number 3'))).toEqual([list[0], list[2]]);
  });

  it('asks which one when the list does not reach so far, or when nothing was shown', async () => {
    expect((await say('the second one')).text).toContain('I have not shown you anything yet');
    await say('pink shirts for men');
    expect((await say('the ninth one')).text).toContain('Which one do you mean?');
    expect((await say('tell me more about it')).text).toContain('Which one do you mean?');
  });

  it('shows cheaper ones under the same conditions', async () => {
    const list = productsOf(await say('waterproof jacket for men under 120'));
    const cheaper = productsOf(await say('show cheaper ones'));
    expect(cheaper.length).toBeGreaterThan(0);
    for (const product of cheaper) {
      expect(product.price).toBeLessThan(Math.min(...list.map(({ price }) => price)));
      expect(product).toMatchObject({ category: 'jacket', waterproof: true });
      expect(['men', 'unisex']).toContain(product.gender);
    }
  });

  it('compares with the one that is spoken of', async () => {
    const list = productsOf(await say('tents'));
    const third = list[2] as Product;
    for (const product of productsOf(await say('lighter than the third one'))) expect(product.weightGrams).toBeLessThan(third.weightGrams);
  });

  it('forgets a comparison that nothing meets, and keeps the conditions', async () => {
    await say('shirts for men in pink');
    for (let step = 0; step < 6; step++) {
      const reply = await say('cheaper ones');
      if (reply.end.items) continue;
      expect(reply.text).toContain('There are no shirts for men, in pink, under');
    }
    expect(productsOf(await say('same in blue')).every(({ colour, category }) => colour === 'blue' && category === 'shirt')).toBe(true);
  });

  it('shows more without repeating, until all were shown', async () => {
    const seen: string[] = [];
    let reply = await say('waterproof jacket for men under 120');
    while (reply.end.items) {
      seen.push(...productsOf(reply).map(({ id }) => id));
      reply = await say('more');
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).toHaveLength(14);
    expect(reply.text).toContain('That was all');
  });

  it('refines, takes back and begins anew', async () => {
    await say('a cheap rain jacket for my wife, not red');
    const refined = productsOf(await say('in M'));
    expect(refined.every(({ sizes, colour }) => sizes.includes('M') && colour !== 'red')).toBe(true);
    const anyColour = await say('any colour');
    expect(anyColour.text).toContain('waterproof jackets for women, in size M');
    const boots = productsOf(await say('what about boots?'));
    expect(boots.every(({ category, gender }) => category === 'boots' && gender !== 'men')).toBe(true);
    await say('start over');
    expect((await say('the first one')).text).toContain('not shown you anything');
  });

  it('begins anew for the same person, where the article is cut for persons at all', async () => {
    await say('waterproof jackets for women');
    const boots = await say('no, i want boots');
    expect(boots.text).toContain('boots for women');
    const tents = await say('no, i want a tent');
    expect(tents.text).toMatch(/^Here are 5 of \d+ tents:/);
  });

  it('keeps sessions apart and remembers them in another bot over the same file', async () => {
    const list = productsOf(await say('tents'));
    const other = createRecommendBot({ runtime: new FakeRuntime(), shop, saver: saver.saver, log: silentLogger });
    const second = await collectReply(other, `session-${session}`, 'the second one');
    expect(productsOf(second)).toEqual([list[1]]);
    expect((await collectReply(other, 'somebody else', 'the second one')).text).toContain('not shown you anything');
  });
});

describe('what is not understood', () => {
  it('is named, not dropped in silence', async () => {
    const reply = await say('vegan boots');
    expect(reply.text).toMatch(/^I do not know "vegan", so I left it out\.\n/);
    expect(productsOf(reply).map(({ category }) => category)).toEqual(Array(5).fill('boots'));
    expect((await say('boots with a rubber rand')).text).not.toContain('I do not know');
  });

  it.each(['show me laptops', 'laptops', 'do you have cheap laptops?', 'what about a laptop', 'a waterproof laptop'])(
    'is said of an article that the shop does not have: %s',
    async (text) => {
      await say('jackets');
      const reply = await say(text);
      expect(reply.text).toMatch(/^This shop has no "laptops?"/);
      expect(reply.end.rung).toBe('abstain');
      expect(reply.end.items).toBeUndefined();
      expect(productsOf(await say('in blue')).every(({ category, colour }) => category === 'jacket' && colour === 'blue')).toBe(true);
    },
  );

  it.each(['show me something warm', 'I need gear for hiking', 'show me red ones', 'a gift for my dad', 'anything in blue?'])(
    'is not said of "%s"',
    async (text) => {
      await say('jackets');
      const reply = await say(text);
      expect(reply.text).not.toMatch(/This shop has no|I do not know/);
      expect(reply.end.items?.length).toBeGreaterThan(0);
    },
  );

  it.each([
    'how much does the first one cost',
    'tell me more about the last one',
    'compare 1 and 2',
    'which one is the cheapest?',
    'more',
    'do you have it in blue?',
  ])('leaves alone what the bot itself asks for: %s', async (text) => {
    await say('jackets');
    expect((await say(text)).text).not.toMatch(/I read|I do not know|This shop has no/);
  });

  it('corrects a slip of the pen and says so', async () => {
    const reply = await say('wterproof jaket mens');
    expect(reply.text).toMatch(/^I read "wterproof" as "waterproof" and "jaket" as "jacket"\.\n/);
    for (const product of productsOf(reply)) expect(product).toMatchObject({ category: 'jacket', waterproof: true });
    expect((await say('botts for women')).text).toMatch(/^I read "botts" as "boots"\./);
  });
});

describe('tents for so many people', () => {
  it('go by what the names say', async () => {
    const three = await say('a tent for 3');
    expect(productsOf(three).length).toBeGreaterThan(0);
    for (const { name } of productsOf(three)) expect(name).toContain('3-person');
    const four = await say('for 4 people');
    expect(four.text).toContain('tents for 4 people');
    for (const { name } of productsOf(four)) expect(name).toContain('Family Tent');
    expect((await say('jackets for 4 people')).text).toContain('Only of tents do I know for how many people they are.');
  });
});

describe('prices', () => {
  it('that contradict each other are said to, and change nothing', async () => {
    await say('boots');
    const reply = await say('under 100 but over 200');
    expect(reply.text).toContain('Nothing can be under 100 but over 200 at once');
    expect(reply.end.items).toBeUndefined();
    expect((await say('waterproof ones')).text).toMatch(/^Here are 5 of \d+ waterproof boots:/);
  });

  it.each(['boots under -5', 'boots for £0'])('that make no sense are asked again: %s', async (text) => {
    const reply = await say(text);
    expect(reply.text).toContain('Which price do you mean?');
    expect(reply.end.items).toBeUndefined();
  });

  it('are in pounds, which is said to whom asks in euros', async () => {
    const reply = await say('boots under 90 euros');
    expect(reply.text).toMatch(/^Prices here are in pounds, so I took the amount as pounds\.\n/);
    for (const { price } of productsOf(reply)) expect(price).toBeLessThan(9000);
  });

  it('may have any upper bound', async () => {
    await say('boots under 60');
    expect((await say('under 1e9')).text).toContain('boots under £1000000000');
  });
});

describe('small talk', () => {
  it.each([
    ['hello', 'Tell me what you look for'],
    ['hi!', 'Tell me what you look for'],
    ['thx', 'You are welcome'],
    ['thank you very much', 'You are welcome'],
    ['what do you have?', 'jackets, fleeces'],
    ['What can you do?', 'Tell me what you look for'],
    ['bye', 'Goodbye'],
  ])('"%s"', async (text, answer) => {
    await say('boots');
    const reply = await say(text);
    expect(reply.text).toContain(answer);
    expect(reply.end).toMatchObject({ rung: 'template' });
    expect(reply.end.items).toBeUndefined();
  });
});

describe('grammar', () => {
  it('knows a pair from a piece', async () => {
    const [socks] = productsOf(await say('teal socks'));
    const details = (await say('tell me more about the first')).text;
    expect(details).toContain('A pair of ');
    expect(details).not.toMatch(/\bAn? (?:waterproof )?teal (?:\w+ )?socks/);
    expect((await say('how much does it cost?')).text).toContain(`The ${socks?.name} cost £`);
    await say('boots');
    expect((await say('is the first one waterproof?')).text).toMatch(/ are (?:not )?waterproof\.$/);
  });
});

describe('ranking', () => {
  it('embeds the description once a product, names the encoder, and asks nothing when there is nothing to compare', async () => {
    const runtime = new FakeRuntime();
    const own = createRecommendBot({ runtime, shop, saver: saver.saver, log: silentLogger });
    expect((await collectReply(own, 'r1', 'hats')).end.engine).toBeUndefined();
    expect(runtime.embedRequests).toHaveLength(0);
    expect((await collectReply(own, 'r2', 'hats that fold into a pocket')).end.engine?.engine).toBe('fake/cpu');
    const before = runtime.embedRequests.length;
    await collectReply(own, 'r3', 'hats with a wide brim');
    expect(runtime.embedRequests.slice(before).map(({ purpose }) => purpose)).toEqual(['query']);
  });

  it('falls back to words when the runtime fails, and says so once', async () => {
    const lines: string[] = [];
    const log = createLogger({ level: 'warn', format: 'json', write: (line) => lines.push(line) });
    const runtime = new FakeRuntime({ failure: new EdgeError('E_NO_CANDIDATE', { what: 'no encoder' }) });
    const own = createRecommendBot({ runtime, shop, saver: saver.saver, log });
    for (const id of ['f1', 'f2']) {
      const reply = await collectReply(own, id, 'a hat with a wide brim and a chin cord');
      expect(productsOf(reply)[0]?.description).toContain('a wide brim and a chin cord');
      expect(reply.end.engine).toBeUndefined();
    }
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ event: 'product ranking fell back', reason: 'E_NO_CANDIDATE' }]);
    expect(lines.join()).not.toContain('brim');
  });

  it('refuses a message that nobody types, with a code', async () => {
    await expect(say('a tent '.repeat(1000))).rejects.toMatchObject({ code: 'E_CONTEXT_OVERFLOW' });
  });

  it('stops when the caller goes away', async () => {
    await expect(collectReply(bot, 'aborted', 'hats with a brim', { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'E_CANCELLED',
    });
  });
});

function boundHolds([word, pounds]: readonly [string, number], pence: number): boolean {
  if (word === 'over') return pence > pounds * 100;
  return word === 'up to' ? pence <= pounds * 100 : pence < pounds * 100;
}
