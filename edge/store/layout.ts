import { join } from 'node:path';

/** Where things lie in the store's folder. */
export interface StoreLayout {
  readonly directory: string;
  readonly blobs: string;
  readonly manifests: string;
  readonly partials: string;
  blob(sha256: string): string;
  manifest(model: string, variant: string): string;
  /** Unfinished downloads of a variant; may be deleted at any time nobody pulls it. */
  partial(model: string, variant: string): string;
  /** Says that a variant which could be derived shall not be, and why. */
  declined(model: string, variant: string): string;
  /** Held while a variant is fetched or removed. */
  variantLock(model: string, variant: string): string;
  /** Held for the moment in which manifests change or blobs go. */
  readonly storeLock: string;
}

export function layoutOf(directory: string): StoreLayout {
  const blobs = join(directory, 'blobs');
  const manifests = join(directory, 'manifests');
  const partials = join(directory, 'partial');
  return {
    directory,
    blobs,
    manifests,
    partials,
    blob: (sha256) => join(blobs, `sha256-${sha256}`),
    manifest: (model, variant) => join(manifests, model, `${variant}.json`),
    partial: (model, variant) => join(partials, `${model}@${variant}`),
    declined: (model, variant) => join(directory, 'declined', `${model}@${variant}`),
    variantLock: (model, variant) => join(directory, 'locks', `${model}@${variant}.lock`),
    storeLock: join(directory, 'locks', 'store.lock'),
  };
}
