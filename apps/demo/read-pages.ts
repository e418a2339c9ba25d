import { readdirSync, readFileSync } from 'node:fs';
import type { ShopPage } from '#agent/shop/shop.ts';

const folder = new URL('./pages/', import.meta.url);

/** The policy and help pages that stand beside this module, by file name; the title is the first heading. */
export function readPages(): ShopPage[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.md'))
    .sort()
    .map((file) => {
      const markdown = readFileSync(new URL(file, folder), 'utf8');
      return { source: `demo/policies/${file}`, title: /^# (.+)$/m.exec(markdown)?.[1] ?? file, markdown };
    });
}
