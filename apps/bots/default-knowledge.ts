/** What the bots know on the first start: Nearside's own documentation and the demo shop. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { KnowledgeBase } from '#agent/retrieval/knowledge-base.ts';
import type { ShopDatabase } from '#agent/shop/shop-database.ts';
import { generateShop } from '#apps/demo/generate-shop.ts';
import type { Config } from '#edge/config/schema.ts';
import type { Logger } from '#edge/core/log.ts';

/** Raise it when the seeds change: a device seeds again, unchanged documents cost nothing. */
const SEED_VERSION = 1;
const SHOP_SEED = 42;
const DOCUMENTATION = fileURLToPath(new URL('../../docs', import.meta.url));

export interface SeedTarget {
  readonly config: Config;
  readonly shop: ShopDatabase;
  readonly knowledge: KnowledgeBase;
  readonly log: Logger;
}

/** Fills shop and knowledge base once per seed version; documents that the user removed later stay removed. */
export async function seedDefaultKnowledge({ config, shop, knowledge, log }: SeedTarget): Promise<void> {
  const stamp = join(config.paths.data, 'seeded.json');
  if (existsSync(stamp) && JSON.parse(readFileSync(stamp, 'utf8')).version === SEED_VERSION) return;
  const demo = generateShop({ seed: SHOP_SEED });
  shop.importShop(demo);
  for (const page of demo.pages) {
    const file = join(config.paths.data, page.source);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, page.markdown);
  }
  const groups = [
    { path: join(config.paths.data, 'demo'), relativeTo: config.paths.data },
    { path: DOCUMENTATION, relativeTo: dirname(DOCUMENTATION) },
  ];
  for (const { path, relativeTo } of groups) {
    for await (const part of knowledge.addDocuments({ paths: [path], format: 'auto' }, { relativeTo })) {
      if (part.type !== 'report') continue;
      const { added, unchanged, failed } = part.report;
      log.info('default knowledge ready', { from: path, documents: added.length, unchanged: unchanged.length, failed: failed.length });
      for (const failure of failed) log.warn('document not read', failure);
    }
  }
  writeFileSync(stamp, JSON.stringify({ version: SEED_VERSION }));
}
