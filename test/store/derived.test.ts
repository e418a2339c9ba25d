/** Variants that are made here. The quantiser is played: what llama.cpp makes is tested in test/backends/llama. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ModelSource } from '#edge/contracts/model.ts';
import type { KeptQuality, Quantize, QuantizeRequest } from '#edge/contracts/quantize.ts';
import { abortError } from '#edge/core/abort.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { createLogger } from '#edge/core/log.ts';
import { deriveMissing, pullDefaults } from '#edge/store/extra-variants.ts';
import { cardOf, failureOf, fileOf, StoreFixture, sha256Of } from './fixture.ts';
import { generatorFile } from './gguf-file.ts';

const published = generatorFile(2048);
const derived = generatorFile(3072);
const derivedElsewhere = generatorFile(3328);
const KEPT: KeptQuality = { measure: 'perplexity', source: 20, derived: 20.03 };

let fixture: StoreFixture;
/** What the store asked the quantiser for. */
let asked: QuantizeRequest[];
beforeEach(() => {
  fixture = new StoreFixture();
  asked = [];
  fixture.addCard(cardWith('m', [{ kind: 'derived', from: 'q4_1', to: 'Q8_0' }]));
  writeFileSync(join(fixture.catalogFolder, 'weights'), published);
});
afterEach(() => fixture[Symbol.dispose]());

/** A card with a published `q4_1` and, where it has sources, a `q8_0`. */
function cardWith(id: string, sources: readonly ModelSource[], over: Record<string, unknown> = {}): Record<string, unknown> {
  const source = {
    id: 'q4_1',
    format: 'gguf',
    quantisation: 'Q4_1',
    bitsPerWeight: 5,
    quality: 0.9,
    files: [fileOf(published, [{ kind: 'file', path: 'weights' }])],
  };
  const made = {
    id: 'q8_0',
    format: 'gguf',
    quantisation: 'Q8_0',
    bitsPerWeight: 8.5,
    quality: 0.9,
    files: [fileOf(derived, sources, { sha256: null })],
  };
  return { ...cardOf(id, []), variants: sources.length > 0 ? [source, made] : [source], ...over };
}

/** Writes what llama.cpp would, in two parts. */
const quantize =
  (content: Buffer = derived, kept = KEPT): Quantize =>
  async (request) => {
    asked.push(request);
    writeFileSync(request.to, content.subarray(0, 100));
    request.onProgress({ label: 'quantising', done: 1, total: 2, unit: 'steps' });
    writeFileSync(request.to, content);
    return kept;
  };

/** Writes a part, then fails. */
const failing =
  (error: EdgeError): Quantize =>
  async ({ to }) => {
    writeFileSync(to, derived.subarray(0, 100));
    throw error;
  };

const filesBelow = (folder: string): string[] =>
  existsSync(folder) ? readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((e) => (e.isFile() ? e.name : [])) : [];
const partials = (): string[] => filesBelow(join(fixture.directory, 'partial'));
const silent = createLogger({ level: 'error', format: 'json', write: () => undefined });

