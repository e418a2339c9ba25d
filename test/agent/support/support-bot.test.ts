import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { KnowledgePort } from '#agent/bot.ts';
import { createSupportBot } from '#agent/bots/support/support-bot.ts';
import { openSaver } from '#agent/memory/sqlite-saver.ts';
import { openShop, type ShopDatabase } from '#agent/shop/shop-database.ts';
import { generateShop } from '#apps/demo/generate-shop.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { createLogger, silentLogger } from '#edge/core/log.ts';
import { type CollectedReply, collectReply } from '#test/support/collect-reply.ts';
import { FakeRuntime } from '#test/support/fake-runtime.ts';

const demo = generateShop({ seed: 1 });
const EMAIL = 'alex.morgan@example.com';
const stranger = demo.orders.find(({ customerId }) => customerId !== 'C001')?.id as string;
const POLICY = 'An opened tent can be returned within 30 days of delivery [1].';
const knowledge: KnowledgePort = {
  ask: async (question) =>
    /opened tent|how long/i.test(question)
      ? {
          text: POLICY,
          citations: [
            { number: 1, documentId: 'd1', source: 'demo/policies/returns.md', title: 'Returns', start: 0, end: 7, text: 'An open' },
          ],
        }
      : undefined,
};

let shop: ShopDatabase;
let saver: ReturnType<typeof openSaver>;
let say: (text: string) => Promise<CollectedReply>;
let dialogue: (...turns: string[]) => Promise<string[]>;

function useBot(options: { knowledge?: KnowledgePort; runtime?: FakeRuntime; log?: typeof silentLogger; now?: () => number } = {}): void {
  const bot = createSupportBot({ runtime: new FakeRuntime(), shop, saver: saver.saver, knowledge, log: silentLogger, ...options });
  say = (text) => collectReply(bot, 's1', text);
  dialogue = async (...turns) => {
    const answers: string[] = [];
    for (const turn of turns) answers.push((await say(turn)).text);
    return answers;
  };
}

beforeEach(() => {
  shop = openShop(':memory:');
  saver = openSaver(':memory:');
  useBot();
  shop.importShop(demo);
});
afterEach(() => {
  shop[Symbol.dispose]();
  saver[Symbol.dispose]();
});

const registered = (): string[] =>
  ['P0001', ...(shop.readOrder('FH-100001')?.lines.map(({ productId }) => productId) ?? [])]
    .map((productId) => shop.findReturn('FH-100001', productId)?.id)
    .filter((id) => id !== undefined);

describe('a choice by its number', () => {
  it('is one of the list that was shown, not of another one', async () => {
    const answers = await dialogue('I want to return something', EMAIL, 'FH-100001', '1', 'unopened', 'it is too small', 'yes');
    expect(answers[2]).toContain('1. ');
    expect(answers[5]).toContain('from order FH-100001, unopened');
    expect(answers[6]).toContain('R-1001');
    expect(registered()).toHaveLength(1);
  });
});

describe('order status', () => {
  it('asks who it is before it says anything of an order, step by step', async () => {
    const [first, second, third, fourth] = await dialogue('Where is my order?', EMAIL, 'ls62ab', 'the first one');
    expect(first).toContain('(Order status, step 1 of 3: waiting for your e-mail address)');
    expect(second).toContain('step 2 of 3: waiting for your order number or postcode');
    expect(third).toContain('Thank you, Alex Morgan.');
    expect(third).toContain('1. FH-100002 (shipped)');
    expect(fourth).toMatch(/Order FH-100002 .* was shipped on 31 May 2026 .*tracking number PP\d{8}GB/);
  });

  it('takes everything out of one message', async () => {
    const reply = await say(`Where is my order FH-100002? I am ${EMAIL.toUpperCase()}`);
    expect(reply.text).toContain('was shipped on 31 May 2026');
    expect(reply.end.items).toMatchObject([{ kind: 'order', id: 'FH-100002', fields: { status: 'shipped' } }]);
    expect(reply.end).toMatchObject({ rung: 'template', finishReason: 'stop' });
  });

  it('remembers who it is, and asks anew which order', async () => {
    await dialogue('Where is my order FH-100001?', EMAIL);
    const [again, boots] = await dialogue('track my order', 'the boots');
    expect(again).toContain('Which order do you mean?');
    expect(again).not.toContain('e-mail');
    expect(boots).toContain('Order FH-100002');
  });

  it("never tells of another customer's order", async () => {
    const other = shop.readOrder(stranger);
    const [, , , refused] = await dialogue('Where is my order?', EMAIL, 'LS6 2AB', stranger);
    expect(refused).toContain('I find no such order under your e-mail address.');
    expect(refused).not.toContain(other?.placedOn);
    for (const { productId } of other?.lines ?? []) expect(refused).not.toContain(shop.readProduct(productId)?.name);
  });
});

