import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { launchBrowser } from './browser.ts';
import { delta, ending, healthyAnswers, QUOTED } from './chat-script.ts';
import { ScriptedEndpoint } from './scripted-endpoint.ts';
import { builtChat } from './web-build.ts';

export const QUESTION = 'How long do I have to return an opened tent?';

export const QUOTED_REPLY = [
  delta('', { status: 'Searching 31 documents' }),
  delta('An opened tent can be returned '),
  delta('within **30 days** of delivery [1], and the refund goes to the card that paid [2].'),
  ending(QUOTED),
];

/**
 * The built chat in a real browser on a scripted endpoint, new for each test. A test fails when the page complains:
 * an uncaught error, a console error, a violated policy, a request to another host.
 */
export class ChatFixture {
  endpoint!: ScriptedEndpoint;
  complaints: string[] = [];
  #browser: Browser | undefined;
  #folder = '';
  #url = '';
  #context: BrowserContext | undefined;

  /** Registers the hooks of a test file. */
  static forFile(): ChatFixture {
    const chat = new ChatFixture();
    beforeAll(async () => {
      chat.#folder = builtChat();
      chat.#browser = await launchBrowser();
    });
    afterAll(() => chat.#browser?.close());
    beforeEach(async () => {
      chat.complaints = [];
      chat.endpoint = new ScriptedEndpoint(chat.#folder, healthyAnswers());
      chat.#url = await chat.endpoint.start();
    });
    afterEach(async () => {
      await chat.#context?.close();
      await chat.endpoint[Symbol.asyncDispose]();
      expect(chat.complaints).toEqual([]);
    });
    return chat;
  }

  /** Opens the chat and waits for `ready` on it. */
  async open(options: BrowserContextOptions = {}, ready = QUESTION): Promise<Page> {
    if (!this.#browser) throw new Error('the browser starts in beforeAll');
    this.#context = await this.#browser.newContext({ viewport: { width: 1200, height: 800 }, reducedMotion: 'reduce', ...options });
    const page = await this.#context.newPage();
    page.setDefaultTimeout(10_000);
    page.on('pageerror', (error) => this.complaints.push(`page error: ${error.message}`));
    page.on('console', (message) => {
      // A refused request is told by the browser too, and the tests of refusals ask for it.
      if (message.type() === 'error' && !message.text().includes('Failed to load resource')) this.complaints.push(message.text());
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(this.#url)) this.complaints.push(`request to ${request.url()}`);
    });
    await page.goto(this.#url);
    await page.getByText(ready, { exact: true }).first().waitFor();
    return page;
  }
}

/** Where the question is written. */
export function field(page: Page): Locator {
  return page.getByRole('textbox', { name: 'Your question' });
}

export async function ask(page: Page, question = QUESTION): Promise<void> {
  await field(page).fill(question);
  await field(page).press('Enter');
}

/** Waits until the line for screen readers holds this text. */
export async function statusIs(page: Page, text: string): Promise<void> {
  await page.getByRole('status').filter({ hasText: text }).waitFor({ state: 'attached' });
}
