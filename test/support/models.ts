import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '#edge/config/load.ts';
import type { ModelCard, ModelFile, StoredVariant } from '#edge/contracts/model.ts';

const catalogFolder = new URL('../../models/catalog/', import.meta.url);

/** The card of a model of the catalog. */
export function cardOf(model: string): ModelCard {
  return JSON.parse(readFileSync(new URL(`${model}.json`, catalogFolder), 'utf8')) as ModelCard;
}

/** A default model out of the store that `npm test` filled (the user's own store, so nothing is fetched twice). */
export function storedVariant(model: string): StoredVariant {
  const card = cardOf(model);
  const variant = card.variants[0];
  if (!variant) throw new Error(`${model} has no variant`);
  const blobs = join(loadConfig().paths.store, 'blobs');
  const files: Partial<Record<ModelFile['role'], string>> = {};
  for (const file of variant.files) {
    const path = join(blobs, `sha256-${file.sha256}`);
    if (!existsSync(path)) throw new Error(`${model} is not in ${blobs}: run "npm test", which fetches the default models first`);
    files[file.role] = path;
  }
  const weights = variant.files.find((file) => file.role === 'weights');
  return { model, variant: variant.id, format: variant.format, files, sha256: weights?.sha256 ?? '', bytes: weights?.bytes ?? 0 };
}
