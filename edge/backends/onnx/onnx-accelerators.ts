import type { TensorSpec } from '#edge/contracts/tensor.ts';
import { EdgeError } from '#edge/core/errors.ts';

/** Execution providers this backend can name, with what each needs besides the package. */
const PROVIDERS: Readonly<Record<string, string>> = {
  cpu: 'nothing',
  cuda: 'Linux x64, an NVIDIA driver, CUDA 12, cuDNN 9 and libonnxruntime_providers_cuda.so beside the binding',
  coreml: 'macOS on Apple silicon and a model with fixed input shapes',
  dml: 'Windows with a DirectX 12 GPU',
};

/**
 * Refuses a provider that this build of ONNX Runtime lacks: asked for a missing one, the library would drop it with
 * a warning and go on with the CPU.
 * @param available Names from `listSupportedBackends()`.
 * @throws EdgeError `E_UNSUPPORTED`.
 */
export function requireProvider(provider: string, available: readonly string[]): void {
  const needs = PROVIDERS[provider];
  if (needs === undefined) {
    throw new EdgeError('E_UNSUPPORTED', {
      what: `the onnx backend has no execution provider "${provider}"`,
      expected: `one of ${Object.keys(PROVIDERS).join(', ')}`,
      details: { rejection: 'no-binary' },
    });
  }
  if (available.includes(provider)) return;
  throw new EdgeError('E_UNSUPPORTED', {
    what: `execution provider "${provider}" is not in this build of ONNX Runtime (${process.platform}/${process.arch})`,
    expected: needs,
    found: `only ${available.join(', ')}`,
    hint: 'Use provider "cpu", or a device that has what is expected.',
    details: { rejection: 'no-binary', provider, available },
  });
}

/**
 * The CoreML provider leaves a graph with free dimensions to the CPU without a word.
 * @throws EdgeError `E_UNSUPPORTED`.
 */
export function requireStaticShapes(provider: string, inputs: readonly TensorSpec[]): void {
  const free = inputs.find((input) => input.shape.includes(-1));
  if (provider !== 'coreml' || !free) return;
  throw new EdgeError('E_UNSUPPORTED', {
    what: 'execution provider "coreml" needs fixed input shapes',
    found: `input "${free.name}" of shape [${free.shape.join(', ')}]`,
    hint: 'Use a static-shape variant of the model, or provider "cpu".',
    details: { rejection: 'dynamic-shape-on-ane' },
  });
}

/** The coded form of a provider that would not start (a library or a device is missing); undefined for other failures. */
export function providerFailure(provider: string, message: string): EdgeError | undefined {
  if (provider === 'cpu' || !/Failed to load shared library|no available backend|ExecutionProvider_|Neural Engine/.test(message)) {
    return undefined;
  }
  return new EdgeError('E_UNSUPPORTED', {
    what: `execution provider "${provider}" does not start here`,
    expected: PROVIDERS[provider] ?? 'a known provider',
    found: message.split('\n')[0] ?? '',
    hint: 'Install what is expected, or use provider "cpu".',
    details: { rejection: /shared (library|object)/.test(message) ? 'lib-missing' : 'driver-missing' },
  });
}
