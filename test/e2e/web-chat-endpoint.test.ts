import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Listener, listen } from '#edge/serve/listen.ts';
import { CITATION, makeEndpoint, SETTINGS } from '#test/serve/harness.ts';
import { launchBrowser } from '#test/support/browser.ts';
import { builtChat } from '#test/support/web-build.ts';

/** The chat on the device's own endpoint, so that neither can change the format alone. */
describe('the chat on the real endpoint', () => {
  const complaints: string[] = [];
  let browser: Browser;
  let endpoint: ReturnType<typeof makeEndpoint>;
  let listener: Listener;
  let page: Page;

  beforeAll(async () => {
    endpoint = makeEndpoint({ webRoot: builtChat() });
    listener = await listen(endpoint.app, SETTINGS);
    browser = await launchBrowser();
    page = await browser.newPage();
    page.setDefaultTimeout(10_000);
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(listener.url);
  });
  afterAll(async () => {
    await browser?.close();
    await listener?.drain(0);
  });

  it('answers with a citation, its products and the rung', async () => {
    await ask('How long can I return it?');
    await page.getByText('Quoted from your documents').waitFor();
    await page.getByRole('button', { name: `Source 1: ${CITATION.title}` }).click();
    expect(await page.locator('mark').textContent()).toBe(CITATION.text);
    await page.getByRole('list', { name: 'Products' }).getByText('120.00').waitFor();
  });

  it('goes on in the session and stores a vote', async () => {
    await ask('And a used one?');
    await page.getByRole('button', { name: 'Good answer' }).nth(1).click();
    await expect.poll(() => endpoint.bots.feedback).toEqual([{ sessionId: 'session_new', vote: 'up' }]);
    expect(endpoint.bots.requests.map((request) => request.sessionId)).toEqual([undefined, 'session_new']);
  });

  it('opens and deletes what the device remembers', async () => {
    await page.getByRole('button', { name: 'New conversation' }).click();
    await page.getByRole('button', { name: /^A question/ }).click();
    await page.getByText('Within thirty days').waitFor();
    await page.getByRole('button', { name: 'Delete "A question"' }).click();
    await page.getByRole('button', { name: 'Really delete "A question"' }).click();
    await page.getByText('Your conversations with the bots will stand here.').waitFor();
  });

  it('stops a model in the middle of its answer', async () => {
    await page.getByRole('button', { name: /Who answers/ }).click();
    await page.getByRole('button', { name: /smollm2-135m-instruct/ }).click();
    await ask('go on for ever');
    await page.getByText('and and and').waitFor();
    await page.keyboard.press('Escape');
    await expect.poll(() => endpoint.runtime.stopped).toBe(1);
  });

  it('tells of a failure before and in the middle of an answer', async () => {
    await ask('break off');
    await page.getByText('E_ENGINE_CRASHED', { exact: true }).waitFor();
    await ask('fail at once');
    await page.getByText('E_ENGINE_BACKOFF', { exact: true }).waitFor();
    complaints.splice(0, complaints.length, ...complaints.filter((text) => !text.includes('503')));
  });

  it('shows the account of the telemetry', async () => {
    await page.getByRole('button', { name: 'This device' }).click();
    await page.getByRole('dialog').getByText('produced').waitFor();
    expect(await page.getByRole('dialog').getByRole('definition').allTextContents()).toEqual(['3', '2', '0', '1']);
    expect(complaints).toEqual([]);
  });

  async function ask(question: string): Promise<void> {
    const field = page.getByRole('textbox', { name: 'Your question' });
    await field.fill(question);
    await field.press('Enter');
  }
});
