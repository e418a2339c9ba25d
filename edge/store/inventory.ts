/** What lies in the store, read from manifests, sizes and times; nothing here hashes or writes. */
import { existsSync, statSync } from 'node:fs';
import type { ModelCard, ModelVariant, StoredVariant } from '#edge/contracts/model.ts';
import type { KeptQuality } from '#edge/contracts/quantize.ts';
import type { Catalog } from './catalog.ts';
import type { StoreLayout } from './layout.ts';
import { type FileState, type Manifest, type ManifestFile, readManifest, readManifests, stateOf } from './manifest.ts';

/** A variant of which the store holds something. */
export interface ListedVariant extends StoredVariant {
  /** The worst state of its files. */
  readonly state: FileState;
  /** When its hashes were last computed, ISO 8601. */
  readonly verifiedAt?: string;
  /** True when a hash was trusted at first sight, because the card has none. */
  readonly pinned: boolean;
  /** Where the weights came from, such as `maven:group:artifact:version`. */
  readonly source: string;
  /** Of weights that were made here: what is left of their source's quality. */
  readonly kept?: KeptQuality;
}

/** Manifests of everything stored, also of variants whose files lie here by name without ever having been hashed. */
export function allManifests(layout: StoreLayout, catalog: Catalog): readonly Manifest[] {
  const manifests = readManifests(layout);
  const known = new Set(manifests.map(keyOf));
  const found = catalog.cards.flatMap((card) => card.variants.flatMap((variant) => uncheckedManifest(layout, card, variant) ?? []));
  return [...manifests, ...found.filter((each) => !known.has(keyOf(each)))].sort((a, b) => keyOf(a).localeCompare(keyOf(b)));
}

/** The manifest of a variant, unless its card has come to name other files since. */
export function currentManifest(layout: StoreLayout, card: ModelCard, variant: ModelVariant): Manifest | undefined {
  const manifest = readManifest(layout, card.id, variant.id);
  const current = variant.files.every((file) => {
    const stored = manifest?.files.find(({ role }) => role === file.role);
    return stored && (file.sha256 === null || file.sha256 === stored.sha256);
  });
  return current ? manifest : undefined;
}

/** The first file that is not as it was when it was verified. */
export function brokenFile(layout: StoreLayout, manifest: Manifest): ManifestFile | undefined {
  return manifest.files.find((file) => stateOf(layout, file) !== 'verified');
}

export function toStored(layout: StoreLayout, manifest: Manifest): StoredVariant {
  const files = Object.fromEntries(manifest.files.map((file) => [file.role, layout.blob(file.sha256)]));
  const sha256 = manifest.files.find(({ role }) => role === 'weights')?.sha256 ?? '';
  const bytes = manifest.files.reduce((sum, file) => sum + file.bytes, 0);
  return { model: manifest.model, variant: manifest.variant, format: manifest.format, files, sha256, bytes };
}

export function toListed(layout: StoreLayout, manifest: Manifest): ListedVariant {
  const states = manifest.files.map((file) => stateOf(layout, file));
  const weights = manifest.files.find(({ role }) => role === 'weights');
  const verifiedAt = weights?.verified && weights.verified !== 'never' ? weights.verified.at : undefined;
  return {
    ...toStored(layout, manifest),
    state: (['missing', 'changed', 'unchecked'] as const).find((state) => states.includes(state)) ?? 'verified',
    ...(verifiedAt === undefined ? {} : { verifiedAt }),
    pinned: manifest.files.some(({ pinned }) => pinned),
    source: weights?.source ?? '',
    ...(weights?.kept ? { kept: weights.kept } : {}),
  };
}

export const keyOf = ({ model, variant }: { readonly model: string; readonly variant: string }): string => `${model}@${variant}`;

/** Size of a file in bytes; 0 when there is none. */
export const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

/** What vouches for a blob whose hash was computed just now; `null` when it is gone. */
export function stampOf(layout: StoreLayout, sha256: string): ManifestFile['verified'] {
  const found = statSync(layout.blob(sha256), { throwIfNoEntry: false });
  return found ? { at: new Date().toISOString(), modifiedMs: Math.round(found.mtimeMs) } : null;
}

function uncheckedManifest(layout: StoreLayout, card: ModelCard, variant: ModelVariant): Manifest | undefined {
  const files = variant.files.flatMap(({ role, name, sha256, bytes }) =>
    sha256 !== null && existsSync(layout.blob(sha256))
      ? [{ role, name, sha256, bytes, pinned: false, source: 'found in the store', verified: 'never' as const }]
      : [],
  );
  if (files.length < variant.files.length) return undefined;
  return { model: card.id, variant: variant.id, format: variant.format, storedAt: new Date().toISOString(), files };
}
