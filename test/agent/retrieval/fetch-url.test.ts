import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fetchUrl } from '#agent/retrieval/loaders/fetch-url.ts';
import { expectCode } from '#test/support/expect-code.ts';
import { FakeRuntime } from '#test/support/fake-runtime.ts';
import { add, newKnowledge } from '#test/support/quick-knowledge.ts';

let server: Server;
let base: string;

beforeAll(async () => {
  server = createServer((request, response) => {
    const path = request.url ?? '';
    if (path === '/page') response.setHeader('content-type', 'text/html; charset=utf-8').end('<title>Rope</title><p>Ropes are long.</p>');
    else if (path === '/moved') response.writeHead(302, { location: '/page' }).end();
    else if (path === '/loop') response.writeHead(302, { location: '/loop' }).end();
    else if (path === '/file') response.writeHead(302, { location: 'file:///etc/hostname' }).end();
    else if (path === '/huge') for (let i = 0; i < 33; i++) response.write(Buffer.alloc(1024 * 1024));
    else if (path === '/slow') response.write('never ends');
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

test('reads a page by its content type, through redirects', async () => {
  using knowledge = newKnowledge(new FakeRuntime());
  const report = await add(knowledge, { paths: [`${base}/moved`, `${base}/none`] });
  expect(report.added).toMatchObject([{ source: `${base}/moved`, title: 'Rope' }]);
  expect(report.failed).toMatchObject([{ source: `${base}/none`, code: 'E_SOURCE_UNAVAILABLE' }]);
});

test.each([
  ['a missing page', '/none', 'E_SOURCE_UNAVAILABLE'],
  ['endless redirects', '/loop', 'E_SOURCE_UNAVAILABLE'],
  ['a redirect to a file', '/file', 'E_SOURCE_UNAVAILABLE'],
  ['a page that is too large', '/huge', 'E_DOCUMENT_UNREADABLE'],
])('%s is refused', async (_name, path, code) => {
  await expectCode(fetchUrl(base + path), code);
});

test('a host that does not answer is named', async () => {
  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
  const { port } = closed.address() as AddressInfo;
  await new Promise((resolve) => closed.close(resolve));
  const error = await expectCode(fetchUrl(`http://127.0.0.1:${port}/`), 'E_SOURCE_UNAVAILABLE');
  expect(error.message).toContain('ECONNREFUSED');
});

test('a cancelled download ends', async () => {
  const controller = new AbortController();
  const fetching = fetchUrl(`${base}/slow`, controller.signal);
  setTimeout(() => controller.abort(), 50);
  await expectCode(fetching, 'E_CANCELLED');
});
