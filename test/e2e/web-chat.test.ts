import AxeBuilder from '@axe-core/playwright';
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { launchBrowser } from '#test/support/browser.ts';
import { delta, ending, healthyAnswers, QUOTED, RETURNS } from '#test/support/chat-script.ts';
import { CUT, HOLD, ScriptedEndpoint, type ScriptedReply } from '#test/support/scripted-endpoint.ts';
import { builtChat } from '#test/support/web-build.ts';

const QUESTION = 'How long do I have to return an opened tent?';
const QUOTED_REPLY = [
  delta('', { status: 'Searching 31 documents' }),
  delta('An opened tent can be returned '),
  delta('within **30 days** of delivery [1], and the refund goes to the card that paid [2].'),
  ending(QUOTED),
];

let browser: Browser;
let folder: string;
let endpoint: ScriptedEndpoint;
let url: string;
let context: BrowserContext;
/** Console errors, policy violations and requests to other hosts of the page under test. */
let complaints: string[];

beforeAll(async () => {
  folder = builtChat();
  browser = await launchBrowser();
});
afterAll(() => browser?.close());
beforeEach(async () => {
  complaints = [];
  endpoint = new ScriptedEndpoint(folder, healthyAnswers());
  url = await endpoint.start();
});
afterEach(async () => {
  await context.close();
  await endpoint[Symbol.asyncDispose]();
  expect(complaints).toEqual([]);
});

