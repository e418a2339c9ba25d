import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { readRemoteHeader } from '#edge/store/headers/http-source.ts';
import type { ModelHeader } from '#edge/store/headers/model-header.ts';
import { hubRequest } from '#edge/store/sources/hf.ts';
import { expectCode } from '#test/support/expect-code.ts';
import { generatorFile, ggufFile, TINY_LLAMA } from '../gguf-file.ts';
import { closedUrl, HubServer } from '../hub-server.ts';

const MIB = 1024 * 1024;
const PATH = '/acme/model/resolve/main/model.gguf';
const content = generatorFile(40 * MIB);
/** Its header is longer than one read. */
const vocabulary = Array.from({ length: 60_000 }, (_, index) => `token-${index}`);
const long = ggufFile({
  metadata: { ...TINY_LLAMA, 'tokenizer.ggml.tokens': vocabulary },
  tensors: [{ name: 'w', shape: [64] }],
  dataBytes: 8 * MIB,
});

let hub: HubServer;
beforeEach(async () => {
  hub = new HubServer();
  await hub.start();
});
afterEach(() => hub[Symbol.asyncDispose]());

function read(
  path = PATH,
  { token, signal = new AbortController().signal }: { token?: string; signal?: AbortSignal } = {},
): Promise<ModelHeader> {
  return readRemoteHeader({ url: new URL(hub.url + path), token }, { timeoutMs: 1000, signal });
}

describe('a server with ranges', () => {
  test('is asked for the header alone', async () => {
    hub.serve(PATH, { content });
    expect(await read()).toMatchObject({ fileBytes: content.length, modelName: 'Tiny', parameters: 10 * MIB });
    expect(hub.requests.map(({ headers }) => headers.range)).toEqual(['bytes=0-65535']);
  });

  test('is read on in longer and longer pieces', async () => {
    hub.serve(PATH, { content: long });
    expect((await read()).transformer?.vocabularySize).toBe(vocabulary.length);
    expect(hub.requests.length).toBeLessThan(7);
    const total = hub.requests.reduce((sum, { headers }) => {
      const [, from, to] = /bytes=(\d+)-(\d+)/.exec(headers.range ?? '') ?? [];
      return sum + Number(to) - Number(from) + 1;
    }, 0);
    expect(total).toBeLessThan(3 * MIB);
  });

  test('sends the size of an empty file as a range that cannot be', async () => {
    hub.serve(PATH, { content: Buffer.alloc(0) });
    expect((await expectCode(read(), 'E_MODEL_FORMAT')).message).toMatch(/an empty file/);
  });

  test('may break off once and again', async () => {
    hub.serve(PATH, { content: long, cuts: [1000, 90_000] });
    expect((await read()).fileBytes).toBe(long.length);
  });

  test('is given up when it breaks off always', async () => {
    hub.serve(PATH, { content, cuts: [100, 100, 100, 100, 100, 100] });
    await expectCode(read(), 'E_DOWNLOAD_FAILED');
  });
});

