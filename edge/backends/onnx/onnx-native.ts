/** The only module that names `onnxruntime-node`. Its native library is loaded by {@link loadOnnxRuntime}, not by importing this module. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type * as Ort from 'onnxruntime-node';
import { EdgeError } from '#edge/core/errors.ts';

export type OnnxRuntime = typeof Ort;
export type NativeSession = Ort.InferenceSession;
export type NativeSessionOptions = Ort.InferenceSession.SessionOptions;
export type NativeValueMetadata = Ort.InferenceSession.ValueMetadata;
export type NativeTensor = Ort.Tensor;

/**
 * Loads ONNX Runtime into this process; later calls return the same library.
 * @throws EdgeError `E_MODEL_LOAD` when no binary fits this platform.
 */
export async function loadOnnxRuntime(): Promise<OnnxRuntime> {
  try {
    const ort = await import('onnxruntime-node');
    // Every failure also reaches us as an exception; below "fatal" the library writes it to stderr a second time, uncoded.
    ort.env.logLevel = 'fatal';
    return ort;
  } catch (error) {
    throw new EdgeError('E_MODEL_LOAD', {
      what: `cannot load ONNX Runtime on ${process.platform}/${process.arch}`,
      expected: 'the native library of onnxruntime-node',
      found: error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error),
      hint: 'Install again with "npm ci". Binaries exist for glibc Linux x64/arm64, macOS arm64 and Windows x64/arm64.',
      cause: error,
    });
  }
}

/** Libraries that a provider adds to the binding, in the order in which they are loaded. */
const PROVIDER_LIBRARIES: Readonly<Record<string, readonly string[]>> = {
  cuda: ['libonnxruntime_providers_shared.so', 'libonnxruntime_providers_cuda.so'],
};

/**
 * What the dynamic linker misses of a provider that did not start, as `: libcublasLt.so.12: cannot open ...`; empty when it misses nothing.
 * ONNX Runtime tells that only to its log.
 */
export function missingLibraryOf(provider: string): string {
  const entry = createRequire(import.meta.url).resolve('onnxruntime-node');
  const folder = join(entry, '..', '..', 'bin', 'napi-v6', process.platform, process.arch);
  for (const name of PROVIDER_LIBRARIES[provider] ?? []) {
    try {
      process.dlopen({ exports: {} }, join(folder, name));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      // A library that is found and is no add-on of Node says so.
      if (/cannot open shared object file|not found/.test(message)) return `: ${message}`;
    }
  }
  return '';
}
