import { describe, expect, it } from 'vitest';
import { ask, ChatFixture, QUESTION, QUOTED_REPLY, statusIs } from '#test/support/chat-page.ts';
import { delta, ending, QUOTED, RETURNS } from '#test/support/chat-script.ts';
import { CUT, HOLD, type ScriptedReply } from '#test/support/scripted-endpoint.ts';

const chat = ChatFixture.forFile();

describe('an answer', () => {
  it('appears while it is written, and tells who answered and how fast', async () => {
    chat.endpoint.replies.push([
      delta('', { status: 'Searching 31 documents' }),
      HOLD,
      delta('An opened tent can be returned '),
      HOLD,
      delta('within 30 days [1].'),
      ending(QUOTED),
    ]);
    const page = await chat.open();
    await ask(page);
    await page.getByText('Searching 31 documents').waitFor();
    await statusIs(page, 'The answer is being written');
    chat.endpoint.release();
    await page.getByText('An opened tent can be returned').waitFor();
    expect(await page.getByText('within 30 days').count()).toBe(0);
    chat.endpoint.release();
    await page.getByText('within 30 days').first().waitFor();
    await statusIs(page, 'Answer complete, with 2 sources');
    const answer = page.getByRole('article', { name: 'Question answering' });
    for (const fact of ['Quoted from your documents', 'e5-small-v2 (int8) on onnx/cpu', 'first word after 184 ms', '212 ms in all']) {
      await answer.getByText(fact, { exact: true }).waitFor();
    }
    expect(chat.endpoint.sent('POST', '/v1/chat/completions')[0]?.body).toEqual({
      model: 'bot/qa',
      stream: true,
      messages: [{ role: 'user', content: QUESTION }],
    });
  });

  it('says that the bots start while they do', async () => {
    const started = Promise.withResolvers<unknown>();
    const bots = chat.endpoint.answers['GET /api/v1/bots'];
    chat.endpoint.answers['GET /api/v1/bots'] = started.promise;
    chat.endpoint.replies.push([HOLD, delta('Within 30 days.'), ending()]);
    const page = await chat.open({}, 'The bots are starting. This takes a few seconds.');
    await ask(page);
    await page.getByText('The bots are starting', { exact: true }).waitFor();
    started.resolve(bots);
    await page.getByText('Thinking', { exact: true }).waitFor();
    await page.getByText('Longer than usual').waitFor();
    chat.endpoint.release();
    await statusIs(page, 'Answer complete');
    expect(await page.getByText('Longer than usual').count()).toBe(0);
  });

  it('never shows the tokens to a screen reader as they come', async () => {
    chat.endpoint.replies.push(QUOTED_REPLY);
    const page = await chat.open();
    await ask(page);
    await statusIs(page, 'Answer complete');
    expect(await page.getByRole('log').getAttribute('aria-live')).toBe('off');
    expect(await page.getByRole('status').textContent()).not.toContain('tent');
  });

  it('opens the quote of a citation, marked in its context', async () => {
    chat.endpoint.replies.push(QUOTED_REPLY);
    const page = await chat.open();
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

  it('shows the path of a passage as steps', async () => {
    const citations = [{ ...RETURNS, title: 'Returns and refunds > How long you have' }];
    chat.endpoint.replies.push([delta('Within 30 days [1].'), ending({ ...QUOTED, citations })]);
    const page = await chat.open();
    await ask(page);
    await page.getByRole('button', { name: 'Source 1: Returns and refunds › How long you have' }).click();
    await page.getByRole('heading', { name: 'Returns and refunds › How long you have' }).waitFor();
    expect(await page.getByRole('list', { name: 'Sources' }).textContent()).toContain('Returns and refunds › How long you have, page 2');
  });

  it('is followed to its end until the reader scrolls away', async () => {
    const lines = Array.from({ length: 60 }, (_, line) => delta(`Line ${line}\n\n`));
    chat.endpoint.replies.push([...lines, HOLD, ...lines, HOLD, delta('The end'), ending()]);
    const page = await chat.open();
    await ask(page);
    await page.getByText('Line 59').waitFor();
    const log = page.getByRole('log');
    const distance = () => log.evaluate((node) => node.scrollHeight - node.scrollTop - node.clientHeight);
    await expect.poll(distance).toBeLessThan(2);
    await log.evaluate((node) => node.scrollTo(0, 0));
    const toEnd = page.getByRole('button', { name: 'Go to the end' });
    await toEnd.waitFor();
    chat.endpoint.release();
    await expect.poll(() => page.getByText('Line 59').count()).toBe(2);
    expect(await log.evaluate((node) => node.scrollTop)).toBe(0);
    await toEnd.click();
    await toEnd.waitFor({ state: 'detached' });
    chat.endpoint.release();
    await statusIs(page, 'Answer complete');
    await expect.poll(distance).toBeLessThan(2);
  });

  it('stops when it is told to, and the device hears of it', async () => {
    chat.endpoint.replies.push([delta('The first words '), HOLD, delta('never come')], QUOTED_REPLY);
    const page = await chat.open();
    await ask(page);
    await page.getByText('The first words').waitFor();
    await page.getByRole('button', { name: 'Stop the answer' }).click();
    await statusIs(page, 'The answer was stopped');
    await expect.poll(() => chat.endpoint.abandoned).toBe(1);
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
    chat.endpoint.replies.push([
      delta('One jacket meets all of it.'),
      ending({ rung: 'template', session_id: 's', items: [{ kind: 'product', id: 'P-1042', title: 'Ridge Shell Jacket', fields }] }),
    ]);
    const page = await chat.open();
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
    chat.endpoint.replies.push([
      delta('<img src=x onerror=alert(1)> [click](javascript:alert(1)) [good](https://example.org/) ![pic](https://example.org/p.png)\n\n'),
      delta('```js\nlet a = [1];\n```\n\n| a | b |\n|---|--:|\n| 1 | 2 |'),
      ending(),
    ]);
    const page = await chat.open();
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
    chat.endpoint.replies.push(reply, QUOTED_REPLY);
    const page = await chat.open();
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
    const bots = chat.endpoint.answers['GET /api/v1/bots'];
    delete chat.endpoint.answers['GET /api/v1/bots'];
    const page = await chat.open({}, 'E_NOT_FOUND');
    await page.getByRole('button', { name: /Who answers/ }).click();
    await page.getByRole('button', { name: /^SmolLM2 135M Instruct/ }).waitFor();
    await page.keyboard.press('Escape');
    chat.endpoint.answers['GET /api/v1/bots'] = bots;
    await page.getByRole('button', { name: 'Retry' }).click();
    await page.getByRole('button', { name: QUESTION }).waitFor();
    expect(await page.getByText('E_NOT_FOUND').count()).toBe(0);
  });

  it('for want of a key asks for one and uses it', async () => {
    chat.endpoint.replies.push(
      { status: 401, error: { code: 'E_UNAUTHORIZED', message: 'a key is needed', hint: 'Send one.' } },
      QUOTED_REPLY,
    );
    const page = await chat.open();
    await ask(page);
    await page.getByLabel('API key of this device').fill('a-key-of-sixteen-characters');
    await page.getByRole('button', { name: 'Use key' }).click();
    await statusIs(page, 'Answer complete');
    expect(chat.endpoint.sent('POST', '/v1/chat/completions')[1]?.authorization).toBe('Bearer a-key-of-sixteen-characters');
  });
});

describe('feedback', () => {
  it('is sent at once, and a comment after it', async () => {
    chat.endpoint.replies.push(QUOTED_REPLY);
    const page = await chat.open();
    await ask(page);
    await page.getByRole('button', { name: 'Bad answer' }).click();
    await page.getByRole('textbox', { name: 'Comment on the answer' }).fill('I meant a used one');
    await page.keyboard.press('Enter');
    await statusIs(page, 'your comment is stored');
    expect(chat.endpoint.sent('POST', '/api/v1/feedback').map((request) => request.body)).toEqual([
      { sessionId: 'se-tent', vote: 'down' },
      { sessionId: 'se-tent', vote: 'down', comment: 'I meant a used one' },
    ]);
    expect(await page.getByRole('button', { name: 'Bad answer' }).getAttribute('aria-pressed')).toBe('true');
  });
});

describe('a conversation', () => {
  it('goes on in the session that the device named, also after a reload', async () => {
    chat.endpoint.replies.push(QUOTED_REPLY, QUOTED_REPLY, QUOTED_REPLY);
    const page = await chat.open();
    await ask(page);
    await statusIs(page, 'Answer complete');
    await ask(page, 'And a used one?');
    await expect.poll(() => chat.endpoint.sent('POST', '/v1/chat/completions').length).toBe(2);
    expect(chat.endpoint.sent('POST', '/v1/chat/completions')[1]?.body).toMatchObject({
      nearside: { session_id: 'se-tent' },
      messages: [{ role: 'user', content: 'And a used one?' }],
    });
    await page.reload();
    await page.getByText('Within 30 days of delivery.').waitFor();
    await ask(page, 'And then?');
    await expect.poll(() => chat.endpoint.sent('POST', '/v1/chat/completions').length).toBe(3);
    expect(chat.endpoint.sent('POST', '/v1/chat/completions')[2]?.body).toMatchObject({ nearside: { session_id: 'se-tent' } });
  });

  it('is opened from the list, left for a new one, and deleted after a second press', async () => {
    chat.endpoint.replies.push(QUOTED_REPLY);
    const page = await chat.open();
    await page.getByRole('button', { name: /^Returning an opened tent/ }).click();
    await page.getByText('Within 30 days of delivery.').waitFor();
    await page.getByRole('button', { name: 'New conversation' }).click();
    await page.getByRole('heading', { name: 'What would you like to know?' }).waitFor();
    await ask(page);
    await statusIs(page, 'Answer complete');
    expect(chat.endpoint.sent('POST', '/v1/chat/completions')[0]?.body).not.toHaveProperty('nearside');
    await page.getByRole('button', { name: 'Delete "Where is my order?"' }).click();
    expect(chat.endpoint.sent('DELETE', '/api/v1/sessions/se-order')).toHaveLength(0);
    await page.getByRole('button', { name: 'Really delete "Where is my order?"' }).click();
    await page.getByText('Where is my order?').waitFor({ state: 'detached' });
    expect(chat.endpoint.sent('DELETE', '/api/v1/sessions/se-order')).toHaveLength(1);
  });

  it('with a bare model sends what was said before', async () => {
    chat.endpoint.replies.push([delta('Hello.'), ending()], [delta('Still here.'), ending()]);
    const page = await chat.open();
    await page.getByRole('button', { name: /Who answers/ }).click();
    const choices = page.getByRole('listitem').getByRole('button').and(page.locator('[aria-current]'));
    await page.getByRole('button', { name: /^SmolLM2 135M Instruct/ }).click();
    await ask(page, 'Hi');
    await statusIs(page, 'Answer complete');
    await ask(page, 'You there?');
    await page.getByText('Still here.').waitFor();
    expect(chat.endpoint.sent('POST', '/v1/chat/completions')[1]?.body).toMatchObject({
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
    chat.endpoint.replies.push(QUOTED_REPLY);
    const page = await chat.open();
    await page
      .getByRole('listitem')
      .getByRole('button', { name: /^Customer support/ })
      .click();
    await page.getByRole('button', { name: 'Where is my order?', exact: true }).click();
    await expect.poll(() => chat.endpoint.sent('POST', '/v1/chat/completions')[0]?.body).toMatchObject({ model: 'bot/support' });
  });
});