describe('a hub', () => {
  test('is told the token, the network that delivers is not, and is asked for the rest directly', async () => {
    await using cdn = new HubServer();
    await cdn.start();
    cdn.serve('/blob', { content: long });
    hub.serve(PATH, { content: long, redirect: `${cdn.url}/blob?signature=1` });
    const request = hubRequest(
      { kind: 'hf', repo: 'acme/model', path: 'model.gguf' },
      { hubUrl: `${hub.url}/`, hubToken: 'hf_secret', timeoutMs: 1 },
    );
    const header = await readRemoteHeader(request, { timeoutMs: 1000, signal: new AbortController().signal });
    expect(header.fileBytes).toBe(long.length);
    expect(hub.requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer hf_secret']);
    expect(cdn.requests.length).toBeGreaterThan(1);
    expect(cdn.requests.every(({ headers }) => headers.authorization === undefined)).toBe(true);
  });

  test('is asked again when the address it gave is no longer valid', async () => {
    await using cdn = new HubServer();
    await cdn.start();
    cdn.serve('/blob', { content: long, statuses: [200, 403] });
    hub.serve(PATH, { content: long, redirect: `${cdn.url}/blob` });
    expect((await read()).fileBytes).toBe(long.length);
    expect(hub.requests).toHaveLength(2);
  });
});

describe('a server without ranges', () => {
  test('is stopped once a header cannot be longer', async () => {
    hub.serve(PATH, { content, ranges: false });
    expect((await read()).fileBytes).toBe(content.length);
    expect(hub.requests).toHaveLength(1);
    await vi.waitFor(() => expect(hub.requests[0]?.aborted).toBe(true));
  });

  test('and without a size is read to the end of a small file', async () => {
    const small = generatorFile(MIB);
    hub.serve(PATH, { content: small, ranges: false, sized: false });
    expect((await read()).fileBytes).toBe(small.length);
  });

  test('and without a size is refused for a large file', async () => {
    hub.serve(PATH, { content, ranges: false, sized: false });
    const error = await expectCode(read(), 'E_SOURCE_UNAVAILABLE');
    expect(error.message).toMatch(/the size of the file/);
    expect(error.hint).toMatch(/Download the file/);
  });

  test('cannot bring what lies behind its first part', async () => {
    const far = Buffer.alloc(40 * MIB);
    far.writeUInt32LE(38 * MIB, 0);
    far.write('TFL3', 4);
    hub.serve(PATH, { content: far, ranges: false });
    expect((await expectCode(read(), 'E_SOURCE_UNAVAILABLE')).message).toMatch(/byte ranges/);
  });
});

describe('what goes wrong', () => {
  test('a range without the size of the whole', async () => {
    hub.serve(PATH, { content, sized: false });
    await expectCode(read(), 'E_SOURCE_UNAVAILABLE');
  });

  test('a file that changes while it is read', async () => {
    hub.serve(PATH, { content: long });
    const { requests, files } = hub;
    const reading = read();
    // Another version appears once the first piece went out.
    const watch = setInterval(() => {
      if (requests.length > 0) files.set(PATH, { content: long.subarray(0, long.length - 1) });
    }, 1);
    const error = await reading.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    clearInterval(watch);
    expect(error).toMatchObject({ code: 'E_SOURCE_UNAVAILABLE', message: expect.stringMatching(/changed while it was read/) });
  });

  test.each([
    [401, 'E_SOURCE_UNAUTHORIZED'],
    [403, 'E_SOURCE_FORBIDDEN'],
    [404, 'E_SOURCE_NOT_FOUND'],
  ])('HTTP %i', async (status, code) => {
    hub.serve(PATH, { content, statuses: [status] });
    await expectCode(read(), code);
  });

  test('a server that fails once is asked again', async () => {
    hub.serve(PATH, { content, statuses: [503] });
    expect((await read()).fileBytes).toBe(content.length);
  });

  test('silence, a closed port, a page, and a caller who goes', async () => {
    hub.serve('/silent', { content, statuses: [0, 0, 0, 0] });
    await expectCode(read('/silent'), 'E_SOURCE_UNAVAILABLE');
    const signal = new AbortController().signal;
    await expectCode(readRemoteHeader({ url: new URL(await closedUrl()) }, { timeoutMs: 1000, signal }), 'E_SOURCE_UNAVAILABLE');
    hub.serve('/page', { content: Buffer.from('<!doctype html><p>Not here') });
    await expectCode(read('/page?token=secret'), 'E_MODEL_FORMAT').then(({ message }) => expect(message).not.toContain('secret'));
    await expectCode(read('/silent', { signal: AbortSignal.abort() }), 'E_CANCELLED');
  });

  test('a server that sends another range than asked for', async () => {
    const server = createServer((_, response) => void response.writeHead(206, { 'content-range': 'bytes 5-9/10' }).end('12345'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await expectCode(readRemoteHeader({ url }, { timeoutMs: 1000, signal: new AbortController().signal }), 'E_SOURCE_UNAVAILABLE');
    await new Promise((resolve) => server.close(resolve));
  });
});
