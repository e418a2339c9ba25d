/**
 * Variants beyond the one that a model needs: they let the device choose by measuring. None of them may stop what only needs the model,
 * so a failure is logged and the next one is tried.
 */
import type { ModelVariant, StoredVariant } from '#edge/contracts/model.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { Logger } from '#edge/core/log.ts';
import { defaultVariants } from './catalog.ts';
import { sourceOfMade } from './made-variants.ts';
import type { ModelStore, PullOptions } from './model-store.ts';

type Options = Omit<PullOptions, 'variant'> & { readonly log: Logger };

/**
 * Fetches the variants of a model that a first start wants, the first of the card before the others.
 * @returns Those that are stored now.
 * @throws EdgeError as `ModelStore.pull`, for the first variant; `E_CANCELLED`.
 */
export async function pullDefaults(store: ModelStore, model: string, { log, ...options }: Options): Promise<readonly StoredVariant[]> {
  const [first, ...others] = defaultVariants(store.catalog.get(model));
  const needed = await store.pull(model, { ...options, variant: first.id });
  return [needed, ...(await pullExtras(store, model, others, { log, ...options }))];
}

/**
 * Makes the variants that cards declare as derived of variants which are stored; those that are there already, that somebody removed, or that
 * lost too much quality once, are left alone.
 * @returns Those that were made by this call.
 * @throws EdgeError `E_CANCELLED`.
 */
export async function deriveMissing(store: ModelStore, options: Options): Promise<readonly StoredVariant[]> {
  const stored = new Set(store.list().map(({ model, variant }) => `${model}@${variant}`));
  const made: StoredVariant[] = [];
  for (const { id, variants } of store.catalog.cards) {
    const missing = variants.filter((variant) => {
      const source = sourceOfMade(variant);
      const isThere = stored.has(`${id}@${variant.id}`) || store.isDeclined(id, variant.id);
      return source !== undefined && stored.has(`${id}@${source.from}`) && !isThere;
    });
    made.push(...(await pullExtras(store, id, missing, options)));
  }
  return made;
}

async function pullExtras(
  store: ModelStore,
  model: string,
  variants: readonly ModelVariant[],
  { log, ...options }: Options,
): Promise<readonly StoredVariant[]> {
  const pulled: StoredVariant[] = [];
  for (const { id } of variants) {
    try {
      pulled.push(await store.pull(model, { ...options, variant: id }));
    } catch (error) {
      if (options.signal?.aborted) throw error;
      const { code, message } = EdgeError.from(error);
      log.warn('variant left out', { model, variant: id, code, reason: message });
      if (code === 'E_QUALITY_LOST') await store.decline(model, id, message);
    }
  }
  return pulled;
}
