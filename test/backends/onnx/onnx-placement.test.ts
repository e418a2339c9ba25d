import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { providerFailure, requireStaticShapes } from '#edge/backends/onnx/onnx-accelerators.ts';
import { loadOnnxRuntime, missingLibraryOf } from '#edge/backends/onnx/onnx-native.ts';
import { sessionOptions } from '#edge/backends/onnx/onnx-options.ts';
import { checkPlacement, type ProfiledSession, requirePlacement } from '#edge/backends/onnx/onnx-placement.ts';
import type { TensorSpec } from '#edge/contracts/tensor.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { expectCode } from '#test/support/expect-code.ts';
import { fixture } from './fixtures.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'placement-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('options of a session', () => {
  it('ask for one provider, and for CoreML with its flags: static shapes, ML program, Neural Engine', () => {
    expect(sessionOptions({ provider: 'coreml', threads: 4 }).executionProviders).toEqual([
      { name: 'coreml', coreMlFlags: 0x04 | 0x08 | 0x10 },
    ]);
    expect(sessionOptions({ provider: 'cuda', threads: 4 }).executionProviders).toEqual(['cuda']);
  });

  it('profile only where they are told to', () => {
    expect(sessionOptions({ provider: 'cpu', threads: 1 })).not.toHaveProperty('enableProfiling');
    expect(sessionOptions({ provider: 'cuda', threads: 1 }, '/x')).toMatchObject({
      enableProfiling: true,
      profileFilePrefix: '/x/profile',
    });
  });
});

describe('a provider that cannot serve', () => {
  it.each([
    ['cuda', 'OrtSessionOptionsAppendExecutionProvider_Cuda: Failed to load shared library', 'lib-missing'],
    ['cuda', `Failed to load shared library: libcublasLt.so.12: cannot open shared object file: No such file or directory`, 'lib-missing'],
    ['coreml', 'The current system does not have Apple Neural Engine.', 'driver-missing'],
    ['coreml', 'no available backend found. ERR: [coreml] backend not found.', 'driver-missing'],
  ])('is refused with the reason: %s, %s', (provider, message, rejection) => {
    expect(providerFailure(provider, message)).toMatchObject({ code: 'E_UNSUPPORTED', details: { rejection } });
  });

  it('says nothing of another failure', () => {
    expect(providerFailure('cpu', 'Failed to load shared library')).toBeUndefined();
    expect(providerFailure('cuda', 'protobuf parsing failed')).toBeUndefined();
  });

  it.skipIf(process.platform !== 'linux')('is told the file that the dynamic linker misses', () => {
    expect(missingLibraryOf('cuda')).toMatch(/libonnxruntime_providers_shared\.so: cannot open shared object file/);
    expect(missingLibraryOf('cpu')).toBe('');
  });

  it('is refused a free dimension on CoreML only', () => {
    const inputs: TensorSpec[] = [{ name: 'x', dtype: 'float32', shape: [1, -1] }];
    expect(() => requireStaticShapes('cuda', inputs)).not.toThrow();
    expect(() => requireStaticShapes('coreml', [{ name: 'x', dtype: 'float32', shape: [1, 8] }])).not.toThrow();
    expect(() => requireStaticShapes('coreml', inputs)).toThrow(
      expect.objectContaining({ code: 'E_UNSUPPORTED', details: { rejection: 'dynamic-shape-on-ane' } }),
    );
  });
});

describe('where a graph ran', () => {
  const node = (op_name: string, provider: string) => ({ cat: 'Node', name: op_name, args: { op_name, provider } });
  const session = { cat: 'Session', name: 'session_initialization' };
  const trace = (...events: object[]) => JSON.stringify([session, ...events]);
  const [cpu, cuda, coreml] = ['CPUExecutionProvider', 'CUDAExecutionProvider', 'CoreMLExecutionProvider'] as const;

  it('is accepted when only shapes are computed elsewhere', () => {
    checkPlacement('cuda', trace(node('Shape', cpu), node('Gather', cpu), node('MatMul', cuda), node('Softmax', cuda)));
    checkPlacement('coreml', trace(node('Cast', cpu), node('CoreMLExecutionProvider_CoreML_12345_0_0', coreml)));
  });

  it.each([
    [
      'cuda',
      [node('Gelu', cuda), node('DynamicQuantizeMatMul', cpu), node('MatMulIntegerToFloat', cpu)],
      /DynamicQuantizeMatMul, MatMulIntegerToFloat on the CPU/,
    ],
    ['coreml', [node('CoreMLExecutionProvider_CoreML_12345_0_0', coreml), node('Conv', cpu)], /Conv on the CPU/],
    ['coreml', [node('Relu', cpu), node('Add', cpu)], /all 2 on the CPU/],
  ])('is refused for %s when work is done elsewhere: %#', (provider, events, message) => {
    const check = () => checkPlacement(provider, trace(...events));
    expect(check).toThrow(message);
    expect(check).toThrow(expect.objectContaining({ code: 'E_UNSUPPORTED', details: { rejection: 'io-dtype-unsupported' } }));
  });
});

describe('a probe run of a real session', () => {
  async function profiled(): Promise<ProfiledSession & AsyncDisposable> {
    const ort = await loadOnnxRuntime();
    const native = await ort.InferenceSession.create(fixture('encoder.onnx'), sessionOptions({ provider: 'cpu', threads: 1 }, folder));
    return {
      inputs: native.inputMetadata.map(({ name }) => ({ name, dtype: 'int64', shape: [-1, -1] })),
      run: (feeds) =>
        native.run(
          Object.fromEntries(
            Object.entries(feeds).map(([name, { dtype, data, shape }]) => [name, new ort.Tensor(dtype, data as never, shape)]),
          ),
        ),
      endProfiling: () => native.endProfiling(),
      [Symbol.asyncDispose]: () => native.release(),
    };
  }

  it('finds every operator where it was asked for', async () => {
    await using session = await profiled();
    await requirePlacement(session, 'cpu', folder);
    const [file] = await readdir(folder);
    expect(await readFile(join(folder, file as string), 'utf8')).toContain('CPUExecutionProvider');
  });

  it('finds that all of it ran on the CPU, though another was asked for', async () => {
    await using session = await profiled();
    const error = await expectCode(requirePlacement(session, 'cuda', folder), 'E_UNSUPPORTED');
    expect(error.message).toMatch(/does not run on execution provider "cuda".*on the CPU/);
  });

  it('refuses a graph that loads and does not run', async () => {
    await using session = await profiled();
    const run = () => Promise.reject(new EdgeError('E_BAD_REQUEST', { what: 'error code: -1' }));
    const error = await expectCode(requirePlacement({ ...session, run }, 'coreml', folder), 'E_UNSUPPORTED');
    expect(error.message).toContain('error code: -1');
  });
});
