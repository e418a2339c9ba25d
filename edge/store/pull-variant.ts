/** Brings all files of one variant into the store, under the lock of that variant. */
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelCard, ModelFile, ModelVariant } from '#edge/contracts/model.ts';
import type { OnProgress } from '#edge/contracts/progress.ts';
import { hashFile, removeAll, requireSpace } from './disk.ts';
import { type FetchedFile, fetchFile, type PullScope } from './fetch-file.ts';
import { sizeOf, stampOf } from './inventory.ts';
import { sourceOfMade } from './made-variants.ts';
import { type Manifest, type ManifestFile, readManifest, stateOf } from './manifest.ts';

/**
 * Checks what is there, fetches what is missing and returns the manifest to be written.
 * @throws EdgeError `E_DISK_FULL` before the first byte, `E_CANCELLED`, or as `fetchFile`.
 */
export async function pullVariant(card: ModelCard, variant: ModelVariant, scope: PullScope, report: OnProgress): Promise<Manifest> {
  const known = readManifest(scope.layout, card.id, variant.id);
  const wanted = variant.files.map((file) => ({ file, old: known?.files.find(({ role }) => role === file.role) }));
  const files = new Map<ModelFile, ManifestFile>();
  for (const { file, old } of wanted) {
    const kept = await keepBlob(file, old, scope, report);
    if (kept) files.set(file, kept);
  }
  const missing = wanted.filter(({ file }) => !files.has(file));
  let total = missing.reduce((sum, { file }) => sum + file.bytes, 0);
  if (missing.length > 0) {
    const need = Math.max(0, total - (await partialBytes(scope.partial)));
    await requireSpace(scope.layout.directory, need, `cannot fetch ${card.id}`, scope.freeBytes);
  }
  let done = 0;
  for (const { file, old } of missing) {
    let size = file.bytes;
    const fetched = await fetchFile(file, isMade(file) ? file.sha256 : expectedHash(file, old), scope, (bytes, place, actual = size) => {
      total += actual - size;
      size = actual;
      report({ label: `downloading ${card.id} from ${place}`, done: done + bytes, total, unit: 'bytes' });
    });
    done += size;
    if (file.sha256 === null && !old && !fetched.kept) {
      const { sha256, source } = fetched;
      scope.log.warn('hash pinned at first sight', { model: card.id, file: file.name, sha256, source });
    }
    files.set(file, record(file, fetched, scope));
  }
  const made = sourceOfMade(variant);
  return {
    model: card.id,
    variant: variant.id,
    format: variant.format,
    storedAt: new Date().toISOString(),
    ...(made ? { made: { from: made.from, to: made.to } } : {}),
    files: variant.files.map((file) => files.get(file) as ManifestFile),
  };
}

/** Keeps a blob that is there already, hashing it unless that was done before; removes one that is damaged. */
async function keepBlob(
  file: ModelFile,
  old: ManifestFile | undefined,
  scope: PullScope,
  report: OnProgress,
): Promise<ManifestFile | undefined> {
  const expected = expectedHash(file, old);
  if (expected === null) return undefined;
  const path = scope.layout.blob(expected);
  if (!existsSync(path)) return undefined;
  if (old?.sha256 === expected && stateOf(scope.layout, old) === 'verified') return old;
  let done = 0;
  const count = (bytes: number): void => {
    done += bytes;
    report({ label: `checking ${scope.model}`, done, total: file.bytes, unit: 'bytes' });
  };
  if ((await hashFile(path, count, scope.signal)) === expected) {
    return record(file, { sha256: expected, source: old?.source ?? 'found in the store', ...(old?.kept ? { kept: old.kept } : {}) }, scope);
  }
  scope.log.warn('stored file was damaged and is fetched again', { model: scope.model, file: file.name, path });
  await removeAll(path);
  return undefined;
}

/** The hash a file must have: the card's, else the one first seen. */
const expectedHash = (file: ModelFile, old: ManifestFile | undefined): string | null => file.sha256 ?? old?.sha256 ?? null;

/** Made weights depend on the processor's rounding, so a hash seen before binds nobody who makes them again. */
const isMade = (file: ModelFile): boolean => file.sources.every(({ kind }) => kind === 'derived');

function record(file: ModelFile, { sha256, source, kept }: Omit<FetchedFile, 'bytes'>, { layout }: PullScope): ManifestFile {
  const { role, name } = file;
  const bytes = sizeOf(layout.blob(sha256));
  const pinned = file.sha256 === null && !isMade(file);
  return { role, name, sha256, bytes, pinned, source, ...(kept ? { kept } : {}), verified: stampOf(layout, sha256) };
}

/** Bytes of interrupted downloads that the next attempt goes on from. */
async function partialBytes(folder: string): Promise<number> {
  const parts = (await readdir(folder)).filter((name) => name.endsWith('.part'));
  const sizes = await Promise.all(parts.map((name) => stat(join(folder, name)).then(({ size }) => size)));
  return sizes.reduce((sum, size) => sum + size, 0);
}
