import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openShop } from '#agent/shop/shop-database.ts';
import { SHOP_MIGRATIONS } from '#agent/shop/shop-schema.ts';
import { generateShop } from '#apps/demo/generate-shop.ts';
import { openDatabase } from '#edge/storage/sqlite.ts';

const script = fileURLToPath(new URL('./crash-child.ts', import.meta.url));
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'support-crash-'));
  using shop = openShop(join(folder, 'shop.db'));
  shop.importShop(generateShop({ seed: 1 }));
});
afterEach(() => rmSync(folder, { recursive: true }));

interface Turn {
  readonly text: string;
  readonly items: readonly { readonly id: string }[];
}

/** One turn in a new process, which is killed with SIGKILL after its answer; `undefined` when it died before. */
function turn(text: string, mode = 'live'): Promise<Turn | undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, folder, mode, text], { stdio: ['ignore', 'pipe', 'pipe'] });
    let [output, errors] = ['', ''];
    child.stdout.on('data', (chunk) => {
      output += chunk;
      if (output.endsWith('\n')) child.kill('SIGKILL');
    });
    child.stderr.on('data', (chunk) => {
      errors += chunk;
    });
    child.on('close', (code, signal) => {
      if (signal !== 'SIGKILL') reject(new Error(`child ended with ${code ?? signal}: ${errors}`));
      else resolve(output === '' ? undefined : (JSON.parse(output) as Turn));
    });
  });
}

function countReturns(): number {
  const database = openDatabase({ path: join(folder, 'shop.db'), migrations: SHOP_MIGRATIONS, readOnly: true });
  const { count } = database.prepare('SELECT count(*) AS count FROM returns').get() as { count: number };
  database.close();
  return count;
}

const UNTIL_CONFIRM = ['I want to return the tent from FH-100001, alex.morgan@example.com', 'it was opened', 'I changed my mind'];

describe('a support session whose process is killed', () => {
  it('goes on after kill -9 between any two turns', async () => {
    const answers: (Turn | undefined)[] = [];
    for (const text of [...UNTIL_CONFIRM, 'yes']) answers.push(await turn(text));
    expect(answers.map((answer) => answer?.text)).toEqual([
      expect.stringContaining('waiting for opened or unopened'),
      expect.stringContaining('waiting for the reason'),
      expect.stringContaining('waiting for your yes or no'),
      expect.stringContaining('your return number is R-1001'),
    ]);
    expect(countReturns()).toBe(1);
  });

  it.each([
    ['die-before-write', 0],
    ['die-after-write', 1],
  ])('registers a return once when it is killed in the write (%s) and the turn is sent again', async (mode, written) => {
    for (const text of UNTIL_CONFIRM) await turn(text);
    expect(await turn('yes', mode)).toBeUndefined();
    expect(countReturns()).toBe(written);
    const again = await turn('yes');
    expect(again?.text).toContain('your return number is R-1001');
    expect(again?.items.map(({ id }) => id)).toEqual(['R-1001']);
    expect(countReturns()).toBe(1);
    expect((await turn('yes'))?.text).not.toContain('R-1002');
    expect(countReturns()).toBe(1);
  });

  it('finishes what was interrupted and answers what is asked now', async () => {
    for (const text of UNTIL_CONFIRM) await turn(text);
    expect(await turn('yes', 'die-after-write')).toBeUndefined();
    const next = await turn('where is my order FH-100002?');
    expect(next?.text).toContain('I was interrupted');
    expect(next?.text).toContain('your return number is R-1001');
    expect(next?.text).toContain('Order FH-100002');
    expect(countReturns()).toBe(1);
  });
});