describe('a variant that its card derives from another', () => {
  test('is made of the other, which is fetched first, and remembers what is left of its quality', async () => {
    const labels: string[] = [];
    const store = fixture.open({ quantize: quantize() });
    const stored = await store.pull('m', { variant: 'q8_0', onProgress: ({ label }) => labels.push(label) });
    expect(readFileSync(stored.files.weights as string)).toEqual(derived);
    expect(stored).toMatchObject({ variant: 'q8_0', sha256: sha256Of(derived), bytes: derived.length });
    expect(asked).toEqual([
      expect.objectContaining({ model: 'm', from: store.pathOf('m', 'q4_1'), quantization: 'Q8_0', measure: 'perplexity' }),
    ]);
    expect(labels).toEqual(expect.arrayContaining([expect.stringContaining('downloading m'), 'quantising']));
    const listed = fixture.open().list();
    expect(listed.find(({ variant }) => variant === 'q8_0')).toMatchObject({
      state: 'verified',
      source: 'derived:q4_1>Q8_0',
      pinned: false,
      kept: KEPT,
    });
    expect(fixture.logged.filter(({ level }) => level === 'warn')).toEqual([]);
    expect(partials()).toEqual([]);
  });

  test('is made once for all who ask, and not again', async () => {
    const store = fixture.open({ quantize: quantize() });
    await Promise.all([store.pull('m', { variant: 'q8_0' }), store.pull('m', { variant: 'q8_0' })]);
    await fixture.open({ quantize: quantize() }).pull('m', { variant: 'q8_0' });
    expect(asked).toHaveLength(1);
  });

  test.each([
    ['E_QUALITY_LOST', { what: 'lost too much', details: { source: 20, derived: 24 } }],
    ['E_ENGINE_CRASHED', { what: 'quantiser', found: 'killed by SIGSEGV' }],
  ] as const)('leaves nothing behind when it fails with %s', async (code, init) => {
    const store = fixture.open({ quantize: failing(new EdgeError(code, init)) });
    const failure = await failureOf(store.pull('m', { variant: 'q8_0' }));
    expect(failure).toMatchObject({ code, message: expect.stringContaining(init.what) });
    if ('details' in init) expect(failure.details).toEqual(init.details);
    expect(store.find('m', 'q8_0')).toBeUndefined();
    expect(store.list().map(({ variant }) => variant)).toEqual(['q4_1']);
    expect(partials()).toEqual([]);
    expect(filesBelow(join(fixture.directory, 'blobs'))).toEqual([`sha256-${sha256Of(published)}`]);
  });

  test('leaves nothing behind when it is cancelled', async () => {
    const controller = new AbortController();
    const waiting: Quantize = async ({ to, signal }) => {
      writeFileSync(to, derived.subarray(0, 100));
      controller.abort();
      while (!signal.aborted) await sleep(5);
      throw abortError(signal);
    };
    const pull = fixture.open({ quantize: waiting }).pull('m', { variant: 'q8_0', signal: controller.signal });
    expect(await failureOf(pull)).toMatchObject({ code: 'E_CANCELLED' });
    expect(partials()).toEqual([]);
    expect((await fixture.open({ quantize: quantize() }).pull('m', { variant: 'q8_0' })).sha256).toBe(sha256Of(derived));
  });

  test('takes nothing of a file that a killed process left half', async () => {
    const folder = join(fixture.directory, 'partial', 'm@q8_0');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'model.gguf.0.part'), derived.subarray(0, 500));
    const store = fixture.open({ quantize: quantize() });
    expect(store.find('m', 'q8_0')).toBeUndefined();
    expect((await store.pull('m', { variant: 'q8_0' })).sha256).toBe(sha256Of(derived));
  });

  test('is refused before the quantiser starts where the disk has no room for it', async () => {
    const store = fixture.open({ quantize: quantize(), freeBytes: async () => 64 * 1024 * 1024 + 2500 });
    expect(await failureOf(store.pull('m', { variant: 'q8_0' }))).toMatchObject({ code: 'E_DISK_FULL' });
    expect(asked).toEqual([]);
  });

  test('is refused when what was made is no model', async () => {
    const store = fixture.open({ quantize: quantize(Buffer.from('not a model')) });
    expect((await failureOf(store.pull('m', { variant: 'q8_0' }))).code).toMatch(/^E_MODEL_/);
    expect(store.find('m', 'q8_0')).toBeUndefined();
    expect(partials()).toEqual([]);
  });

  test('cannot be had without a quantiser', async () => {
    expect(await failureOf(fixture.open().pull('m', { variant: 'q8_0' }))).toMatchObject({
      code: 'E_SOURCE_UNAVAILABLE',
      message: expect.stringContaining('no quantiser'),
    });
  });

  test('is made again when it was damaged, also where other rounding makes other bytes', async () => {
    const { files } = await fixture.open({ quantize: quantize() }).pull('m', { variant: 'q8_0' });
    writeFileSync(files.weights as string, 'short');
    const store = fixture.open({ quantize: quantize(derivedElsewhere) });
    expect(() => store.find('m', 'q8_0')).toThrow(expect.objectContaining({ code: 'E_MODEL_CORRUPT' }));
    expect((await store.pull('m', { variant: 'q8_0' })).sha256).toBe(sha256Of(derivedElsewhere));
  });
});

