/** The only module that names `onnxruntime-node`. Its native library is loaded by {@link loadOnnxRuntime}, not by importing this module. */
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
