/** The one list of backends. A backend's module is imported only when it is asked for. */
import type { Backend, BackendId } from '#edge/contracts/backend.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { guardBackend } from './guard.ts';

/**
 * Imports one backend; its native library is loaded by `load`, not by this.
 * @throws EdgeError `E_UNSUPPORTED` for a backend this version does not have.
 */
export async function importBackend(id: BackendId): Promise<Backend> {
  switch (id) {
    case 'llama':
      return guardBackend((await import('./llama/llama-backend.ts')).llamaBackend);
    case 'onnx':
      return guardBackend((await import('./onnx/onnx-backend.ts')).onnxBackend);
    case 'fake':
      return guardBackend((await import('./fake/fake-backend.ts')).fakeBackend);
    case 'tflite':
      return guardBackend((await import('./tflite/tflite-backend.ts')).tfliteBackend);
    case 'remote':
      throw new EdgeError('E_UNSUPPORTED', {
        what: `this version has no ${id} backend`,
        expected: 'llama, onnx, tflite or fake',
        found: id,
      });
  }
}

/**
 * What the environment of an engine child must have, besides its parent's.
 * llama: the prebuilt library makes its worker threads anew for each libuv thread that runs a decode step; with a
 * single libuv thread they persist, which doubles decode speed (47-63 to 90-116 tok/s on two cores).
 */
export function childEnvironment(id: BackendId): Readonly<Record<string, string>> {
  return id === 'llama' ? { UV_THREADPOOL_SIZE: '1' } : {};
}
