import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeEndpoint } from './harness.ts';

describe('web chat', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'web-'));
    await mkdir(join(folder, 'dist', 'assets'), { recursive: true });
    await writeFile(join(folder, 'secret.txt'), 'secret');
    await writeFile(join(folder, 'dist', 'index.html'), '<!doctype html><title>Chat</title>');
    await writeFile(join(folder, 'dist', 'assets', 'app-1a2b.js'), 'export {};');
  });
  afterAll(() => rm(folder, { recursive: true }));
  const get = (path: string, init?: RequestInit) => makeEndpoint({ webRoot: join(folder, 'dist') }).app.request(path, init);

  it('serves the page under a strict policy, to be asked for again each time', async () => {
    const page = await get('/');
    expect(page.status).toBe(200);
    expect(page.headers.get('content-type')).toMatch(/^text\/html/);
    const policy = page.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain('unsafe');
    expect(page.headers.get('cache-control')).toBe('no-cache');
    expect(page.headers.get('x-content-type-options')).toBe('nosniff');
    expect(await page.text()).toContain('Chat');
  });

  it('serves hashed assets with their type, to be kept', async () => {
    const script = await get('/assets/app-1a2b.js');
    expect(script.headers.get('content-type')).toMatch(/javascript/);
    expect(script.headers.get('cache-control')).toContain('immutable');
  });

  it.each([
    '/../secret.txt',
    '/%2e%2e/secret.txt',
    '/..%2fsecret.txt',
    '/assets/..%5c..%5csecret.txt',
    '/assets/%2e%2e/%2e%2e/secret.txt',
    '//etc/passwd',
    '/%00',
  ])('finds nothing at %s', async (path) => {
    const response = await get(path);
    expect(response.status).toBe(404);
    expect(await response.text()).toContain('E_NOT_FOUND');
  });

  it('answers 404 as JSON for a file that is not there, and lists the API where no chat was built', async () => {
    expect(await (await get('/assets/none.js')).json()).toMatchObject({ error: { code: 'E_NOT_FOUND' } });
    const bare = await makeEndpoint({ webRoot: join(folder, 'not-built') }).app.request('/');
    expect(await bare.json()).toMatchObject({ name: 'nearside', routes: expect.arrayContaining(['GET /v1/models']) });
  });
});
