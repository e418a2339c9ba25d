import { describe, expect, it } from 'vitest';
import { dataOf, makeEndpoint, post } from './harness.ts';

async function json(response: Response | Promise<Response>): Promise<unknown> {
  return (await response).json();
}

describe('/v1/models', () => {
  it('lists bots and the models in the store, and shows one of them', async () => {
    const { app } = makeEndpoint();
    const list = (await json(app.request('/v1/models'))) as { object: string; data: { id: string; object: string }[] };
    expect(list.object).toBe('list');
    expect(list.data.map((model) => model.id)).toEqual(['bot/qa', 'bot/recommend', 'bot/support', 'smollm2-135m-instruct', 'e5-small-v2']);
    expect(await json(app.request('/v1/models/bot/qa'))).toEqual(list.data[0]);
    expect(await json(app.request('/v1/models/e5-small-v2'))).toMatchObject({
      id: 'e5-small-v2',
      object: 'model',
      nearside: { task: 'embed', loaded: true },
    });
    for (const id of ['bge-small-en-v1.5', 'nothing']) {
      const response = await app.request(`/v1/models/${id}`);
      expect([response.status, ((await response.json()) as { error: { code: string } }).error.code]).toEqual([404, 'E_MODEL_UNKNOWN']);
    }
  });
});

describe('/v1/embeddings', () => {
  const embed = (body: object) => makeEndpoint().app.request('/v1/embeddings', post({ model: 'e5-small-v2', ...body }));

  it('gives floats, or the same numbers as base64 little-endian float32', async () => {
    const floats = (await json(embed({ input: ['red tent', 'river'] }))) as {
      data: { embedding: number[]; index: number }[];
      usage: object;
    };
    expect(floats.data.map((one) => one.index)).toEqual([0, 1]);
    expect(floats.usage).toEqual({ prompt_tokens: 2, total_tokens: 2 });
    const coded = (await json(embed({ input: 'red tent', encoding_format: 'base64' }))) as { data: { embedding: string }[] };
    const bytes = Buffer.from(coded.data[0]?.embedding ?? '', 'base64');
    expect(Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(i * 4))).toEqual(floats.data[0]?.embedding);
  });

  it('cuts to the asked dimensions and scales to unit length again', async () => {
    const { data } = (await json(embed({ input: 'one two three four five six', dimensions: 16 }))) as { data: { embedding: number[] }[] };
    expect(data[0]?.embedding).toHaveLength(16);
    expect(Math.hypot(...(data[0]?.embedding ?? []))).toBeCloseTo(1, 6);
  });

  it('takes texts as passages unless they are called queries, and records the call', async () => {
    const { app, runtime, recorder } = makeEndpoint();
    await app.request('/v1/embeddings', post({ model: 'e5-small-v2', input: 'a' }));
    await app.request('/v1/embeddings', post({ model: 'e5-small-v2', input: 'a', input_type: 'query' }));
    expect(runtime.embedRequests.map((request) => request.purpose)).toEqual(['passage', 'query']);
    expect(recorder.of('gen_ai.server.request.duration')[0]?.attributes).toMatchObject({ 'gen_ai.operation.name': 'embeddings' });
    expect(recorder.of('gen_ai.client.token.usage')[0]).toMatchObject({ value: 1, attributes: { 'gen_ai.token.type': 'input' } });
  });

  it.each([
    ['token ids', { input: [1, 2, 3] }, 'E_BAD_REQUEST', 'input'],
    ['lists of token ids', { input: [[1, 2], [3]] }, 'E_BAD_REQUEST', 'input'],
    ['no text', { input: [] }, 'E_BAD_REQUEST', 'input'],
    ['a blank text', { input: ['a', ' '] }, 'E_PROMPT_EMPTY', 'input'],
    ['2049 texts', { input: Array.from({ length: 2049 }, () => 'a') }, 'E_BAD_REQUEST', 'input'],
    ['an unknown encoding', { input: 'a', encoding_format: 'hex' }, 'E_BAD_REQUEST', 'encoding_format'],
    ['more dimensions than there are', { input: 'a', dimensions: 65 }, 'E_BAD_REQUEST', 'dimensions'],
    ['an unknown input type', { input: 'a', input_type: 'poem' }, 'E_BAD_REQUEST', 'input_type'],
  ])('refuses %s by name', async (_what, body, code, param) => {
    const response = await embed(body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code, param } });
  });
});

