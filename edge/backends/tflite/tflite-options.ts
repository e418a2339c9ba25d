import type { LoadSpec } from '#edge/contracts/backend.ts';

/**
 * Options of LiteRT's CPU accelerator for one load, as the TOML it reads: pure, so that a plan can be read without loading anything.
 *
 * XNNPACK repacks all weights. Without a cache it does so for each signature; with one, signatures share them: 124 MB less for
 * e5-small-v2 with its six, in half the time. `:memory` keeps the cache in memory. A file would make later loads quicker still, but its
 * content is not checked: flipped bytes are used as they are.
 */
export function cpuOptions(spec: Pick<LoadSpec, 'threads'>): string {
  return [`num_threads = ${Math.max(1, spec.threads)}`, 'weight_cache_file_path = ":memory"', ''].join('\n');
}
