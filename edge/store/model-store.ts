import { existsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelCard, ModelFile, ModelVariant, StoredVariant } from '#edge/contracts/model.ts';
import type { OnProgress, Progress } from '#edge/contracts/progress.ts';
import type { Quantization, Quantize } from '#edge/contracts/quantize.ts';
import { throwIfAborted } from '#edge/core/abort.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { formatBytes } from '#edge/core/format.ts';
import type { Logger } from '#edge/core/log.ts';
import { acquireLock, tryLock } from '#edge/storage/file-lock.ts';
import { type Catalog, variantOf } from './catalog.ts';
import { type FreeBytes, freeBytes, hashFile, removeAll, removeIfEmpty, storageError, writeWhole } from './disk.ts';
import type { PullScope } from './fetch-file.ts';
import { allManifests, brokenFile, currentManifest, keyOf, type ListedVariant, sizeOf, stampOf, toListed, toStored } from './inventory.ts';
import { layoutOf, type StoreLayout } from './layout.ts';
import { measureOf, variantToMake, withMadeVariants } from './made-variants.ts';
import { type Manifest, namesIn, readManifest, stateOf, writeManifest } from './manifest.ts';
import { pullVariant } from './pull-variant.ts';
import { SharedJobs } from './shared-jobs.ts';
import type { SourceSettings } from './sources/source.ts';

export interface ModelStoreOptions {
  /** Folder of the store, absolute; made on the first pull. */
  readonly directory: string;
  readonly catalog: Catalog;
  readonly settings: SourceSettings;
  /** Environment of the tools that fetch packages. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly log: Logger;
  /** Makes derived variants; without it they count as a source that is not available. */
  readonly quantize?: Quantize;
  /** Defaults to what the file system says. */
  readonly freeBytes?: FreeBytes;
}

export interface PullOptions {
  /** Defaults to the first variant of the card. */
  readonly variant?: string | undefined;
  readonly onProgress?: OnProgress | undefined;
  /** Ends the waiting; the download itself ends when nobody waits any more, and goes on from there at the next pull. */
  readonly signal?: AbortSignal | undefined;
}

export interface VerifyOptions {
  readonly onProgress?: OnProgress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What hashing one stored file again showed. */
export interface VerifyResult {
  readonly model: string;
  readonly variant: string;
  readonly file: string;
  readonly path: string;
  readonly state: 'ok' | 'corrupt' | 'missing';
  /** SHA-256 in hex. */
  readonly expected: string;
  readonly found?: string;
}

export interface RemoveResult {
  /** Ids of the variants that went. */
  readonly removed: readonly string[];
  readonly freedBytes: number;
}

/**
 * Model files on this device, by content: `blobs/sha256-<hex>`, one manifest a variant, checked before they are visible.
 * Several processes may use one folder at a time.
 */
export class ModelStore {
  /** The models that can be stored, with the variants that were made here by hand. */
  readonly catalog: Catalog;
  readonly #layout: StoreLayout;
  readonly #options: ModelStoreOptions;
  readonly #pulls = new SharedJobs<StoredVariant, Progress>();

