import { EdgeError } from '#edge/core/errors.ts';

/** How llama.cpp names what it computes on; `false` is a build without GPU code. */
export type LlamaGpu = 'cuda' | 'metal' | 'vulkan' | false;

/**
 * The build of llama.cpp that serves an execution provider. There is no build without Metal for Apple Silicon, so
 * `cpu` runs there on the Metal build with no layer on the GPU.
 * @throws EdgeError `E_UNSUPPORTED` for a provider that llama.cpp has not.
 */
export function gpuOf(provider: string, platform: NodeJS.Platform, arch: NodeJS.Architecture): LlamaGpu {
  switch (provider) {
    case 'cpu':
      return platform === 'darwin' && arch === 'arm64' ? 'metal' : false;
    case 'cuda':
    case 'metal':
    case 'vulkan':
      return provider;
    default:
      throw new EdgeError('E_UNSUPPORTED', { what: 'llama backend', expected: 'provider cpu, cuda, metal or vulkan', found: provider });
  }
}

/** Tokens evaluated between two looks at the cancellation signal: about half a second of prefill on a small CPU. */
export function prefillChunk(provider: string): number {
  return provider === 'cpu' ? 128 : 512;
}
