import AxeBuilder from '@axe-core/playwright';
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { ask, ChatFixture, QUOTED_REPLY, statusIs } from '#test/support/chat-page.ts';
import { delta } from '#test/support/chat-script.ts';
import { HOLD } from '#test/support/scripted-endpoint.ts';

const chat = ChatFixture.forFile();

describe('the keyboard alone', () => {
  it('reaches and does everything', async () => {
    chat.endpoint.replies.push(QUOTED_REPLY, [delta('More '), HOLD]);
    const page = await chat.open();
    await pressUntil(page, 'Shift+Tab', 'Skip to the question');
    await page.keyboard.press('Enter');
    await page.keyboard.type('First line');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('second line');
    await page.keyboard.press('Enter');
    await statusIs(page, 'Answer complete');
    expect(chat.endpoint.sent('POST', '/v1/chat/completions')[0]?.body).toMatchObject({
      messages: [{ content: 'First line\nsecond line' }],
    });
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
    const page = await chat.open();
    const refused = await page.evaluate(() =>
      fetch('https://example.org/').then(
        () => false,
        () => true,
      ),
    );
    expect(refused).toBe(true);
    expect(chat.complaints.splice(0).join()).toContain('Content Security Policy');
  });

  it.each(['light', 'dark'] as const)('has no accessibility violation in %s', async (colorScheme) => {
    chat.endpoint.replies.push(QUOTED_REPLY, { status: 503, error: { code: 'E_BUSY', message: 'the queue is full', hint: 'Wait.' } });
    const page = await chat.open({ colorScheme });
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
    chat.endpoint.replies.push(QUOTED_REPLY);
    const page = await chat.open({ viewport: { width: 360, height: 740 } });
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
