import { describe, expect, it } from 'vitest';
import { classifyFailure } from '#edge/backends/classify-failure.ts';
import { EdgeError, type EdgeErrorInit, type ErrorCode } from '#edge/core/errors.ts';

const failed = (code: ErrorCode, more: Partial<EdgeErrorInit> = {}) =>
  classifyFailure(new EdgeError(code, { what: 'cannot load a model', ...more }));

describe('the reason of a failed candidate', () => {
  // Words of the dynamic linkers of glibc, musl, macOS and Windows, of the CUDA and Vulkan loaders, and of node-llama-cpp.
  it.each([
    ["/lib/x86_64-linux-gnu/libm.so.6: version `GLIBC_2.38' not found (required by /x/liblitert.so)", 'libc-too-old'],
    ["/lib/aarch64-linux-gnu/libstdc++.so.6: version `GLIBCXX_3.4.30' not found", 'libc-too-old'],
    ['Error relocating /x/libonnxruntime.so.1: __vsnprintf_chk: symbol not found', 'libc-too-old'],
    ['libcublasLt.so.12: cannot open shared object file: No such file or directory', 'lib-missing'],
    ['Error loading shared library ld-linux-x86-64.so.2: No such file or directory', 'lib-missing'],
    ['dlopen(libLiteRt.dylib): Library not loaded: @rpath/libc++.1.dylib', 'lib-missing'],
    ['The specified module could not be found. \\\\?\\C:\\x\\onnxruntime_binding.node', 'lib-missing'],
    ['CUDA driver version is insufficient for CUDA runtime version', 'driver-missing'],
    ["Couldn't load Vulkan: libvulkan.so.1", 'driver-missing'],
    ['/x/libLiteRt.so: invalid ELF header', 'no-binary'],
    ['NoBinaryFoundError', 'no-binary'],
    ['libonnxruntime.so.1: failed to map segment from shared object', 'mem-exceeds'],
    ['anything else', 'probe-crashed'],
  ] as const)('is read from what the linker says: %s', (found, code) => {
    expect(failed('E_MODEL_LOAD', { found })).toEqual({ code, detail: `cannot load a model: found ${found}` });
  });

  it.each([
    ['E_MEMORY_BUDGET', 'mem-exceeds'],
    ['E_MODEL_CORRUPT', 'format-mismatch'],
    ['E_MODEL_NOT_STORED', 'not-downloaded'],
    ['E_UNSUPPORTED', 'no-binary'],
    ['E_ENGINE_CRASHED', 'probe-crashed'],
    ['E_ENGINE_HUNG', 'probe-crashed'],
    ['E_DEADLINE', 'probe-crashed'],
    ['E_INTERNAL', 'probe-crashed'],
  ] as const)('is read from the code %s', (code, reason) => {
    expect(failed(code).code).toBe(reason);
  });

  it('is the one that the backend names, when it is a reason at all', () => {
    expect(failed('E_UNSUPPORTED', { details: { rejection: 'dynamic-shape-on-ane' } }).code).toBe('dynamic-shape-on-ane');
    expect(failed('E_UNSUPPORTED', { details: { rejection: 'nonsense' } }).code).toBe('no-binary');
  });

  it('tells what a signal means and the last words, without stacks', () => {
    const cause =
      'a long story\nterminate called\n  what():  lost\n----- Native stack trace -----\n 1: 0xd3beec node::Abort()\n    at run (x.ts:1:2)\n';
    expect(failed('E_ENGINE_CRASHED', { found: 'killed by SIGILL', details: { code: null, signal: 'SIGILL' }, cause })).toEqual({
      code: 'probe-crashed',
      detail:
        'cannot load a model: found killed by SIGILL (an instruction that this CPU lacks, or a trap); last words: a long story | terminate called | what():  lost',
    });
  });

  it('finds the missing library in the last words, but nothing in the text of a corrupt file', () => {
    const words = 'libcudart.so.12: cannot open shared object file';
    expect(failed('E_ENGINE_CRASHED', { cause: words }).code).toBe('lib-missing');
    expect(failed('E_MODEL_CORRUPT', { found: words }).code).toBe('format-mismatch');
  });

  it('stays short', () => {
    expect(failed('E_MODEL_LOAD', { found: 'x'.repeat(10_000) }).detail).toHaveLength(600);
  });
});
