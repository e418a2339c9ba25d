import { EdgeError } from '#edge/core/errors.ts';

/** How llama.cpp names what it computes on; `false` is a build without GPU code. */
export type LlamaGpu = 'cuda' | 'metal' | 'vulkan' | false;

const PROVIDERS = 'provider cpu, cuda, metal, vulkan, cpu-tuned or cuda-tuned';

/**
 * The build of llama.cpp that serves an execution provider. There is no build without Metal for Apple Silicon, so
 * `cpu` runs there on the Metal build with no layer on the GPU.
 * @throws EdgeError `E_UNSUPPORTED` for a provider that llama.cpp has not.
 */
export function gpuOf(provider: string, platform: NodeJS.Platform, arch: NodeJS.Architecture): LlamaGpu {
  switch (provider) {
    case 'cpu':
      return platform === 'darwin' && arch === 'arm64' ? 'metal' : false;
    case 'cpu-tuned':
      return false;
    case 'cuda-tuned':
      return 'cuda';
    case 'cuda':
    case 'metal':
    case 'vulkan':
      return provider;
    default:
      throw new EdgeError('E_UNSUPPORTED', { what: 'llama backend', expected: PROVIDERS, found: provider });
  }
}

/** True for a provider that is a build made on this device. */
export function isLocal(provider: string): boolean {
  return provider.endsWith('-tuned');
}

/** Tokens evaluated between two looks at the cancellation signal: about half a second of prefill on a small CPU. */
export function prefillChunk(provider: string): number {
  return provider === 'cpu' || provider === 'cpu-tuned' ? 128 : 512;
}
