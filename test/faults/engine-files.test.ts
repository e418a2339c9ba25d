/** Files that are no model, or not this one, in real engines: a code each time, the child lives on and loads the right file. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { classifyFailure } from '#edge/backends/classify-failure.ts';
import type { EngineHost } from '#edge/backends/engine-host.ts';
import type { LoadSpec } from '#edge/contracts/backend.ts';
import type { ModelFile } from '#edge/contracts/model.ts';
import { storedEncoderSpec } from '#test/backends/onnx/fixtures.ts';
import { retrievalSpec } from '#test/backends/tflite/fixtures.ts';
import { collect } from '#test/contract/backend.contract.ts';
import { EngineHosts } from '#test/support/engine-hosts.ts';
import { expectCode } from '#test/support/expect-code.ts';
import { smollmSpec } from '#test/support/llama-spec.ts';
import { pulledVariant } from '#test/support/pulled-variant.ts';

const onnx = storedEncoderSpec('e5-small-v2');
const llama = smollmSpec();
const tflite = await retrievalSpec();
const hosts = new EngineHosts();
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'files-'));
});
afterAll(async () => {
  await hosts[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const replace = (spec: LoadSpec, role: ModelFile['role'], path: string): LoadSpec => ({
  ...spec,
  stored: { ...spec.stored, files: { ...spec.stored.files, [role]: path } },
});
const fileOf = ({ stored }: LoadSpec, role: ModelFile['role']): string => stored.files[role] as string;
const embed = async (host: EngineHost) => (await host.embed({ model: 'e5-small-v2', texts: ['a tent'], purpose: 'query' })).dimensions;
const generate = async (host: EngineHost) =>
  (await collect(host.generate({ model: 'smollm2', prompt: 'A tent', maxTokens: 2 }))).text.length;

describe.each([
  ['onnx', onnx, tflite, embed],
  ['tflite', tflite, llama, embed],
  ['llama', llama, onnx, generate],
])('weights for %s', (name, spec, other, call) => {
  it('cut, emptied, or of another kind are corrupt; the child lives, and loads the whole file', { timeout: 120_000 }, async () => {
    const path = join(folder, `weights-${name}`);
    const { host, crashes } = hosts.open({ spec: replace(spec, 'weights', path) });
    const whole = await readFile(fileOf(spec, 'weights'));
    const bad: Readonly<Record<string, Buffer | string>> = {
      'cut in the middle': whole.subarray(0, whole.length >> 1),
      'cut behind its first bytes': whole.subarray(0, 64),
      'of zeros': Buffer.alloc(1 << 20),
      'overwritten near its start': Buffer.from(whole).fill(0xa5, 4096, 1 << 20),
      empty: '',
      'a web page': '<!DOCTYPE html><html><title>404</title></html>',
      'a pointer to a large file': 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n',
      'a model of another format': await readFile(fileOf(other, 'weights')),
    };
    for (const [what, content] of Object.entries(bad)) {
      await writeFile(path, content);
      const error = await host.load().then(
        () => 'loaded',
        (reason) => reason,
      );
      expect(error, what).toMatchObject({ code: 'E_MODEL_CORRUPT' });
      expect(classifyFailure(error).code, what).toBe('format-mismatch');
    }
    await writeFile(path, whole);
    expect(await call(host)).toBeGreaterThan(0);
    expect(crashes).toEqual([]);
  });
});

describe.each([
  ['onnx', onnx],
  ['tflite', tflite],
])('a tokenizer for %s', (name, spec) => {
  it('that is garbage, or has tokens the model lacks, is corrupt; the child lives, and loads the right one', async () => {
    const path = join(folder, `tokenizer-${name}`);
    const { host, crashes } = hosts.open({ spec: replace(spec, 'tokenizer', path) });
    const whole = await readFile(fileOf(spec, 'tokenizer'), 'utf8');
    const larger = JSON.parse(whole) as { added_tokens: { id: number; content: string }[] };
    larger.added_tokens.push({ ...(larger.added_tokens[0] as { id: number; content: string }), id: 300_000, content: 'tent' });
    const bad = ['', '\0\x01\x02', '<!DOCTYPE html>', '{"model":{}}', whole.slice(0, whole.length >> 1), JSON.stringify(larger)];
    for (const content of bad) {
      await writeFile(path, content);
      const error = await expectCode(host.load(), 'E_MODEL_CORRUPT');
      expect(error.message).toContain('tokenizer');
    }
    await writeFile(path, whole);
    expect(await embed(host)).toBe(384);
    expect(crashes).toEqual([]);
  });
});

describe('a model for another task', () => {
  it('an encoder asked to write is refused when it loads', async () => {
    const { host } = hosts.open({ spec: { ...llama, stored: await pulledVariant('e5-small-v2', 'q8_0'), contextTokens: 512 } });
    const error = await expectCode(host.load(), 'E_MODEL_LOAD');
    expect(error.message).toContain('an encoder (bert)');
    expect(classifyFailure(error).code).toBe('format-mismatch');
  });

  it('asked for what it does not do says what it does', async () => {
    const { host } = hosts.open({ spec: llama });
    expect((await expectCode(embed(host), 'E_UNSUPPORTED')).message).toContain('generate or score');
    const { host: encoder } = hosts.open({ spec: onnx });
    expect((await expectCode(generate(encoder), 'E_UNSUPPORTED')).message).toContain('embed, token-vectors, tensors');
    const ids = { dtype: 'int32', shape: [1, 2], data: new Int32Array(2) } as const;
    const error = await expectCode(encoder.runTensors({ model: 'e5-small-v2', inputs: { input_ids: ids } }), 'E_BAD_REQUEST');
    expect(error.message).toBe('input "input_ids" does not fit: expected int64 [any, any], found int32 [1, 2]');
  });
});