describe('identity', () => {
  it.each([
    ['an order of somebody else', EMAIL, stranger],
    ['a wrong postcode', EMAIL, 'LS6 2AA'],
    ['an unknown e-mail address', 'nobody@example.com', 'LS6 2AB'],
  ])('does not accept %s, and does not say what was wrong', async (_, email, proof) => {
    const answers = await dialogue('where is my order?', email, proof);
    expect(answers[2]).toContain('I cannot match these two.');
    expect(answers[2]).toContain('waiting for your e-mail address');
  });

  it('hands over after three wrong identities, and gives no data in this session any more', async () => {
    const wrong = [EMAIL, 'AB1 2CD'];
    const answers = await dialogue('where is my order?', ...wrong, ...wrong, ...wrong);
    expect(answers.at(-1)).toContain('a colleague has to help from here');
    expect(answers.at(-1)).toContain('(Hand-over, step 1 of 3: waiting for how to reach you)');
    const after = await dialogue('cancel', 'where is my order?', EMAIL, 'LS6 2AB');
    expect(after.at(-1)).toContain('a colleague has to help');
    expect(after.join()).not.toContain('FH-100002');
  });

  it('checks anew when another e-mail address is named', async () => {
    await dialogue('Where is my order FH-100001?', EMAIL);
    const other = demo.customers[5]?.email as string;
    const answer = (await say(`where is my order? I am ${other}`)).text;
    expect(answer).toContain('order number');
    expect(answer).not.toContain('FH-100001');
  });
});

describe('return', () => {
  it('registers after a yes, and says what it did', async () => {
    const answers = await dialogue('I want to return something', EMAIL, 'fh 100001', 'the tent', 'opened', 'changed my mind');
    expect(answers[3]).toContain('unopened in its packaging, or was it opened?');
    expect(answers[5]).toMatch(/Shall I register this return: .*Tent from order FH-100001, opened, because of: changed my mind\?/);
    expect(registered()).toEqual([]);
    const done = await say('yes please');
    expect(done.text).toContain('your return number is R-1001');
    expect(done.end.items).toMatchObject([{ kind: 'ticket', id: 'R-1001', fields: { order: 'FH-100001', condition: 'opened' } }]);
    expect(registered()).toEqual(['R-1001']);
  });

  it('registers nothing on a no, a cancel, or an answer that is neither', async () => {
    const start = [`I want to return the tent from FH-100001, I am ${EMAIL}`, 'opened', 'it is too small'];
    const no = await dialogue(...start, 'no');
    expect(no.at(-1)).toContain('Nothing was registered.');
    const cancelled = await dialogue(start[0] as string, 'cancel');
    expect(cancelled.at(-1)).toContain('I have stopped the return; nothing was changed.');
    const vague = await dialogue(...start, 'perhaps tomorrow');
    expect(vague.at(-1)).toContain('Please answer with yes or no.');
    expect(vague.at(-1)).toContain('waiting for your yes or no');
    expect(registered()).toEqual([]);
  });

  it('lets every answer be corrected until the yes', async () => {
    await dialogue('I want to return something', 'alx.morgan@example.com');
    const [email] = await dialogue(`sorry, it is ${EMAIL}`);
    expect(email).toContain('I have changed that.');
    await dialogue('LS6 2AB', 'FH-100003', 'FH-100001', 'the jacket', 'unopened', 'wrong size');
    const [condition] = await dialogue('no, it was opened');
    expect(condition).toContain('I have changed that.');
    const [confirm] = await dialogue('wrong size');
    expect(confirm).toContain('opened, because of: wrong size');
    const [item] = await dialogue('actually the tent');
    expect(item).toContain('unopened in its packaging');
    const [, , done] = await dialogue('unopened', 'changed my mind', 'yes');
    expect(done).toContain('R-1001');
    const tent = shop.readOrder('FH-100001')?.lines[0]?.productId as string;
    expect(shop.findReturn('FH-100001', tent)).toMatchObject({ condition: 'unopened', reason: 'changed my mind' });
  });

  it('applies the policy: too late, sealed equipment, not delivered yet, registered already', async () => {
    const late = await dialogue(`I want to return the headlamp from FH-100003, ${EMAIL}`, 'opened');
    expect(late.at(-1)).toContain('can be returned within 30 days, and that time is over');
    const sealed = await dialogue('I want to return the rope from FH-100003', 'opened');
    expect(sealed.at(-1)).toContain('safety equipment');
    const early = await dialogue('I want to return the boots from FH-100002');
    expect(early.at(-1)).toContain('Order FH-100002 is not delivered');
    await dialogue('I want to return the tent from FH-100001', 'opened', 'faulty', 'yes');
    const twice = await dialogue('I want to return the tent from FH-100001', 'opened');
    expect(twice.at(-1)).toContain('is registered already, as R-1001');
    expect(registered()).toEqual(['R-1001']);
  });

  it("reckons with the shop's calendar, or with the clock that it is given", async () => {
    useBot({ now: () => Date.parse('2026-08-15') });
    const late = await dialogue(`I want to return the tent from FH-100001, ${EMAIL}`, 'unopened');
    expect(late.at(-1)).toContain('within 60 days, and that time is over');
  });
});

