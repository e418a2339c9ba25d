import { describe, expect, it } from 'vitest';
import { EdgeError } from '#edge/core/errors.ts';
import { assertSafeBinding, isLoopback } from '#edge/serve/middleware/access.ts';
import { makeEndpoint, SETTINGS } from './harness.ts';

const KEYS = ['a-key-of-sixteen-letters', 'another-key-of-some-letters'];

async function tryWith(settings: Partial<typeof SETTINGS>, headers: Record<string, string>, path = '/v1/models', method = 'GET') {
  const { app } = makeEndpoint({ settings: { ...SETTINGS, ...settings } });
  const response = await app.request(path, { headers, method });
  const body = await response.text();
  return { status: response.status, headers: response.headers, code: (/"code":"(\w+)"/.exec(body) ?? [])[1] };
}

describe('binding', () => {
  it('needs keys anywhere but on loopback', () => {
    for (const host of ['127.0.0.1', '127.9.9.9', 'localhost', '::1', '[::1]']) {
      expect(isLoopback(host)).toBe(true);
      assertSafeBinding({ host, keys: [] });
    }
    for (const host of ['0.0.0.0', '::', '192.168.1.4', 'example.com', '127.0.0.1.example.com', '']) {
      expect(isLoopback(host)).toBe(false);
      expect(() => assertSafeBinding({ host, keys: [] })).toThrow(expect.toSatisfy((error) => EdgeError.is(error, 'E_KEYS_REQUIRED')));
      assertSafeBinding({ host, keys: KEYS });
    }
  });
});

describe('Host and Origin on loopback', () => {
  it.each(['127.0.0.1:8765', 'localhost', 'LOCALHOST:1', '[::1]:8765', 'nearside.localhost'])('takes Host %s', async (host) => {
    expect((await tryWith({}, { host })).status).toBe(200);
  });

  it.each(['evil.example', 'evil.example:8765', '127.0.0.1.evil.example', '192.168.0.9', 'localhost.evil.example'])(
    'refuses Host %s',
    async (host) => {
      expect(await tryWith({}, { host })).toMatchObject({ status: 403, code: 'E_HOST_REFUSED' });
    },
  );

  it('takes a name of the settings', async () => {
    expect((await tryWith({ allowedHosts: ['box.lan'] }, { host: 'box.lan:8765' })).status).toBe(200);
  });

  it('takes its own pages and allowed ones, and no others', async () => {
    const host = '127.0.0.1:8765';
    expect((await tryWith({}, { host, origin: 'http://127.0.0.1:8765' })).status).toBe(200);
    for (const origin of ['https://evil.example', 'http://127.0.0.1:9999', 'null', 'nonsense']) {
      expect(await tryWith({}, { host, origin })).toMatchObject({ status: 403, code: 'E_ORIGIN_REFUSED' });
    }
    const allowedOrigins = ['https://shop.example'];
    const allowed = await tryWith({ allowedOrigins }, { host, origin: 'https://shop.example' });
    expect([allowed.status, allowed.headers.get('access-control-allow-origin')]).toEqual([200, 'https://shop.example']);
    const headers = { host, origin: 'https://shop.example', 'access-control-request-method': 'POST' };
    expect((await tryWith({ allowedOrigins, keys: KEYS }, headers, '/v1/chat/completions', 'OPTIONS')).status).toBe(204);
  });
});

describe('keys', () => {
  const settings = { host: '0.0.0.0', keys: KEYS };

  it.each(['/v1/models', '/api/v1/sessions', '/api/v1', '/metrics', '/v1/nothing'])('guard %s', async (path) => {
    expect(await tryWith(settings, {}, path)).toMatchObject({ status: 401, code: 'E_UNAUTHORIZED' });
    expect((await tryWith(settings, { authorization: `Bearer ${KEYS[1]}` }, path)).status).not.toBe(401);
  });

  it('refuse everything that is not one of them', async () => {
    for (const authorization of [
      'Bearer ',
      'Bearer x',
      `Basic ${KEYS[0]}`,
      `Bearer ${KEYS[0]}x`,
      `Bearer ${KEYS[0]?.slice(1)}`,
      KEYS[0] ?? '',
    ]) {
      expect((await tryWith(settings, { authorization })).status).toBe(401);
    }
    expect((await tryWith({ keys: KEYS }, {})).status).toBe(401);
  });

  it('leave health open', async () => {
    expect((await tryWith(settings, {}, '/healthz')).status).toBe(200);
  });
});