describe('a variant made by hand', () => {
  beforeEach(async () => {
    fixture.addCard(cardWith('m', []));
    await fixture.open().pull('m');
  });

  test('is in the catalog of every store over the folder, until it is removed', async () => {
    const store = fixture.open({ quantize: quantize() });
    const other = fixture.open();
    expect((await store.quantize('m', 'BF16')).variant).toBe('bf16');
    expect(other.find('m', 'bf16')?.sha256).toBe(sha256Of(derived));
    const card = other.catalog.get('m');
    expect(card.variants.map(({ id }) => id)).toEqual(['q4_1', 'bf16']);
    expect(card.variants[1]).toMatchObject({
      format: 'gguf',
      quantisation: 'BF16',
      bitsPerWeight: (derived.length * 8) / 1000,
      quality: 0.9 * (20 / 20.03),
      qualitySource: 'perplexity 20.030 against 20.000 of q4_1',
    });
    expect(other.catalog.cards.find(({ id }) => id === 'm')?.variants).toHaveLength(2);
    expect((await store.quantize('m', 'BF16')).sha256).toBe(sha256Of(derived));
    expect(asked).toHaveLength(1);
    expect(await other.remove('m', 'bf16')).toMatchObject({ removed: ['bf16'], freedBytes: derived.length });
    expect(store.catalog.get('m').variants.map(({ id }) => id)).toEqual(['q4_1']);
    expect(await failureOf(store.pull('m', { variant: 'bf16' }))).toMatchObject({ code: 'E_MODEL_UNKNOWN' });
  });

  test('is made again by a pull when it was damaged', async () => {
    const store = fixture.open({ quantize: quantize() });
    const { files } = await store.quantize('m', 'BF16');
    writeFileSync(files.weights as string, 'short');
    await store.pull('m', { variant: 'bf16' });
    expect(store.find('m', 'bf16')?.sha256).toBe(sha256Of(derived));
    expect(asked).toHaveLength(2);
  });

  test('an interrupted one is removable, though no card names it', async () => {
    const folder = join(fixture.directory, 'partial', 'm@f16');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'm.F16.gguf.0.part'), 'half');
    expect(await fixture.open().remove('m', 'f16')).toMatchObject({ removed: ['f16'] });
    expect(partials()).toEqual([]);
  });

  test('of an encoder is judged by its vectors', async () => {
    const embedding = { dimensions: 8, pooling: 'mean', normalize: true, queryPrefix: '', passagePrefix: '' };
    fixture.addCard(cardWith('e', [], { task: 'embed', embedding }));
    const store = fixture.open({ quantize: quantize(derived, { measure: 'cosine', source: 1, derived: 0.995 }) });
    await store.pull('e');
    await store.quantize('e', 'Q8_0');
    expect(asked[0]?.measure).toBe('cosine');
    expect(store.catalog.get('e').variants[1]?.quality).toBeCloseTo(0.9 * 0.995);
  });
});

describe('what cannot be made', () => {
  const onnx = { ...cardOf('o', []), variants: [{ ...(cardWith('o', []).variants as object[])[0], format: 'onnx' }] };
  test.each([
    ['of an unknown model', undefined, 'Q8_0', 'E_MODEL_UNKNOWN', 'nothing'],
    ['of a model that is not here', cardWith('x', []), 'Q8_0', 'E_MODEL_NOT_STORED', 'nearside pull x --variant q4_1'],
    ['of another format', { ...onnx, id: 'x' }, 'Q8_0', 'E_UNSUPPORTED', 'only onnx'],
    ['that is published', cardWith('x', [{ kind: 'file', path: 'weights' }]), 'Q8_0', 'E_UNSUPPORTED', 'nearside pull x --variant q8_0'],
    ['larger without gain', cardWith('x', []), 'Q6_K', 'E_UNSUPPORTED', 'neither better nor faster'],
    ['of a model without a measure', cardWith('x', [], { task: 'rerank' }), 'Q8_0', 'E_UNSUPPORTED', 'found rerank'],
  ] as const)('%s', async (_, card, to, code, words) => {
    if (card) fixture.addCard(card);
    const store = fixture.open({ quantize: quantize() });
    if (code === 'E_UNSUPPORTED' && words !== 'only onnx') await store.pull('x');
    const failure = await failureOf(store.quantize('x', to));
    expect(failure.code).toBe(code);
    if (words !== 'nothing') expect(`${failure.message} ${failure.hint}`).toContain(words);
    expect(asked).toEqual([]);
  });
});