describe('conversation', () => {
  it('answers a policy question in mid-flow with its source, and goes back to the step', async () => {
    await dialogue(`I want to return the tent from FH-100001, ${EMAIL}`);
    const reply = await say('How long do I have for an opened tent?');
    expect(reply.text).toContain(POLICY);
    expect(reply.text).toContain('waiting for opened or unopened');
    expect(reply.citations.map(({ source }) => source)).toEqual(['demo/policies/returns.md']);
    expect(reply.end.rung).toBe('quote');
    expect((await say('opened')).text).toContain('Why do you return it?');
  });

  it('answers a question about returns instead of beginning one, and offers to', async () => {
    const reply = await say('How long do I have to return an opened tent?');
    expect(reply.text).toContain(POLICY);
    expect(reply.text).toContain('Shall I begin with the return?');
    expect((await say('yes')).text).toContain('waiting for your e-mail address');
  });

  it('takes a no to its offer for an answer', async () => {
    await say('How long do I have to return an opened tent?');
    const reply = await say('No, thank you');
    expect(reply.text).toMatch(/^All right\./);
    expect(reply.end.rung).toBe('template');
    expect((await say('yes')).text).not.toContain('waiting for');
  });

  it('hands over with contact, summary and transcript', async () => {
    const bot = createSupportBot({ runtime: new FakeRuntime(), shop, saver: saver.saver, log: silentLogger });
    await dialogue('I want to talk to a person', 'call me at 0113 496 0000');
    const history = [{ role: 'user', content: 'I want to talk to a person' }] as const;
    const parts = await Array.fromAsync(bot.reply({ sessionId: 's1', text: 'my tent broke in the wind', history }));
    expect(JSON.stringify(parts)).toContain('T-1001');
    expect(shop.listTickets()).toMatchObject([
      {
        contact: '0113 496 0000',
        summary: 'my tent broke in the wind',
        transcript: 'user: I want to talk to a person\nuser: my tent broke in the wind',
      },
    ]);
  });

  it('asks no contact of a customer whom it knows', async () => {
    await dialogue('Where is my order FH-100001?', EMAIL);
    const [ask, done] = await dialogue('person', 'I moved to another town');
    expect(ask).toContain('step 2 of 2: waiting for what it is about');
    expect(done).toContain(`answers to ${EMAIL}`);
    expect(shop.listTickets()[0]?.customerId).toBe('C001');
  });

  it('changes the flow when another is plainly asked for', async () => {
    await dialogue('I want to return something');
    const [switched] = await dialogue('no wait, where is my order?');
    expect(switched).toContain('I have put the return aside; nothing was changed.');
    expect(switched).toContain('(Order status, step 1 of 3');
  });

  it('offers a person when it does not understand, again and again', async () => {
    await dialogue('where is my order?');
    const [first, second] = await dialogue('purple', 'purple');
    expect(first).toContain('I cannot read an e-mail address');
    expect(second).toContain('Say "person"');
    expect((await dialogue('person'))[0]).toContain('Hand-over');
  });

  it('has no dead end at the beginning', async () => {
    const reply = await say('purple elephants');
    expect(reply.end.rung).toBe('abstain');
    expect(reply.text).toContain('Shall I hand you over to a person?');
    expect((await say('yes')).text).toContain('waiting for how to reach you');
    expect((await dialogue('cancel', 'cancel'))[1]).toContain('There is nothing to stop.');
    expect((await dialogue('hello', 'thanks'))[1]).toContain('You are welcome');
  });

  it('routes what no pattern matches by the nearest example, and says which encoder did', async () => {
    const reply = await say('my delivery is late');
    expect(reply.text).toContain('Order status, step 1');
    expect(reply.end.engine?.model).toBe('classify');
  });
});

