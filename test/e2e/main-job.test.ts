/** The main job, on real parts: a person asks about documents in a browser, gets a cited answer, and its numbers reach the fleet. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openFleetDatabase } from '#apps/fleet/query.ts';
import { launchBrowser } from '#test/support/browser.ts';
import { makeHome } from '#test/support/home.ts';
import { nearside, type RunningDevice, startDevice } from '#test/support/run.ts';
import { builtChat } from '#test/support/web-build.ts';

const QUESTION = 'How long do I have to return an opened tent?';
const home = makeHome({ models: true });
let device: RunningDevice;
let browser: Browser;

beforeAll(async () => {
  builtChat();
  device = await startDevice({ home });
  browser = await launchBrowser();
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await device?.stop();
});

interface AskJson {
  readonly answer: string;
  readonly citations: readonly { readonly source: string; readonly start: number; readonly end: number; readonly text: string }[];
  readonly rung: string;
  readonly model: string;
  readonly engine: string;
  readonly usage: { readonly promptTokens: number };
  readonly timings: { readonly totalMs: number };
  readonly session: string;
  readonly items: readonly { readonly fields: Record<string, unknown>; readonly title: string }[];
}

const ask = async (bot: string, question: string, session?: string): Promise<AskJson> =>
  JSON.parse((await nearside(['ask', bot, question, '--json', ...(session ? ['--session', session] : [])], { home })).stdout) as AskJson;

describe('a person asks in a browser', () => {
  it('and sees a quoted answer with its source, and which engine gave it', async () => {
    const page = await browser.newPage({ viewport: { width: 1200, height: 800 } });
    page.setDefaultTimeout(90_000);
    await page.goto(device.url);
    await page.getByRole('textbox', { name: 'Your question' }).fill(QUESTION);
    await page.getByRole('textbox', { name: 'Your question' }).press('Enter');
    await page.getByText('Quoted from your documents').waitFor();
    const log = page.getByRole('log');
    expect(await log.textContent()).toMatch(/30 days/);
    expect(await log.textContent()).toMatch(/e5-small-v2.*(onnx|tflite)\/cpu/s);
    await page
      .getByRole('button', { name: /source 1/i })
      .first()
      .click();
    await page.getByText('demo/policies/', { exact: false }).first().waitFor();
    await page.close();
  }, 120_000);

  it('and the numbers of the answer stand in the database of the fleet', async () => {
    await expect
      .poll(
        async () => {
          using fleet = openFleetDatabase(join(home, 'data/fleet.db'));
          return fleet.listLedgers()[0]?.stored ?? 0;
        },
        { timeout: 30_000 },
      )
      .toBeGreaterThan(0);
    await expect
      .poll(async () => await (await fetch(`${device.url}/metrics`)).text(), { timeout: 10_000 })
      .toMatch(/nearside_bot_answers_total\{nearside_bot="qa",nearside_rung="quote"\} [1-9]/);
    const { stdout } = await nearside(['telemetry', 'status', '--json'], { home });
    const ledger = JSON.parse(stdout);
    expect(ledger.produced).toBe(ledger.stored + ledger.dropped + ledger.pending);
    expect(ledger.stored).toBeGreaterThan(0);
  }, 60_000);
});

describe('the bots on the command line', () => {
  it('qa quotes the exact span of its source', async () => {
    const reply = await ask('qa', QUESTION);
    expect(reply).toMatchObject({
      rung: 'quote',
      model: 'e5-small-v2',
      engine: expect.stringMatching(/^(onnx|tflite)\/cpu$/),
      usage: { promptTokens: expect.any(Number) },
      timings: { totalMs: expect.any(Number) },
    });
    expect(reply.answer).toMatch(/30 days/);
    const citation = reply.citations[0];
    expect(citation?.source).toMatch(/demo\/policies\//);
    const text = readFileSync(join(home, 'data', citation?.source.slice(citation.source.indexOf('demo/')) ?? ''), 'utf8');
    expect(text.includes(citation?.text ?? 'nothing')).toBe(true);
  }, 60_000);

  it('qa says that it does not know', async () => {
    const reply = await ask('qa', 'What is the capital of Mongolia?');
    expect(reply.rung).toBe('abstain');
  }, 60_000);

  it('qa answers about Nearside itself, and about documents of the user, until they are removed', async () => {
    expect((await ask('qa', 'How do I choose another port?')).answer).toMatch(/port/i);
    const folder = mkdtempSync(join(tmpdir(), 'nearside-docs-'));
    writeFileSync(
      join(folder, 'zeppelin.md'),
      '# The zeppelin\n\nThe zeppelin of the harbour museum was built in 1931 by Ada Quill. It is 74 metres long.\n',
    );
    const added = await nearside(['docs', 'add', folder, '--json'], { home });
    expect(JSON.parse(added.stdout)).toMatchObject({ added: [{ title: 'The zeppelin' }], failed: [] });
    expect((await ask('qa', 'Who built the zeppelin of the harbour museum?')).answer).toMatch(/Ada Quill/);
    const removed = await nearside(['docs', 'rm', join(folder, 'zeppelin.md')], { home });
    expect(removed.code).toBe(0);
    expect((await ask('qa', 'Who built the zeppelin of the harbour museum?')).answer).not.toMatch(/Ada Quill/);
  }, 120_000);

  it('qa begins a session under a name, goes on with it, and keeps it to itself', async () => {
    const first = await ask('qa', QUESTION, 'my-own-session');
    expect(first.session).toBe('my-own-session');
    await ask('qa', 'And an unopened one?', 'my-own-session');
    const { messages } = (await (await fetch(`${device.url}/api/v1/sessions/my-own-session`)).json()) as { messages: unknown[] };
    expect(messages).toHaveLength(4);
    const { stdout } = await nearside(['ask', 'recommend', 'a tent', '--session', 'my-own-session', '--json'], { home });
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'E_BAD_REQUEST', message: expect.stringContaining('bot "qa"') } });
  }, 60_000);

  it('names a document that it cannot read, and reads the rest', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'nearside-docs-'));
    writeFileSync(join(folder, 'good.md'), '# Good\n\nThe lighthouse has 214 steps.\n');
    writeFileSync(join(folder, 'broken.pdf'), 'not a PDF');
    const result = await nearside(['docs', 'add', folder, '--json'], { home });
    expect(result.code).toBe(1);
    expect(JSON.parse(result.stdout)).toMatchObject({
      added: [{ title: 'Good' }],
      failed: [{ source: expect.stringContaining('broken.pdf'), code: 'E_DOCUMENT_UNREADABLE' }],
    });
  }, 60_000);

  it('recommend keeps to stated constraints, and remembers what it showed', async () => {
    const first = await ask('recommend', 'waterproof jacket for men under 120');
    expect(first.items.length).toBeGreaterThan(0);
    for (const item of first.items) expect(item.fields).toMatchObject({ price: expect.any(Number), waterproof: true });
    expect(first.items.every((item) => (item.fields.price as number) < 120)).toBe(true);
    const second = await ask('recommend', 'tell me more about the second one', first.session);
    expect(second.answer).toContain(first.items[1]?.title ?? 'a second item');
  }, 60_000);

  it('support leads through a return, for a client that sends its history and no session id', async () => {
    const client = new OpenAI({ baseURL: `${device.url}/v1`, apiKey: 'none', maxRetries: 0 });
    const messages: { role: 'user' | 'assistant'; content: string }[] = [];
    const say = async (content: string): Promise<string> => {
      messages.push({ role: 'user', content });
      const reply = (await client.chat.completions.create({ model: 'bot/support', messages })).choices[0]?.message.content ?? '';
      messages.push({ role: 'assistant', content: reply });
      return reply;
    };
    await say('I want to return something');
    await say('alex.morgan@example.com');
    await say('FH-100001');
    for (let turn = 0; turn < 6 && !/R-\d+/.test(messages.at(-1)?.content ?? ''); turn++) {
      const asked = messages.at(-1)?.content ?? '';
      await say(
        /confirm|shall I|yes or no/i.test(asked)
          ? 'yes'
          : /why|reason/i.test(asked)
            ? 'it is too small'
            : /opened/i.test(asked)
              ? 'unopened'
              : '1',
      );
    }
    expect(messages.at(-1)?.content).toMatch(/R-\d+/);
  }, 120_000);

  it('support asks who you are before it tells anything', async () => {
    const reply = await ask('support', 'Where is my order?');
    expect(reply.answer).toMatch(/e-?mail|order number/i);
    expect(reply.items).toEqual([]);
  }, 60_000);
});
