import type { LoadSpec } from '#edge/contracts/backend.ts';
import { storedVariant } from './models.ts';

/** SmolLM2-135M as a generator, small enough for a busy test machine. */
export function smollmSpec(more: Partial<LoadSpec> = {}): LoadSpec {
  return {
    stored: storedVariant('smollm2-135m-instruct'),
    backend: 'llama',
    provider: 'cpu',
    // One thread: llama.cpp spins while it waits for its others, which starves on a busy machine.
    threads: 1,
    contextTokens: 1024,
    sequences: 2,
    gpuLayers: 0,
    ...more,
  };
}
