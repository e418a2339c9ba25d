/** Retakes the README's pictures from a real device: `node_modules/.bin/node scripts/screenshot.ts URL`. */
import { fileURLToPath } from 'node:url';
import { launchBrowser } from '#test/support/browser.ts';

const [url = 'http://127.0.0.1:8765'] = process.argv.slice(2);
const QUESTIONS = ['How long do I have to return an opened tent?', 'Who pays for the return shipping?'];

const browser = await launchBrowser();
for (const colorScheme of ['light', 'dark'] as const) {
  const page = await browser.newPage({ viewport: { width: 1200, height: 800 }, colorScheme });
  page.setDefaultTimeout(60_000);
  await page.goto(url);
  for (const [index, question] of QUESTIONS.entries()) {
    const field = page.getByRole('textbox', { name: 'Your question' });
    await field.fill(question);
    await field.press('Enter');
    await page.getByText('Quoted from your documents').nth(index).waitFor();
  }
  await page
    .getByRole('button', { name: /source 1/i })
    .first()
    .click();
  await page.waitForTimeout(500);
  await page.screenshot({ path: fileURLToPath(new URL(`../docs/images/chat-${colorScheme}.png`, import.meta.url)) });
  await page.close();
}
await browser.close();
