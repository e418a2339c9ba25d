import type { LoadSpec } from '#edge/contracts/backend.ts';

/**
 * Options of LiteRT's CPU accelerator for one load, as the TOML it reads: pure, so that a plan can be read without loading anything.
 *
 * XNNPACK repacks all weights. Without a cache it does so for each signature; with one, signatures share them: 102 MB less and
 * 0.15 s less for an encoder of 33 million parameters with five. `:memory` keeps the cache in memory. A file would save another
 * 0.08 s at later loads, but its content is not checked: flipped bytes are used as they are.
 */
export function cpuOptions(spec: Pick<LoadSpec, 'threads'>): string {
  return [`num_threads = ${Math.max(1, spec.threads)}`, 'weight_cache_file_path = ":memory"', ''].join('\n');
}