describe('/api/v1', () => {
  it('lists its routes', async () => {
    const { routes } = (await json(makeEndpoint().app.request('/api/v1'))) as { routes: string[] };
    expect(routes).toEqual(expect.arrayContaining(['POST /v1/chat/completions', 'GET /healthz', 'DELETE /api/v1/documents/:name']));
  });

  it('lists bots, reads and deletes sessions', async () => {
    const { app } = makeEndpoint();
    expect(await json(app.request('/api/v1/bots'))).toMatchObject({ bots: [{ id: 'qa' }] });
    await app.request('/v1/chat/completions', post({ model: 'bot/qa', messages: [{ role: 'user', content: 'How long?' }] }));
    expect(await json(app.request('/api/v1/sessions'))).toMatchObject({ sessions: [{ id: 'session_new', turns: 1 }] });
    expect(await json(app.request('/api/v1/sessions/session_new'))).toMatchObject({
      session: { id: 'session_new', bot: 'qa' },
      messages: [{ role: 'user', content: 'How long?' }, { role: 'assistant' }],
    });
    expect((await app.request('/api/v1/sessions/session_new', { method: 'DELETE' })).status).toBe(204);
    expect((await app.request('/api/v1/sessions/session_new')).status).toBe(404);
  });

  it('takes feedback', async () => {
    const { app, bots } = makeEndpoint();
    expect((await app.request('/api/v1/feedback', post({ sessionId: 's', vote: 'up' }))).status).toBe(204);
    expect(bots.feedback).toEqual([{ sessionId: 's', vote: 'up' }]);
    const bad = await app.request('/api/v1/feedback', post({ sessionId: 's', vote: 'sideways' }));
    expect(await bad.json()).toMatchObject({ error: { code: 'E_BAD_REQUEST', param: 'vote' } });
  });

  it('adds documents with progress, and removes one by a source that holds slashes', async () => {
    const { app, recorder } = makeEndpoint();
    const added = await app.request('/api/v1/documents', post({ paths: ['a.md', 'b.md'] }));
    expect(dataOf(await added.text()).map((text) => (JSON.parse(text) as { type: string }).type)).toEqual([
      'progress',
      'progress',
      'report',
    ]);
    const refused = await app.request('/api/v1/documents', post({ paths: ['crash'] }));
    expect(refused.status).toBe(507);
    const broken = dataOf(await (await app.request('/api/v1/documents', post({ paths: ['a.md', 'crash'] }))).text());
    expect(JSON.parse(broken.at(-1) ?? '')).toMatchObject({ error: { code: 'E_DISK_FULL' } });
    expect(recorder.events).toHaveLength(2);
    expect(await json(app.request('/api/v1/documents'))).toEqual({ documents: [] });
    const reindexed = await app.request('/api/v1/documents/reindex', post({}));
    expect(await reindexed.text()).toContain('"label":"embedding anew"');
    const path = `/api/v1/documents/${encodeURIComponent('demo/policies/returns.md')}`;
    expect(await json(app.request(path, { method: 'DELETE' }))).toEqual({ removed: 1 });
    expect((await app.request('/api/v1/documents/nothing', { method: 'DELETE' })).status).toBe(404);
    expect((await app.request('/api/v1/documents', post({ paths: [] }))).status).toBe(400);
  });

  it('shows plan, engines, telemetry, health and metrics', async () => {
    const { app } = makeEndpoint();
    expect(await json(app.request('/api/v1/engines'))).toEqual({ engines: [] });
    expect(await json(app.request('/api/v1/telemetry'))).toMatchObject({ produced: 3, stored: 2, dropped: 0, pending: 1, connected: true });
    expect(await json(app.request('/healthz'))).toEqual({ status: 'ok', version: '1.2.3' });
    const metrics = await app.request('/metrics');
    expect(metrics.headers.get('content-type')).toContain('version=0.0.4');
    expect(await metrics.text()).toBe('nearside_up 1\n');
    expect(await json(app.request('/api/v1/plan/dance'))).toMatchObject({ error: { code: 'E_BAD_REQUEST' } });
    expect(await json(app.request('/api/v1/plan/embed'))).toMatchObject({ task: 'embed', profile: 'latency' });
  });

  it('answers unknown paths and methods as JSON', async () => {
    const { app } = makeEndpoint();
    const unknown = await app.request('/v1/nothing');
    expect([unknown.status, await unknown.json()]).toMatchObject([404, { error: { code: 'E_NOT_FOUND', type: 'not_found_error' } }]);
    const method = await app.request('/v1/chat/completions');
    expect([method.status, await method.json()]).toMatchObject([405, { error: { code: 'E_METHOD_NOT_ALLOWED' } }]);
    expect(method.headers.get('allow')).toBe('POST');
    expect((await app.request('/healthz', { method: 'HEAD' })).status).toBe(200);
  });

  it('keeps a request id that a client gave, and makes one otherwise', async () => {
    const { app } = makeEndpoint();
    const idOf = async (given: string) =>
      (await app.request('/healthz', { headers: { 'x-request-id': given } })).headers.get('x-request-id');
    expect(await idOf('abc-1')).toBe('abc-1');
    expect(await idOf('<script>')).toMatch(/^req_/);
  });
});
