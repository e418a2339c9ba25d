import { fileURLToPath } from 'node:url';
import { llamaQuantizer } from '#edge/backends/llama/llama-quantize.ts';
import { loadConfig } from '#edge/config/load.ts';
import type { StoredVariant } from '#edge/contracts/model.ts';
import { silentLogger } from '#edge/core/log.ts';
import { loadCatalog } from '#edge/store/catalog.ts';
import { ModelStore } from '#edge/store/model-store.ts';

/**
 * A variant that is not among the default models, with the runtime library it may need, out of the user's own store; fetched by the
 * first test that asks, or made of another variant.
 */
export function pulledVariant(model: string, variant?: string): Promise<StoredVariant> {
  return pull(loadConfig().paths.store, undefined, model, variant);
}

/** Files of roles `library` and `loader`: LiteRT as WebAssembly, which the user's own store does not hold where there is a native library. */
export async function pulledWasm(): Promise<Required<Pick<StoredVariant['files'], 'library' | 'loader'>>> {
  const folder = fileURLToPath(new URL('../../.cache/wasm-models/', import.meta.url));
  const { library, loader } = (await pull(folder, 'linux-riscv64', 'hand-landmark-lite')).files;
  if (!library || !loader) throw new TypeError('the catalog names no WebAssembly library');
  return { library, loader };
}

function pull(directory: string, platform: string | undefined, model: string, variant?: string): Promise<StoredVariant> {
  const { store, environment } = loadConfig();
  const settings = { hubUrl: store.hubUrl, timeoutMs: store.timeoutMs };
  const catalog = loadCatalog(undefined, platform);
  const quantize = llamaQuantizer(environment, silentLogger);
  return new ModelStore({ directory, catalog, settings, environment, quantize, log: silentLogger }).pull(model, { variant });
}