/** Opens the chat and waits for `ready` on it. */
async function openChat(options: BrowserContextOptions = {}, ready = QUESTION): Promise<Page> {
  context = await browser.newContext({ viewport: { width: 1200, height: 800 }, reducedMotion: 'reduce', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  page.on('pageerror', (error) => complaints.push(`page error: ${error.message}`));
  page.on('console', (message) => {
    // A refused request is told by the browser too, and the tests of refusals ask for it.
    if (message.type() === 'error' && !message.text().includes('Failed to load resource')) complaints.push(message.text());
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(url)) complaints.push(`request to ${request.url()}`);
  });
  await page.goto(url);
  await page.getByText(ready, { exact: true }).first().waitFor();
  return page;
}

function field(page: Page): Locator {
  return page.getByRole('textbox', { name: 'Your question' });
}

async function ask(page: Page, question = QUESTION): Promise<void> {
  await field(page).fill(question);
  await field(page).press('Enter');
}

async function statusIs(page: Page, text: string): Promise<void> {
  await page.getByRole('status').filter({ hasText: text }).waitFor({ state: 'attached' });
}

describe('an answer', () => {
  it('appears while it is written, and tells who answered and how fast', async () => {
    endpoint.replies.push([
      delta('', { status: 'Searching 31 documents' }),
      HOLD,
      delta('An opened tent can be returned '),
      HOLD,
      delta('within 30 days [1].'),
      ending(QUOTED),
    ]);
    const page = await openChat();
    await ask(page);
    await page.getByText('Searching 31 documents').waitFor();
    await statusIs(page, 'The answer is being written');
    endpoint.release();
    await page.getByText('An opened tent can be returned').waitFor();
    expect(await page.getByText('within 30 days').count()).toBe(0);
    endpoint.release();
    await page.getByText('within 30 days').first().waitFor();
    await statusIs(page, 'Answer complete, with 2 sources');
    const answer = page.getByRole('article', { name: 'Question answering' });
    for (const fact of ['Quoted from your documents', 'e5-small-v2 (int8) on onnx/cpu', 'first word after 184 ms', '212 ms in all']) {
      await answer.getByText(fact, { exact: true }).waitFor();
    }
    expect(endpoint.sent('POST', '/v1/chat/completions')[0]?.body).toEqual({
      model: 'bot/qa',
      stream: true,
      messages: [{ role: 'user', content: QUESTION }],
    });
  });

  it('never shows the tokens to a screen reader as they come', async () => {
    endpoint.replies.push(QUOTED_REPLY);
    const page = await openChat();
    await ask(page);
    await statusIs(page, 'Answer complete');
    expect(await page.getByRole('log').getAttribute('aria-live')).toBe('off');
    expect(await page.getByRole('status').textContent()).not.toContain('tent');
  });

  it('opens the quote of a citation, marked in its context', async () => {
    endpoint.replies.push(QUOTED_REPLY);
    const page = await openChat();
    await ask(page);
    const chip = page.getByRole('button', { name: 'Source 1: Returns and refunds' });
    await chip.click();
    const panel = page.getByRole('complementary', { name: 'Returns and refunds' });
    expect(await panel.locator('mark').textContent()).toBe(RETURNS.text);
    expect(await panel.getByRole('blockquote').textContent()).toContain(RETURNS.before);
    await panel.getByText('demo/policies/returns.md').waitFor();
    expect(await panel.getByRole('definition').allTextContents()).toContain('2');
    await page.keyboard.press('Escape');
    await panel.waitFor({ state: 'detached' });
    expect(await chip.evaluate((node) => node === node.ownerDocument.activeElement)).toBe(true);
  });

  it('is followed to its end until the reader scrolls away', async () => {
    const lines = Array.from({ length: 60 }, (_, line) => delta(`Line ${line}\n\n`));
    endpoint.replies.push([...lines, HOLD, ...lines, HOLD, delta('The end'), ending()]);
    const page = await openChat();
    await ask(page);
    await page.getByText('Line 59').waitFor();
    const log = page.getByRole('log');
    const distance = () => log.evaluate((node) => node.scrollHeight - node.scrollTop - node.clientHeight);
    await expect.poll(distance).toBeLessThan(2);
    await log.evaluate((node) => node.scrollTo(0, 0));
    const toEnd = page.getByRole('button', { name: 'Go to the end' });
    await toEnd.waitFor();
    endpoint.release();
    await expect.poll(() => page.getByText('Line 59').count()).toBe(2);
    expect(await log.evaluate((node) => node.scrollTop)).toBe(0);
    await toEnd.click();
    await toEnd.waitFor({ state: 'detached' });
    endpoint.release();
    await statusIs(page, 'Answer complete');
    await expect.poll(distance).toBeLessThan(2);
  });

  it('stops when it is told to, and the device hears of it', async () => {
    endpoint.replies.push([delta('The first words '), HOLD, delta('never come')], QUOTED_REPLY);
    const page = await openChat();
    await ask(page);
    await page.getByText('The first words').waitFor();
    await page.getByRole('button', { name: 'Stop the answer' }).click();
    await statusIs(page, 'The answer was stopped');
    await expect.poll(() => endpoint.abandoned).toBe(1);
    expect(await page.getByText('The first words').count()).toBe(1);
    await page.getByRole('button', { name: 'Ask again' }).click();
    await statusIs(page, 'Answer complete');
    expect(await page.getByRole('article').count()).toBe(1);
  });

  it('shows products as the database holds them', async () => {
    const fields = {
      price: 89.5,
      currency: 'EUR',
      water_column: '10,000 mm',
      inStock: true,
      sizes: '',
      a: 1,
      b: 2,
      c: 3,
      material: 'nylon',
    };
    endpoint.replies.push([
      delta('One jacket meets all of it.'),
      ending({ rung: 'template', session_id: 's', items: [{ kind: 'product', id: 'P-1042', title: 'Ridge Shell Jacket', fields }] }),
    ]);
    const page = await openChat();
    await ask(page);
    const card = page.getByRole('list', { name: 'Products' }).getByRole('listitem');
    for (const text of ['Ridge Shell Jacket', '€89.50', 'Water column', '10,000 mm', 'In stock', 'yes', 'P-1042']) {
      await card.getByText(text, { exact: true }).waitFor();
    }
    expect(await card.getByText('nylon').isVisible()).toBe(false);
    await card.getByText('More about Ridge Shell Jacket').click();
    await card.getByText('nylon').waitFor();
    expect(await card.getByText('Sizes').count()).toBe(0);
  });

  it('shows HTML as text and follows no script address', async () => {
    endpoint.replies.push([
      delta('<img src=x onerror=alert(1)> [click](javascript:alert(1)) [good](https://example.org/) ![pic](https://example.org/p.png)\n\n'),
      delta('```js\nlet a = [1];\n```\n\n| a | b |\n|---|--:|\n| 1 | 2 |'),
      ending(),
    ]);
    const page = await openChat();
    await ask(page);
    await statusIs(page, 'Answer complete');
    const answer = page.getByRole('article');
    await answer.getByText('<img src=x onerror=alert(1)>').waitFor();
    expect(await answer.locator('img').count()).toBe(0);
    expect(await answer.getByRole('link').allTextContents()).toEqual(['good', 'pic']);
    expect(await answer.getByRole('group', { name: 'Code, js' }).textContent()).toContain('let a = [1];');
    expect(await answer.getByRole('cell').allTextContents()).toEqual(['1', '2']);
  });
});

describe('a failure', () => {
  it.each<[string, ScriptedReply]>([
    [
      'before the answer',
      { status: 503, error: { code: 'E_NO_CANDIDATE', message: 'no engine can run it', hint: 'Pull a smaller model.' } },
    ],
    [
      'in the middle of the answer',
      [delta('Half '), { error: { code: 'E_ENGINE_CRASHED', message: 'the engine crashed', hint: 'Send it again.' } }],
    ],
    ['by a stream that breaks off', [delta('Half '), CUT]],
  ])('%s is told with its code, a hint and a way to retry', async (_, reply) => {
    endpoint.replies.push(reply, QUOTED_REPLY);
    const page = await openChat();
    await ask(page);
    await statusIs(page, 'The answer failed');
    const code = 'error' in reply ? 'E_NO_CANDIDATE' : reply.includes(CUT) ? 'E_STREAM_CUT' : 'E_ENGINE_CRASHED';
    await page.getByText(code, { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Retry' }).click();
    await statusIs(page, 'Answer complete');
    expect(await page.getByText(code, { exact: true }).count()).toBe(0);
    expect(await page.getByRole('article').count()).toBe(1);
  });

  it('of the bots is told, leaves the models usable, and is forgotten when it is over', async () => {
    const bots = endpoint.answers['GET /api/v1/bots'];
    delete endpoint.answers['GET /api/v1/bots'];
    const page = await openChat({}, 'E_NOT_FOUND');
    await page.getByRole('button', { name: /Who answers/ }).click();
    await page.getByRole('button', { name: /^SmolLM2 135M Instruct/ }).waitFor();
    await page.keyboard.press('Escape');
    endpoint.answers['GET /api/v1/bots'] = bots;
    await page.getByRole('button', { name: 'Retry' }).click();
    await page.getByRole('button', { name: QUESTION }).waitFor();
    expect(await page.getByText('E_NOT_FOUND').count()).toBe(0);
  });

  it('for want of a key asks for one and uses it', async () => {
    endpoint.replies.push({ status: 401, error: { code: 'E_UNAUTHORIZED', message: 'a key is needed', hint: 'Send one.' } }, QUOTED_REPLY);
    const page = await openChat();
    await ask(page);
    await page.getByLabel('API key of this device').fill('a-key-of-sixteen-characters');
    await page.getByRole('button', { name: 'Use key' }).click();
    await statusIs(page, 'Answer complete');
    expect(endpoint.sent('POST', '/v1/chat/completions')[1]?.authorization).toBe('Bearer a-key-of-sixteen-characters');
  });
});

describe('feedback', () => {
  it('is sent at once, and a comment after it', async () => {
    endpoint.replies.push(QUOTED_REPLY);
    const page = await openChat();
    await ask(page);
    await page.getByRole('button', { name: 'Bad answer' }).click();
    await page.getByRole('textbox', { name: 'Comment on the answer' }).fill('I meant a used one');
    await page.keyboard.press('Enter');
    await statusIs(page, 'your comment is stored');
    expect(endpoint.sent('POST', '/api/v1/feedback').map((request) => request.body)).toEqual([
      { sessionId: 'se-tent', vote: 'down' },
      { sessionId: 'se-tent', vote: 'down', comment: 'I meant a used one' },
    ]);
    expect(await page.getByRole('button', { name: 'Bad answer' }).getAttribute('aria-pressed')).toBe('true');
  });
});

describe('a conversation', () => {
  it('goes on in the session that the device named, also after a reload', async () => {
    endpoint.replies.push(QUOTED_REPLY, QUOTED_REPLY, QUOTED_REPLY);
    const page = await openChat();
    await ask(page);
    await statusIs(page, 'Answer complete');
    await ask(page, 'And a used one?');
    await expect.poll(() => endpoint.sent('POST', '/v1/chat/completions').length).toBe(2);
    expect(endpoint.sent('POST', '/v1/chat/completions')[1]?.body).toMatchObject({
      nearside: { session_id: 'se-tent' },
      messages: [{ role: 'user', content: 'And a used one?' }],
    });
    await page.reload();
    await page.getByText('Within 30 days of delivery.').waitFor();
    await ask(page, 'And then?');
    await expect.poll(() => endpoint.sent('POST', '/v1/chat/completions').length).toBe(3);
    expect(endpoint.sent('POST', '/v1/chat/completions')[2]?.body).toMatchObject({ nearside: { session_id: 'se-tent' } });
  });

  it('is opened from the list, left for a new one, and deleted after a second press', async () => {
    endpoint.replies.push(QUOTED_REPLY);
    const page = await openChat();
    await page.getByRole('button', { name: /^Returning an opened tent/ }).click();
    await page.getByText('Within 30 days of delivery.').waitFor();
    await page.getByRole('button', { name: 'New conversation' }).click();
    await page.getByRole('heading', { name: 'What would you like to know?' }).waitFor();
    await ask(page);
    await statusIs(page, 'Answer complete');
    expect(endpoint.sent('POST', '/v1/chat/completions')[0]?.body).not.toHaveProperty('nearside');
    await page.getByRole('button', { name: 'Delete "Where is my order?"' }).click();
    expect(endpoint.sent('DELETE', '/api/v1/sessions/se-order')).toHaveLength(0);
    await page.getByRole('button', { name: 'Really delete "Where is my order?"' }).click();
    await page.getByText('Where is my order?').waitFor({ state: 'detached' });
    expect(endpoint.sent('DELETE', '/api/v1/sessions/se-order')).toHaveLength(1);
  });

  it('with a bare model sends what was said before', async () => {
    endpoint.replies.push([delta('Hello.'), ending()], [delta('Still here.'), ending()]);
    const page = await openChat();
    await page.getByRole('button', { name: /Who answers/ }).click();
    const choices = page.getByRole('listitem').getByRole('button').and(page.locator('[aria-current]'));
    await page.getByRole('button', { name: /^SmolLM2 135M Instruct/ }).click();
    await ask(page, 'Hi');
    await statusIs(page, 'Answer complete');
    await ask(page, 'You there?');
    await page.getByText('Still here.').waitFor();
    expect(endpoint.sent('POST', '/v1/chat/completions')[1]?.body).toMatchObject({
      model: 'smollm2-135m-instruct',
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'Hello.' },
        { role: 'user', content: 'You there?' },
      ],
    });
    expect(await choices.count()).toBeGreaterThan(0);
  });

  it('begins with a starter question or another bot', async () => {
    endpoint.replies.push(QUOTED_REPLY);
    const page = await openChat();
    await page
      .getByRole('listitem')
      .getByRole('button', { name: /^Customer support/ })
      .click();
    await page.getByRole('button', { name: 'Where is my order?', exact: true }).click();
    await expect.poll(() => endpoint.sent('POST', '/v1/chat/completions')[0]?.body).toMatchObject({ model: 'bot/support' });
  });
});

describe('the keyboard alone', () => {
  it('reaches and does everything', async () => {
    endpoint.replies.push(QUOTED_REPLY, [delta('More '), HOLD]);
    const page = await openChat();
    await pressUntil(page, 'Shift+Tab', 'Skip to the question');
    await page.keyboard.press('Enter');
    await page.keyboard.type('First line');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('second line');
    await page.keyboard.press('Enter');
    await statusIs(page, 'Answer complete');
    expect(endpoint.sent('POST', '/v1/chat/completions')[0]?.body).toMatchObject({ messages: [{ content: 'First line\nsecond line' }] });
    await pressUntil(page, 'Shift+Tab', 'Source 1: Returns and refunds');
    await page.keyboard.press('Enter');
    await page.locator('mark').waitFor();
    expect(await focusedName(page)).toBe('Returns and refunds');
    await page.keyboard.press('Escape');
    expect(await focusedName(page)).toBe('Source 1: Returns and refunds');
    await ask(page, 'More');
    await page.getByText('More', { exact: true }).last().waitFor();
    await page.keyboard.press('Escape');
    await statusIs(page, 'The answer was stopped');
  });
});

/** Presses a key until the focus stands on the named control; 40 stops are more than the page has. */
async function pressUntil(page: Page, key: string, name: string): Promise<void> {
  for (let presses = 0; presses < 40 && (await focusedName(page)) !== name; presses += 1) await page.keyboard.press(key);
  expect(await focusedName(page)).toBe(name);
}

async function focusedName(page: Page): Promise<string> {
  return page.locator(':focus').evaluate((node) => node.getAttribute('aria-label') ?? node.textContent?.trim() ?? '');
}

describe('every view', () => {
  it('talks to no other host, even if it wanted to', async () => {
    const page = await openChat();
    const refused = await page.evaluate(() =>
      fetch('https://example.org/').then(
        () => false,
        () => true,
      ),
    );
    expect(refused).toBe(true);
    expect(complaints.splice(0).join()).toContain('Content Security Policy');
  });

  it.each(['light', 'dark'] as const)('has no accessibility violation in %s', async (colorScheme) => {
    endpoint.replies.push(QUOTED_REPLY, { status: 503, error: { code: 'E_BUSY', message: 'the queue is full', hint: 'Wait.' } });
    const page = await openChat({ colorScheme });
    await expectAccessible(page, 'the empty page');
    await page.getByRole('button', { name: /Who answers/ }).click();
    await expectAccessible(page, 'the picker');
    await page.keyboard.press('Escape');
    await ask(page);
    await page.getByRole('button', { name: 'Good answer' }).click();
    await page.getByRole('button', { name: 'Source 1: Returns and refunds' }).click();
    await expectAccessible(page, 'an answer with its source');
    await ask(page, 'Again');
    await statusIs(page, 'The answer failed');
    await expectAccessible(page, 'a failure');
    for (const name of ['Documents', 'This device']) {
      await page.getByRole('button', { name, exact: true }).click();
      await page
        .getByRole('dialog')
        .getByText(name === 'Documents' ? 'docs/models.md' : '1,482')
        .waitFor();
      await expectAccessible(page, name);
      await page.keyboard.press('Escape');
    }
  });

  it('fits a screen of 360 pixels', async () => {
    endpoint.replies.push(QUOTED_REPLY);
    const page = await openChat({ viewport: { width: 360, height: 740 } });
    await ask(page);
    await page.getByRole('button', { name: 'Source 2: Returns and refunds' }).click();
    await page.locator('mark').waitFor();
    expect(await page.locator('html').evaluate((node) => node.scrollWidth)).toBe(360);
    await expectAccessible(page, 'the source on a phone');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Conversations' }).click();
    await page.getByRole('button', { name: 'New conversation' }).click();
    await page.getByRole('heading', { name: 'What would you like to know?' }).waitFor();
    await expectAccessible(page, 'the empty page on a phone');
  });
});

async function expectAccessible(page: Page, view: string): Promise<void> {
  const { violations, passes } = await new AxeBuilder({ page }).analyze();
  expect(passes.map(({ id }) => id)).toContain('color-contrast');
  expect(
    violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 160)).join(' | ')}`),
    view,
  ).toEqual([]);
}
