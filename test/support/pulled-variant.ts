import { loadConfig } from '#edge/config/load.ts';
import type { StoredVariant } from '#edge/contracts/model.ts';
import { silentLogger } from '#edge/core/log.ts';
import { loadCatalog } from '#edge/store/catalog.ts';
import { ModelStore } from '#edge/store/model-store.ts';

/**
 * A variant that is not among the default models, with the runtime library it may need, out of the user's own store; fetched by the
 * first test that asks.
 */
export function pulledVariant(model: string, variant?: string): Promise<StoredVariant> {
  const { paths, store, environment } = loadConfig();
  const settings = { hubUrl: store.hubUrl, timeoutMs: store.timeoutMs };
  return new ModelStore({ directory: paths.store, catalog: loadCatalog(), settings, environment, log: silentLogger }).pull(model, {
    variant,
  });
}
