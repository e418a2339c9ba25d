import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from '#test/support/run.ts';

it('the suite runs on the Node that node_modules pins', () => {
  expect(process.versions.node).toMatch(/^24\./);
  expect(realpathSync(process.execPath)).toBe(realpathSync(join(ROOT, 'node_modules/node/bin/node')));
});