describe('the yes before a write', () => {
  const start = [`I want to return the tent from FH-100001, I am ${EMAIL}`, 'opened', 'it is too small'];

  it.each([
    'ok wait, I am not sure yet',
    'right, but hold on a second',
    'yes but not today',
    'ok...',
    'yes?',
    'sure, why not... hmm, maybe',
    'no problem',
    "don't know yet",
  ])('is not "%s": nothing is written, and it is asked again', async (text) => {
    const answers = await dialogue(...start, text);
    expect(answers.at(-1)).toContain('Shall I register this return');
    expect(answers.at(-1)).toContain('waiting for your yes or no');
    expect(registered()).toEqual([]);
  });

  it.each([
    'Yes!',
    'ok',
    'ok thanks',
    'perfect',
    'yes, please do',
    'go ahead, thanks',
    'do it',
    "that's right, thank you",
    'yes, register it please',
  ])('is "%s"', async (text) => {
    await dialogue(...start, text);
    expect(registered()).toEqual(['R-1001']);
  });

  it('is asked before a ticket too, unless the customer asked for a person in so many words', async () => {
    const answers = await dialogue('purple elephants', 'yes', '0113 496 0000', 'my tent broke in the wind');
    expect(answers.at(-1)).toContain('Shall I open a ticket');
    expect(answers.at(-1)).toContain('step 3 of 3');
    expect(shop.listTickets()).toEqual([]);
    expect((await dialogue('wait a moment'))[0]).toContain('Shall I open a ticket');
    expect(shop.listTickets()).toEqual([]);
    expect((await dialogue('yes'))[0]).toContain('T-1001');
    expect((await dialogue('I want to make a complaint', 'a@example.com', 'the courier was rude')).at(-1)).toContain(
      'Shall I open a ticket',
    );
    expect((await dialogue('no'))[0]).toContain('No ticket was opened.');
    expect((await dialogue('I want to talk to a person', 'a@example.com', 'the courier was rude')).at(-1)).toContain('T-1002');
  });

  it('keeps what it is about when the contact is corrected', async () => {
    await dialogue('purple elephants', 'yes', '0113 496 0000', 'my tent broke in the wind');
    expect((await dialogue('no, write to a@example.com'))[0]).toContain('a@example.com');
    await dialogue('yes');
    expect(shop.listTickets()).toMatchObject([{ contact: 'a@example.com', summary: 'my tent broke in the wind' }]);
  });
});

describe('small talk', () => {
  /** Would quote something for any question. */
  const eager: KnowledgePort = { ask: async () => ({ text: POLICY, citations: [] }) };

  it.each(['no', 'No thanks', "that's all", 'nothing', 'no, that is all, thank you', 'nope'])(
    'closes politely on "%s" after "What else can I do for you?"',
    async (text) => {
      useBot({ knowledge: eager });
      const answers = await dialogue('where is my order?', 'cancel', text);
      expect(answers[1]).toContain('What else can I do for you?');
      expect(answers[2]).toBe('All right. I am here when you need me. Goodbye!');
    },
  );

  it.each(['hello?', 'hi there', 'who are you', 'What can you do?', 'are you a real person?', 'help', 'is anybody there?'])(
    'answers "%s" with a template, in a flow too',
    async (text) => {
      useBot({ knowledge: eager });
      const reply = await say(text);
      expect(reply.text).toContain('I can tell you where an order is');
      expect(reply.end.rung).toBe('template');
      expect(reply.citations).toEqual([]);
      const inFlow = (await dialogue('where is my order?', text))[1];
      expect(inFlow).not.toContain(POLICY);
      expect(inFlow).toContain('Which e-mail address did you order with?');
    },
  );
});