  constructor(options: ModelStoreOptions) {
    this.#options = options;
    this.#layout = layoutOf(options.directory);
    this.catalog = withMadeVariants(options.catalog, this.#layout);
  }

  /** Everything stored, with its state; also variants whose files lie here without ever having been hashed. Hashes nothing. */
  list(): readonly ListedVariant[] {
    return this.#manifests().map((manifest) => toListed(this.#layout, manifest));
  }

  /**
   * The stored variant, or the first stored one of the card's when none is named; `undefined` when it must be pulled first.
   * Looks at sizes and times only.
   * @throws EdgeError `E_MODEL_UNKNOWN`, and `E_MODEL_CORRUPT` when a file is not the one that was verified.
   */
  find(model: string, variant?: string): StoredVariant | undefined {
    const card = this.catalog.get(model);
    const candidates = variant === undefined ? card.variants : [variantOf(card, variant)];
    const manifest = candidates.map((each) => currentManifest(this.#layout, card, each)).find((each) => each !== undefined);
    if (!manifest) return undefined;
    const broken = brokenFile(this.#layout, manifest);
    if (!broken) return toStored(this.#layout, manifest);
    throw new EdgeError('E_MODEL_CORRUPT', {
      what: `${broken.name} of ${model} (${manifest.variant})`,
      expected: `the ${broken.bytes} bytes that were verified`,
      found: stateOf(this.#layout, broken) === 'missing' ? 'no file' : 'a file that changed since',
      details: { path: this.#layout.blob(broken.sha256) },
    });
  }

  /**
   * Path of a stored file.
   * @param role Defaults to the weights.
   * @throws EdgeError `E_MODEL_NOT_STORED`, `E_UNSUPPORTED` when the variant has no such file, and as {@link find}.
   */
  pathOf(model: string, variant?: string, role: ModelFile['role'] = 'weights'): string {
    const stored = this.find(model, variant);
    if (!stored) throw notStored(model, variant);
    const path = stored.files[role];
    if (path !== undefined) return path;
    throw new EdgeError('E_UNSUPPORTED', { what: `${model} (${stored.variant}) has no ${role} file of its own` });
  }

  /** Bytes that stored files and unfinished downloads take. */
  async bytesUsed(): Promise<number> {
    const folders = [this.#layout.blobs, this.#layout.partials].filter((folder) => existsSync(folder));
    const entries = await Promise.all(folders.map((folder) => readdir(folder, { recursive: true, withFileTypes: true })));
    const sizes = entries.flat().map((entry) => (entry.isFile() ? sizeOf(join(entry.parentPath, entry.name)) : 0));
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  /**
   * Fetches what is missing of a variant and returns it; at once when it is stored. Callers that ask at the same time, in
   * this process or another, share one download.
   * @throws EdgeError `E_MODEL_UNKNOWN`, `E_DISK_FULL`, `E_HOME_UNUSABLE`, `E_CANCELLED`, or one error with the reason of every source.
   */
  async pull(model: string, options: PullOptions = {}): Promise<StoredVariant> {
    const card = this.catalog.get(model);
    const variant = variantOf(card, options.variant);
    if (options.variant !== undefined) await removeAll(this.#layout.declined(model, variant.id));
    return this.#obtain(card, variant, options);
  }

  /**
   * Makes a stored GGUF model's weights in another quantisation and returns the variant, which the catalog has from then on;
   * at once when it is stored.
   * @throws EdgeError `E_QUALITY_LOST` when the result is not kept; `E_UNSUPPORTED`, `E_MODEL_NOT_STORED` as `variantToMake`;
   * `E_MODEL_UNKNOWN`, `E_DISK_FULL`, `E_ENGINE_CRASHED`, `E_CANCELLED`.
   */
  async quantize(model: string, to: Quantization, options: Omit<PullOptions, 'variant'> = {}): Promise<StoredVariant> {
    const card = this.catalog.get(model);
    const stored = this.list().flatMap((each) => (each.model === model ? each.variant : []));
    const variant = variantToMake(card, stored, to);
    measureOf(card);
    return this.#obtain(card, variant, options);
  }

  /**
   * Hashes all stored files (of one model) again and remembers the outcome: a corrupt file is fetched anew by the next pull.
   * @throws EdgeError `E_MODEL_UNKNOWN`, `E_MODEL_NOT_STORED`, `E_CANCELLED`.
   */
  async verify(model?: string, options: VerifyOptions = {}): Promise<readonly VerifyResult[]> {
    const stored = this.#manifests().filter((each) => model === undefined || each.model === model);
    if (model !== undefined && stored.length === 0) throw notStored(this.catalog.get(model).id);
    const blobs = [...new Set(stored.flatMap(({ files }) => files.map(({ sha256 }) => sha256)))];
    const total = blobs.reduce((sum, sha256) => sum + sizeOf(this.#layout.blob(sha256)), 0);
    const hashes = new Map<string, string>();
    let done = 0;
    const count = (bytes: number): void => {
      done += bytes;
      options.onProgress?.({ label: 'verifying models', done, total, unit: 'bytes' });
    };
    for (const sha256 of blobs) {
      const path = this.#layout.blob(sha256);
      if (existsSync(path)) hashes.set(sha256, await hashFile(path, count, options.signal));
    }
    using _lock = await acquireLock(this.#layout.storeLock, { signal: options.signal });
    const results = await Promise.all(stored.map((manifest) => this.#recordHashes(manifest, hashes)));
    return results.flat();
  }

  /**
   * Removes a variant (all of the model's when none is named), its unfinished downloads, and the files no other variant uses.
   * @throws EdgeError `E_MODEL_UNKNOWN`, `E_MODEL_NOT_STORED`, and `E_LOCKED` while it is being fetched.
   */
  async remove(model: string, variant?: string): Promise<RemoveResult> {
    const before = await this.bytesUsed();
    const removed = this.#removable(model, variant);
    for (const id of removed) {
      using lock = tryLock(this.#layout.variantLock(model, id));
      if (!lock) throw new EdgeError('E_LOCKED', { what: `cannot remove ${model} (${id})`, found: 'a pull of it that is under way' });
      await removeAll(this.#layout.partial(model, id));
      await this.#removeVariant(model, id);
    }
    if (variant !== undefined) await this.decline(model, variant, 'removed');
    const freedBytes = before - (await this.bytesUsed());
    this.#options.log.info('model removed', { model, variants: removed, freed: formatBytes(freedBytes) });
    return { removed, freedBytes };
  }

  /**
   * Remembers that a variant shall not be derived again by itself: somebody removed it, or it lost too much quality. A pull that names it,
   * or `quantize`, ends that.
   */
  async decline(model: string, variant: string, why: string): Promise<void> {
    await writeWhole(this.#layout.declined(model, variant), why);
  }

  /** True after {@link decline}. */
  isDeclined(model: string, variant: string): boolean {
    return existsSync(this.#layout.declined(model, variant));
  }

  #manifests(): readonly Manifest[] {
    return allManifests(this.#layout, this.catalog);
  }

  /** The stored variant when a pull has nothing to do. */
  #ready(card: ModelCard, variant: ModelVariant): StoredVariant | undefined {
    const manifest = currentManifest(this.#layout, card, variant);
    return manifest && !brokenFile(this.#layout, manifest) ? toStored(this.#layout, manifest) : undefined;
  }

  async #obtain(card: ModelCard, variant: ModelVariant, options: Omit<PullOptions, 'variant'>): Promise<StoredVariant> {
    const start = (signal: AbortSignal, report: OnProgress): Promise<StoredVariant> => this.#pull(card, variant, signal, report);
    return this.#ready(card, variant) ?? this.#pulls.run(`${card.id}@${variant.id}`, start, options);
  }

  async #pull(card: ModelCard, variant: ModelVariant, signal: AbortSignal, report: OnProgress): Promise<StoredVariant> {
    const partial = this.#layout.partial(card.id, variant.id);
    try {
      await mkdir(partial, { recursive: true });
      using _lock = await acquireLock(this.#layout.variantLock(card.id, variant.id), {
        signal,
        onWait: () => report({ label: `waiting for another process that fetches ${card.id}`, done: 0, unit: 'steps' }),
      });
      // Whoever held the lock may have stored it, and removed the folder on leaving.
      await mkdir(partial, { recursive: true });
      const stored =
        this.#ready(card, variant) ?? (await this.#fetch(card, variant, this.#scope(card, variant, partial, signal, report), report));
      await removeAll(partial);
      return stored;
    } catch (error) {
      throwIfAborted(signal, `pull of ${card.id}`);
      // Packages of a failed source are of no use to the next attempt; what HTTP brought is.
      await removeAll(join(partial, 'packages'));
      await removeIfEmpty(partial);
      throw storageError(error, this.#options.directory);
    }
  }

  async #fetch(card: ModelCard, variant: ModelVariant, scope: PullScope, report: OnProgress): Promise<StoredVariant> {
    const replaced = readManifest(this.#layout, card.id, variant.id);
    for (;;) {
      const manifest = await pullVariant(card, variant, scope, report);
      using _lock = await acquireLock(this.#layout.storeLock, { signal: scope.signal });
      // Another process may have removed the last other variant that used one of these files meanwhile.
      if (manifest.files.some((file) => stateOf(this.#layout, file) === 'missing')) continue;
      await writeManifest(this.#layout, manifest);
      if (replaced) await this.#removeUnused(replaced);
      const stored = toStored(this.#layout, manifest);
      scope.log.info('model stored', {
        model: card.id,
        variant: variant.id,
        size: formatBytes(stored.bytes),
        source: manifest.files[0]?.source,
      });
      return stored;
    }
  }

  #scope(card: ModelCard, variant: ModelVariant, partial: string, signal: AbortSignal, report: OnProgress): PullScope {
    const { log, settings, environment } = this.#options;
    const free = this.#options.freeBytes ?? freeBytes;
    return {
      model: card.id,
      task: card.task,
      format: variant.format,
      layout: this.#layout,
      partial,
      settings,
      environment,
      derive: this.#deriver(card, signal, report),
      signal,
      freeBytes: free,
      log,
      unavailable: new Map(),
    };
  }

  /** Makes weights of another variant's, which is pulled first where it is missing. */
  #deriver(card: ModelCard, signal: AbortSignal, onProgress: OnProgress): PullScope['derive'] {
    return async ({ from, to }, path) => {
      const { quantize } = this.#options;
      const model = card.id;
      if (!quantize) throw new EdgeError('E_SOURCE_UNAVAILABLE', { what: `cannot make ${to} of ${model}`, found: 'no quantiser' });
      const { files } = await this.pull(model, { variant: from, signal, onProgress });
      const weights = files.weights as string;
      return quantize({
        model,
        from: weights,
        to: path,
        quantization: to,
        measure: measureOf(card),
        signal,
        onProgress,
      });
    };
  }

  async #removeVariant(model: string, variant: string): Promise<void> {
    using _lock = await acquireLock(this.#layout.storeLock);
    const manifest = this.#manifests().find((each) => each.model === model && each.variant === variant);
    if (!manifest) return;
    await removeAll(this.#layout.manifest(model, variant));
    await this.#removeUnused(manifest, keyOf(manifest));
  }

  /** Removes the files of `manifest` that no stored variant (but the one with key `except`) uses. */
  async #removeUnused(manifest: Manifest, except?: string): Promise<void> {
    const others = this.#manifests().filter((each) => keyOf(each) !== except);
    const used = new Set(others.flatMap(({ files }) => files.map(({ sha256 }) => sha256)));
    for (const { sha256 } of manifest.files) if (!used.has(sha256)) await removeAll(this.#layout.blob(sha256));
  }

  /** Under the store's lock: a manifest that went meanwhile is not written again. */
  async #recordHashes(manifest: Manifest, hashes: ReadonlyMap<string, string>): Promise<readonly VerifyResult[]> {
    const { model, variant } = manifest;
    const results = manifest.files.map(({ name, sha256 }): VerifyResult => {
      const found = hashes.get(sha256);
      const state = found === undefined ? 'missing' : found === sha256 ? 'ok' : 'corrupt';
      return {
        model,
        variant,
        file: name,
        path: this.#layout.blob(sha256),
        state,
        expected: sha256,
        ...(found === undefined ? {} : { found }),
      };
    });
    const files = manifest.files.map((file, at) => ({
      ...file,
      verified: results[at]?.state === 'ok' ? stampOf(this.#layout, file.sha256) : null,
    }));
    const stillThere = this.#manifests().some((each) => keyOf(each) === keyOf(manifest));
    if (stillThere) await writeManifest(this.#layout, { ...manifest, files });
    for (const { state, file, path } of results) {
      if (state !== 'ok') this.#options.log.error('stored file is not sound', { model, variant, file, path, state });
    }
    return results;
  }

  /** Ids of the variants of a model of which anything lies here. */
  #removable(model: string, variant: string | undefined): readonly string[] {
    const stored = this.#manifests().flatMap((each) => (each.model === model ? each.variant : []));
    const begun = namesIn(this.#layout.partials).flatMap((name) => (name.startsWith(`${model}@`) ? name.slice(model.length + 1) : []));
    const found = [...new Set([...stored, ...begun])].filter((id) => variant === undefined || id === variant);
    if (found.length > 0) return found;
    variantOf(this.catalog.get(model), variant);
    throw notStored(model, variant);
  }
}

function notStored(model: string, variant?: string): EdgeError {
  return new EdgeError('E_MODEL_NOT_STORED', {
    what: `model "${model}"${variant === undefined ? '' : ` (${variant})`} is not on this device`,
    hint: `Fetch it with "nearside pull ${model}".`,
  });
}
