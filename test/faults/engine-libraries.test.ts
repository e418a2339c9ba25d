/** Native libraries that do not fit the system: a real one is damaged as a wrong system would damage it, and loaded by a real engine. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { classifyFailure } from '#edge/backends/classify-failure.ts';
import { storedEncoderSpec } from '#test/backends/onnx/fixtures.ts';
import { encoderSpec, fixture, library, specOf } from '#test/backends/tflite/fixtures.ts';
import { withIllegalInstruction, withLinkerString } from '#test/support/elf.ts';
import { EngineHosts } from '#test/support/engine-hosts.ts';
import { expectCode } from '#test/support/expect-code.ts';
import { smollmSpec } from '#test/support/llama-spec.ts';

const isGlibcLinux = process.platform === 'linux' && 'glibcVersionRuntime' in (process.report.getReport() as { header: object }).header;
const hosts = new EngineHosts();
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'libraries-'));
});
afterAll(async () => {
  await hosts[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

/** The tiny encoder on this library. */
async function specOn(content: Buffer) {
  const path = join(folder, 'library');
  await writeFile(path, content);
  const { embedding } = encoderSpec();
  return specOf(fixture('tflite/encoder.tflite'), {
    files: { tokenizer: fixture('onnx/tokenizer.json'), library: path },
    ...(embedding ? { embedding } : {}),
  });
}

describe.skipIf(!isGlibcLinux)('LiteRT (an ELF library linked with glibc)', { timeout: 60_000 }, () => {
  it('that asks for a newer glibc is told with the version', async () => {
    const { host, crashes } = hosts.open({ spec: await specOn(withLinkerString(await readFile(library), 'GLIBC_2.27', 'GLIBC_9.99')) });
    const error = await expectCode(host.load(), 'E_MODEL_LOAD');
    expect(classifyFailure(error)).toMatchObject({ code: 'libc-too-old', detail: expect.stringContaining("`GLIBC_9.99' not found") });
    expect(crashes).toEqual([]);
  });

  it('that asks for a library which is not here is told with its name', async () => {
    const { host, crashes } = hosts.open({ spec: await specOn(withLinkerString(await readFile(library), 'libm.so.6', 'libq.so.6')) });
    const error = await expectCode(host.load(), 'E_MODEL_LOAD');
    expect(classifyFailure(error)).toMatchObject({ code: 'lib-missing', detail: expect.stringContaining('libq.so.6: cannot open shared') });
    expect(crashes).toEqual([]);
  });

  it('with an instruction that this CPU does not know ends the child and nothing else', async () => {
    const { host, crashes } = hosts.open({
      spec: await specOn(withIllegalInstruction(await readFile(library), 'LiteRtCreateModelFromFile')),
    });
    const error = await expectCode(host.load(), 'E_ENGINE_CRASHED');
    expect(error.message).toContain('SIGILL');
    expect(classifyFailure(error)).toMatchObject({
      code: 'probe-crashed',
      detail: expect.stringContaining('an instruction that this CPU lacks'),
    });
    expect(crashes).toMatchObject([{ exit: { signal: 'SIGILL' } }]);
  });

  it('undamaged works after all that', async () => {
    const { host } = hosts.open({ spec: await specOn(await readFile(library)) });
    expect((await host.embed({ model: 'tiny', texts: ['hello'], purpose: 'plain' })).vectors).toHaveLength(1);
  });
});

describe('CUDA where its libraries are missing', { timeout: 60_000 }, () => {
  it('is refused by onnx with the name of what is missing', async () => {
    const { host, crashes } = hosts.open({ spec: { ...storedEncoderSpec('e5-small-v2'), provider: 'cuda' } });
    const error = await expectCode(host.load(), 'E_UNSUPPORTED');
    const { code, detail } = classifyFailure(error);
    if (process.platform === 'linux' && process.arch === 'x64') {
      expect([code, detail]).toEqual([
        'lib-missing',
        expect.stringMatching(/libonnxruntime_providers_\w+\.so: cannot open shared object file/),
      ]);
    } else {
      expect([code, detail]).toEqual(['no-binary', expect.stringContaining('only cpu')]);
    }
    expect(crashes).toEqual([]);
  });

  it('is refused by llama: there is no build for it', async () => {
    const { host, crashes } = hosts.open({ spec: { ...smollmSpec(), provider: 'cuda', gpuLayers: 99 } });
    const error = await expectCode(host.load(), 'E_MODEL_LOAD');
    expect(classifyFailure(error)).toMatchObject({ code: 'no-binary', detail: expect.stringContaining('cuda') });
    expect(crashes).toEqual([]);
  });
});