describe('offers', () => {
  it('gives way to a flow that is asked for', async () => {
    const answers = await dialogue('purple elephants', 'ok return it');
    expect(answers[0]).toContain('Shall I hand you over to a person?');
    expect(answers[1]).toContain('(Return, step 1 of 7');
  });

  it('takes no doubt for a yes', async () => {
    const answers = await dialogue('purple elephants', 'ok but not yet');
    expect(answers[1]).not.toContain('Hand-over');
  });

  it.each(['cancel that order', 'can you deliver my order to a neighbour?', 'do you offer gift wrapping for orders?'])(
    'offers no order status for "%s"',
    async (text) => {
      useBot({
        knowledge: { ask: async () => ({ text: POLICY, citations: [] }) },
        runtime: new FakeRuntime({ failure: new EdgeError('E_NO_CANDIDATE', { what: 'no encoder' }) }),
      });
      const reply = await say(text);
      expect(reply.text).toBe(POLICY);
    },
  );
});

describe('the condition of an item', () => {
  const start = `I want to return the tent from FH-100001, ${EMAIL}`;

  it('takes what is broken as opened and damaged', async () => {
    const [, confirm] = await dialogue(start, 'it is broken');
    expect(confirm).toContain('opened, because of: damaged or faulty?');
  });

  it('takes a reason given early, and asks for the condition in other words', async () => {
    const [first, second, third] = await dialogue(start, 'I changed my mind', 'unopened');
    expect(first).toContain('unopened in its packaging, or was it opened?');
    expect(second).toContain('I have noted the reason: changed my mind.');
    expect(second).toContain('waiting for opened or unopened');
    expect(second).not.toContain('unopened in its packaging, or was it opened?');
    expect(third).toContain('unopened, because of: changed my mind?');
  });

  it('does not read a denial or a question as a defect', async () => {
    const [, denied] = await dialogue(start, 'it is not broken');
    expect(denied).toContain('waiting for opened or unopened');
    const [question] = await dialogue('what if it is broken?');
    expect(question).toContain('waiting for opened or unopened');
  });

  it('answers a policy question that has no question mark', async () => {
    const [, answer] = await dialogue(start, 'ok but tell me how long I have for an opened tent');
    expect(answer).toContain(POLICY);
    expect(answer).toContain('waiting for opened or unopened');
  });

  it('offers a person after two unreadable answers, and says how to cancel after three', async () => {
    const [, first, second, third] = await dialogue(start, 'purple', 'purple', 'purple');
    expect(first).not.toContain('"person"');
    expect(second).toContain('Say "person"');
    expect(second).not.toContain('"cancel"');
    expect(third).toContain('"cancel"');
  });
});

describe('when a part fails', () => {
  it('works without an encoder and without knowledge, and says so once without the text', async () => {
    const lines: string[] = [];
    const log = createLogger({ level: 'warn', format: 'json', write: (line) => lines.push(line) });
    const failure = new EdgeError('E_NO_CANDIDATE', { what: 'no encoder' });
    const broken: KnowledgePort = { ask: () => Promise.reject(new EdgeError('E_ENGINE_CRASHED', { what: 'engine died' })) };
    useBot({ log, runtime: new FakeRuntime({ failure }), knowledge: broken });
    const [first, second] = await dialogue('my delivery is late', 'do you like mangoes?');
    expect([first, second].every((text) => text?.includes('Shall I hand you over'))).toBe(true);
    const events = lines.map((line) => (JSON.parse(line) as { event: string }).event);
    expect(events.filter((event) => event === 'intent routing fell back')).toHaveLength(1);
    expect(events).toContain('policy question was left unanswered');
    expect(lines.join()).not.toContain('mangoes');
  });

  it('refuses a message that nobody types, with a code, and goes on with the next', async () => {
    await say('where is my order?');
    await expect(say(`${EMAIL} `.repeat(1000))).rejects.toMatchObject({ code: 'E_CONTEXT_OVERFLOW' });
    expect((await say(EMAIL)).text).toContain('step 2 of 3');
  });

  it('takes a turn again that was cancelled before it got anywhere', async () => {
    const bot = createSupportBot({ runtime: new FakeRuntime(), shop, saver: saver.saver, log: silentLogger });
    await expect(collectReply(bot, 's1', 'where is my order?', { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'E_CANCELLED',
    });
    expect((await say('I want to return something')).text).toContain('(Return, step 1 of 7');
  });
});
