import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tfliteBackend } from '#edge/backends/tflite/tflite-backend.ts';
import { checkModelFile } from '#edge/backends/tflite/tflite-file.ts';
import { LITERT_VERSION } from '#edge/backends/tflite/tflite-native.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { expectCode } from '#test/support/expect-code.ts';
import { encoderSpec, fixture, handSpec, library, specOf } from './fixtures.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tflite-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function written(content: Buffer | string): Promise<string> {
  const path = join(folder, 'model.tflite');
  await writeFile(path, content);
  return path;
}

describe('the library', () => {
  it('is the release whose binary interface the code speaks', () => {
    const pinned = JSON.parse(readFileSync(new URL('../../../models/libraries/litert.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect(LITERT_VERSION).toBe(pinned.version);
  });

  it('is missing for this platform, gone, damaged or another file: each has its code, and the next load works', async () => {
    const weights = fixture('tflite/encoder.tflite');
    const none = specOf(weights);
    const { library: _left, ...files } = none.stored.files;
    const error = await expectCode(tfliteBackend.load({ ...none, stored: { ...none.stored, files } }), 'E_UNSUPPORTED');
    expect(error.message).toContain(`${process.platform}/${process.arch}`);
    const cut = (await readFile(library)).subarray(0, 100_000);
    for (const path of [
      join(folder, 'absent'),
      await written(cut),
      await written('<html>not found</html>'),
      fixture('onnx/tokenizer.json'),
    ]) {
      await expectCode(tfliteBackend.load(specOf(weights, { files: { library: path } })), 'E_MODEL_LOAD');
    }
    await (await tfliteBackend.load(specOf(weights)))[Symbol.asyncDispose]();
  });
});

describe('a model file', () => {
  const whole = readFileSync(fixture('tflite/encoder.tflite'));

  it.each([
    ['an empty file', '', /an empty file/],
    ['a web page', '<!DOCTYPE html><title>404</title>', /a web page/],
    ['a pointer to a large file', 'version https://git-lfs.github.com/spec/v1\noid sha256:0\n', /Git LFS pointer/],
    ['another format', readFileSync(fixture('onnx/encoder.onnx')), /another kind of file/],
    ['only the identifier', Buffer.from('\x08\0\0\0TFL3'), /beyond the end/],
    ['a claim of 2^31 graphs', Buffer.from(whole.map((byte, at) => (at >= 16 && at < 200 ? 0x7f : byte))), /expected a whole/],
  ])('%s is a corrupt model', async (_what, content, message) => {
    const error = await expectCode(tfliteBackend.load(specOf(await written(content))), 'E_MODEL_CORRUPT');
    expect(error.message).toMatch(message);
  });

  it('is refused wherever it was cut, before native code reads it', async () => {
    const weights = readFileSync(handSpec.stored.files.weights as string);
    for (const share of [0.01, 0.3, 0.6, 0.9, 0.97, 0.9999]) {
      const path = await written(weights.subarray(0, Math.floor(weights.length * share)));
      expect(() => checkModelFile(path, 'hand')).toThrow(expect.objectContaining({ code: 'E_MODEL_CORRUPT' }));
    }
    expect(() => checkModelFile(handSpec.stored.files.weights as string, 'hand')).not.toThrow();
  });

  it('with damaged bytes is either taken or refused with a code, never a crash of the check', async () => {
    for (let at = 8; at < whole.length; at += 7) {
      const path = await written(Buffer.from(whole.map((byte, index) => (index === at ? byte ^ 0xff : byte))));
      try {
        checkModelFile(path, 'tiny');
      } catch (error) {
        expect(EdgeError.is(error) && error.code).toBe('E_MODEL_CORRUPT');
      }
    }
  });

  it('or its tokenizer is missing or damaged', async () => {
    await expectCode(tfliteBackend.load(specOf(join(folder, 'absent.tflite'))), 'E_MODEL_NOT_STORED');
    const { stored } = encoderSpec();
    const withTokenizer = (tokenizer: string) => ({ ...encoderSpec(), stored: { ...stored, files: { ...stored.files, tokenizer } } });
    await expectCode(tfliteBackend.load(withTokenizer(join(folder, 'absent.json'))), 'E_MODEL_NOT_STORED');
    await expectCode(tfliteBackend.load(withTokenizer(await written('{"model":'))), 'E_MODEL_CORRUPT');
    await expectCode(tfliteBackend.load(withTokenizer(await written('{"model":{}}'))), 'E_MODEL_CORRUPT');
  });
});

describe('a provider', () => {
  it.each([
    ['gpu', /no accelerator for "gpu".*libLiteRtWebGpuAccelerator/],
    ['npu', /no accelerator for "npu".*dispatch library/],
    ['cuda', /no execution provider "cuda".*cpu, gpu, npu/],
  ])('%s that is not here is refused with the reason, and never replaced by the CPU', async (provider, message) => {
    const error = await expectCode(tfliteBackend.load(encoderSpec({ provider })), 'E_UNSUPPORTED');
    expect(error.message).toMatch(message);
  });
});

describe('a load', () => {
  it('that was cancelled is given up, and tells how far it is', async () => {
    const steps: number[] = [];
    const controller = new AbortController();
    const load = tfliteBackend.load(encoderSpec(), {
      signal: controller.signal,
      onProgress: ({ done }) => {
        steps.push(done);
        controller.abort();
      },
    });
    await expectCode(load, 'E_CANCELLED');
    expect(steps).toEqual([1]);
  });
});
