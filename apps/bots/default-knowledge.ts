/** What the bots know on the first start: Nearside's own documentation and the demo shop. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { KnowledgeBase } from '#agent/retrieval/knowledge-base.ts';
import type { ShopDatabase } from '#agent/shop/shop-database.ts';
import { generateShop } from '#apps/demo/generate-shop.ts';
import { readPages } from '#apps/demo/read-pages.ts';
import type { Config } from '#edge/config/schema.ts';
import type { Logger } from '#edge/core/log.ts';

/** Raise it when the shop's generator changes; changed pages are noticed by themselves. */
const SEED_VERSION = 2;
const SHOP_SEED = 42;
/** What the sources of Nearside's own manual begin with. */
export const DOCUMENTATION_SOURCES = 'docs/';
const DOCUMENTATION = fileURLToPath(new URL('../../docs', import.meta.url));

export interface SeedTarget {
  readonly config: Config;
  readonly shop: ShopDatabase;
  readonly knowledge: KnowledgeBase;
  readonly log: Logger;
}

/**
 * Fills shop and knowledge base, once for each version of the pages; documents that the user removed stay removed until then.
 * @throws EdgeError of the engine and of storage, and `E_CANCELLED`; what was read until then stays.
 */
export async function seedDefaultKnowledge({ config, shop, knowledge, log }: SeedTarget, signal: AbortSignal): Promise<void> {
  const stamp = join(config.paths.data, 'seeded');
  const version = versionOfSeeds();
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === version) return;
  shop.importShop(generateShop({ seed: SHOP_SEED }));
  await addDefaultDocuments({ knowledge, log, folder: config.paths.data }, signal);
  writeFileSync(stamp, version);
}

/** Reads the shop's pages and the documentation in. The pages are written below `folder`, where their citations lead. */
export async function addDefaultDocuments(
  { knowledge, log, folder }: Pick<SeedTarget, 'knowledge' | 'log'> & { readonly folder: string },
  signal?: AbortSignal,
): Promise<void> {
  for (const page of readPages()) {
    const file = join(folder, page.source);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, page.markdown);
  }
  const groups = [
    { path: join(folder, 'demo'), relativeTo: folder },
    { path: DOCUMENTATION, relativeTo: dirname(DOCUMENTATION) },
  ];
  for (const { path, relativeTo } of groups) {
    const request = { paths: [path], format: 'auto' } as const;
    for await (const part of knowledge.addDocuments(request, { relativeTo, ...(signal ? { signal } : {}) })) {
      if (part.type !== 'report') continue;
      const { added, unchanged, failed } = part.report;
      log.info('default knowledge ready', { from: path, documents: added.length, unchanged: unchanged.length, failed: failed.length });
      for (const failure of failed) log.warn('document not read', failure);
    }
  }
}

/** Changes with every page. A stamp that a power cut left half written is no version, so the seeds are read again. */
function versionOfSeeds(): string {
  const hash = createHash('sha256').update(`${SEED_VERSION}`);
  for (const { source, markdown } of readPages()) hash.update(`\0${source}\0${markdown}`);
  for (const file of readdirSync(DOCUMENTATION)
    .filter((name) => name.endsWith('.md'))
    .sort()) {
    hash.update(`\0${file}\0${readFileSync(join(DOCUMENTATION, file), 'utf8')}`);
  }
  return hash.digest('hex');
}