describe('variants beyond the first', () => {
  /** `q8_0` is published and wanted from the start; its file is missing. */
  const wanted = { ...cardWith('d', [{ kind: 'file', path: 'missing' }]) };
  beforeEach(() => {
    (wanted.variants as { isDefault?: boolean }[])[1] = { ...(wanted.variants as object[])[1], isDefault: true };
    fixture.addCard(wanted);
  });

  test('are fetched with it where the card says so', async () => {
    writeFileSync(join(fixture.catalogFolder, 'missing'), derived);
    const pulled = await pullDefaults(fixture.open(), 'd', { log: silent });
    expect(pulled.map(({ variant }) => variant)).toEqual(['q4_1', 'q8_0']);
    expect((await pullDefaults(fixture.open(), 'm', { log: silent })).map(({ variant }) => variant)).toEqual(['q4_1']);
  });

  test('may fail, and the log says why; the first may not', async () => {
    const lines: string[] = [];
    const log = createLogger({ level: 'warn', format: 'json', write: (line) => lines.push(line) });
    writeFileSync(join(fixture.catalogFolder, 'weights'), 'another file');
    expect(await failureOf(pullDefaults(fixture.open(), 'd', { log }))).toMatchObject({ code: 'E_HASH_MISMATCH' });
    expect(lines).toEqual([]);
    writeFileSync(join(fixture.catalogFolder, 'weights'), published);
    expect((await pullDefaults(fixture.open(), 'd', { log })).map(({ variant }) => variant)).toEqual(['q4_1']);
    expect(JSON.parse(lines.join(''))).toMatchObject({ event: 'variant left out', variant: 'q8_0', code: 'E_SOURCE_NOT_FOUND' });
  });

  test('are made where what they are made of is stored, and nowhere else', async () => {
    const store = fixture.open({ quantize: quantize() });
    expect(await deriveMissing(store, { log: silent })).toEqual([]);
    await store.pull('m');
    expect((await deriveMissing(store, { log: silent })).map(({ variant }) => variant)).toEqual(['q8_0']);
    expect(await deriveMissing(store, { log: silent })).toEqual([]);
    expect(asked).toHaveLength(1);
  });

  test('stay away once somebody removed them, until they are asked for', async () => {
    const store = fixture.open({ quantize: quantize() });
    await store.pull('m');
    await deriveMissing(store, { log: silent });
    await store.remove('m', 'q8_0');
    expect(await deriveMissing(fixture.open({ quantize: quantize() }), { log: silent })).toEqual([]);
    await store.pull('m', { variant: 'q8_0' });
    expect(store.find('m', 'q8_0')).toBeDefined();
    await store.remove('m');
    await store.pull('m');
    expect((await deriveMissing(store, { log: silent })).map(({ variant }) => variant)).toEqual(['q8_0']);
  });

  test('that cannot be made stop no others', async () => {
    fixture.addCard(cardWith('n', [{ kind: 'derived', from: 'q4_1', to: 'Q8_0' }]));
    let calls = 0;
    const second: Quantize = (request) =>
      calls++ === 0 ? failing(new EdgeError('E_QUALITY_LOST', { what: 'lost' }))(request) : quantize()(request);
    const store = fixture.open({ quantize: second });
    await store.pull('m');
    await store.pull('n');
    expect((await deriveMissing(store, { log: silent })).map(({ model }) => model)).toEqual(['n']);
    expect(await deriveMissing(store, { log: silent })).toEqual([]);
  });

  test('are not made any more once the caller goes away', async () => {
    const controller = new AbortController();
    controller.abort();
    const store = fixture.open({ quantize: quantize() });
    await store.pull('m');
    expect(await failureOf(deriveMissing(store, { log: silent, signal: controller.signal }))).toMatchObject({ code: 'E_CANCELLED' });
    expect(asked).toEqual([]);
  });
});
