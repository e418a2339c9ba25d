import { describe, expect, it } from 'vitest';
import { childEnvironment, importBackend } from '#edge/backends/registry.ts';
import { expectCode } from '#test/support/expect-code.ts';

describe('registry of backends', () => {
  it.each(['llama', 'onnx', 'tflite', 'fake'] as const)('imports %s without its native library', async (id) => {
    const backend = await importBackend(id);
    expect(backend.id).toBe(id);
    expect(backend.formats.length).toBeGreaterThan(0);
    const report = process.report.getReport() as { sharedObjects?: string[] };
    expect(report.sharedObjects?.filter((path) => /onnxruntime|llama|ggml|koffi|LiteRt/.test(path))).toEqual([]);
  });

  it('refuses remote, which this version has not', async () => {
    await expectCode(importBackend('remote'), 'E_UNSUPPORTED');
  });

  it('gives the llama child a single libuv thread', () => {
    expect(childEnvironment('llama')).toEqual({ UV_THREADPOOL_SIZE: '1' });
    expect(childEnvironment('onnx')).toEqual({});
  });
});
