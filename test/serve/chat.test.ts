import { describe, expect, it } from 'vitest';
import { CITATION, dataOf, makeEndpoint, post } from './harness.ts';

const PATH = '/v1/chat/completions';
const chat = (content: unknown, more: object = {}) =>
  post({ model: 'smollm2-135m-instruct', messages: [{ role: 'user', content }], ...more });

async function errorOf(response: Response): Promise<{ code: string; message: string; param: string | null; type: string; hint: string }> {
  return ((await response.json()) as { error: never }).error;
}

describe('a whole completion', () => {
  it('has the shape, usage, timings and engine', async () => {
    const { app, recorder } = makeEndpoint();
    const response = await app.request(PATH, chat('one two three'));
    expect(response.status).toBe(200);
    expect(response.headers.get('server-timing')).toMatch(/total;dur=1\.0, .*handler;dur=/);
    expect(response.headers.get('x-request-id')).toMatch(/^req_/);
    expect(await response.json()).toMatchObject({
      object: 'chat.completion',
      model: 'smollm2-135m-instruct',
      choices: [{ index: 0, message: { role: 'assistant', content: 'one two three' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10, prompt_tokens_details: { cached_tokens: 2 } },
      nearside: { engine: { engine: 'fake/cpu' } },
    });
    const attributes = {
      'gen_ai.operation.name': 'chat',
      'gen_ai.request.model': 'smollm2-135m-instruct',
      'gen_ai.provider.name': 'fake',
    };
    expect(recorder.of('gen_ai.server.request.duration')).toMatchObject([{ attributes }]);
    expect(recorder.of('gen_ai.server.time_to_first_token')).toHaveLength(1);
    expect(recorder.of('gen_ai.server.time_per_output_token')).toHaveLength(1);
    expect(recorder.of('gen_ai.client.token.usage').map((one) => [one.attributes['gen_ai.token.type'], one.value])).toEqual([
      ['input', 7],
      ['output', 3],
    ]);
    expect(JSON.stringify(recorder.observations)).not.toContain('three');
  });

  it('hands every field on to the runtime', async () => {
    const { app, runtime } = makeEndpoint();
    const schema = { type: 'object', properties: { a: { type: 'string' } } };
    await app.request(
      PATH,
      post({
        model: 'm',
        messages: [
          { role: 'developer', content: 'Be brief.' },
          { role: 'assistant', content: null },
          {
            role: 'user',
            content: [
              { type: 'text', text: 'Hel' },
              { type: 'text', text: 'lo' },
            ],
          },
        ],
        stop: 'END',
        seed: 4,
        temperature: 0,
        top_p: 0.5,
        top_k: 3,
        max_tokens: 9,
        max_completion_tokens: 8,
        response_format: { type: 'json_schema', json_schema: { name: 'x', schema } },
        user: 'ignored',
        tools: [],
        n: 1,
      }),
    );
    await app.request(PATH, chat('x', { response_format: { type: 'json_object' }, stop: ['a', 'b'], temperature: null }));
    expect(runtime.generateRequests).toEqual([
      {
        model: 'm',
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'assistant', content: '' },
          { role: 'user', content: 'Hello' },
        ],
        maxTokens: 8,
        stop: ['END'],
        sampling: { temperature: 0, topP: 0.5, topK: 3, seed: 4 },
        jsonSchema: schema,
      },
      { model: 'smollm2-135m-instruct', messages: [{ role: 'user', content: 'x' }], stop: ['a', 'b'], jsonSchema: { type: 'object' } },
    ]);
  });
});

describe('a streamed completion', () => {
  it('begins with the role, ends with the finish reason, the usage when asked for, and [DONE]', async () => {
    const { app } = makeEndpoint();
    const response = await app.request(PATH, chat('one two', { stream: true, stream_options: { include_usage: true } }));
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const data = dataOf(await response.text());
    expect(data.at(-1)).toBe('[DONE]');
    const chunks = data
      .slice(0, -1)
      .map((text) => JSON.parse(text) as { id: string; choices: { delta: object; finish_reason: unknown }[]; usage: unknown });
    expect(new Set(chunks.map((chunk) => chunk.id)).size).toBe(1);
    expect(chunks[0]?.choices[0]?.delta).toEqual({ role: 'assistant', content: '' });
    expect(chunks.slice(1, 3).map((chunk) => chunk.choices[0]?.delta)).toEqual([{ content: 'one ' }, { content: 'two' }]);
    expect(chunks[3]?.choices[0]).toMatchObject({ delta: {}, finish_reason: 'stop' });
    expect(chunks[3]?.usage).toBeNull();
    expect(chunks[4]).toMatchObject({ choices: [], usage: { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 } });
    const without = dataOf(await (await app.request(PATH, chat('one', { stream: true }))).text());
    expect(without.some((text) => text.includes('"usage":null') || text.includes('prompt_tokens'))).toBe(false);
  });

  it('answers with a status as long as nothing was sent, and with an error event and no [DONE] afterwards', async () => {
    const { app, recorder } = makeEndpoint();
    const early = await app.request(PATH, chat('fail at once', { stream: true }));
    expect(early.status).toBe(503);
    expect(early.headers.get('retry-after')).toBe('1');
    expect(early.headers.get('x-should-retry')).toBe('true');
    const late = await app.request(PATH, chat('break off', { stream: true }));
    expect(late.status).toBe(200);
    const data = dataOf(await late.text());
    expect(data.join()).not.toContain('[DONE]');
    expect(JSON.parse(data.at(-1) ?? '')).toEqual({
      error: expect.objectContaining({ code: 'E_ENGINE_CRASHED', type: 'server_error', hint: expect.any(String) }),
    });
    const failed = recorder.events.map((event) => [event.lane, event.name, event.attributes?.['error.type']]);
    expect(failed).toEqual([
      ['traces', 'nearside.request.failed', 'E_ENGINE_BACKOFF'],
      ['traces', 'nearside.request.failed', 'E_ENGINE_CRASHED'],
    ]);
    expect(recorder.of('gen_ai.server.request.duration').map((one) => one.attributes['error.type'])).toEqual([
      'E_ENGINE_BACKOFF',
      'E_ENGINE_CRASHED',
    ]);
  });

  it('stops the work when the reader goes away', async () => {
    const { app, runtime, recorder } = makeEndpoint();
    const controller = new AbortController();
    const response = await app.request(PATH, { ...chat('go on for ever', { stream: true }), signal: controller.signal });
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    controller.abort();
    await reader.cancel();
    await expect.poll(() => runtime.stopped).toBe(1);
    await expect.poll(() => recorder.of('gen_ai.server.request.duration').at(-1)?.attributes['error.type']).toBe('E_CANCELLED');
    expect(recorder.events).toEqual([]);
  });
});

describe('a bot as a model', () => {
  it('answers with citations, rung, items and session', async () => {
    const { app, bots, recorder } = makeEndpoint();
    const ask = { model: 'bot/qa', messages: [{ role: 'user', content: 'How long?' }], temperature: 0.2 };
    const whole = (await (await app.request(PATH, post(ask))).json()) as { nearside: object };
    expect(whole).toMatchObject({
      model: 'bot/qa',
      choices: [{ message: { content: 'Within thirty days [1].' } }],
      nearside: { citations: [CITATION], rung: 'quote', session_id: 'session_new', items: [{ id: 'p1' }], timings: { retrievalMs: 2 } },
    });
    const stream = await app.request(PATH, post({ ...ask, stream: true }, { 'x-session-id': 'session_7' }));
    const chunks = dataOf(await stream.text())
      .slice(0, -1)
      .map((text) => JSON.parse(text) as { nearside?: object });
    expect(chunks.flatMap((chunk) => chunk.nearside ?? [])).toEqual([
      { status: 'searching' },
      { citations: [CITATION] },
      { ...whole.nearside, session_id: 'session_7' },
    ]);
    await app.request(PATH, post({ ...ask, nearside: { session_id: 'session_8' } }, { 'x-session-id': 'session_7' }));
    expect(bots.requests.map((request) => request.sessionId)).toEqual([undefined, 'session_7', 'session_8']);
    expect(recorder.of('gen_ai.server.request.duration')[0]?.attributes).toMatchObject({
      'gen_ai.operation.name': 'invoke_agent',
      'gen_ai.request.model': 'bot/qa',
      'gen_ai.provider.name': 'nearside',
    });
  });
});

describe('bad input', () => {
  const user = [{ role: 'user', content: 'Hi' }];
  it.each([
    ['bad JSON', '{"model":', 400, 'E_BAD_JSON', null],
    ['an empty body', '', 400, 'E_BAD_JSON', null],
    ['a list', [], 400, 'E_BAD_REQUEST', null],
    ['no model', { messages: user }, 400, 'E_BAD_REQUEST', 'model'],
    ['no messages', { model: 'm' }, 400, 'E_BAD_REQUEST', 'messages'],
    ['an empty list of messages', { model: 'm', messages: [] }, 400, 'E_PROMPT_EMPTY', 'messages'],
    ['a blank prompt', { model: 'm', messages: [{ role: 'user', content: ' \n' }] }, 400, 'E_PROMPT_EMPTY', 'messages'],
    ['an unknown role', { model: 'm', messages: [{ role: 'robot', content: 'x' }] }, 400, 'E_BAD_REQUEST', 'messages.0.role'],
    [
      'an image',
      { model: 'm', messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] },
      400,
      'E_BAD_REQUEST',
      'messages.0.content',
    ],
    ['a temperature of 3', { model: 'm', messages: user, temperature: 3 }, 400, 'E_BAD_REQUEST', 'temperature'],
    ['max_tokens 0', { model: 'm', messages: user, max_tokens: 0 }, 400, 'E_BAD_REQUEST', 'max_tokens'],
    ['17 stop strings', { model: 'm', messages: user, stop: Array.from({ length: 17 }, String) }, 400, 'E_BAD_REQUEST', 'stop'],
    ['tools', { model: 'm', messages: user, tools: [{ type: 'function' }] }, 400, 'E_UNSUPPORTED', 'tools'],
    ['two choices', { model: 'm', messages: user, n: 2 }, 400, 'E_UNSUPPORTED', 'n'],
    ['log probabilities', { model: 'm', messages: user, logprobs: true }, 400, 'E_UNSUPPORTED', 'logprobs'],
    [
      'an unknown response format',
      { model: 'm', messages: user, response_format: { type: 'xml' } },
      400,
      'E_BAD_REQUEST',
      'response_format.type',
    ],
    [
      'JSON from a bot',
      { model: 'bot/qa', messages: user, response_format: { type: 'json_object' } },
      400,
      'E_UNSUPPORTED',
      'response_format',
    ],
    ['a session of a model', { model: 'm', messages: user, nearside: { session_id: 's' } }, 400, 'E_UNSUPPORTED', 'nearside.session_id'],
    [
      'a bad session id',
      { model: 'bot/qa', messages: user, nearside: { session_id: '../x' } },
      400,
      'E_BAD_REQUEST',
      'nearside.session_id',
    ],
    ['an unknown bot', { model: 'bot/cook', messages: user }, 404, 'E_BOT_UNKNOWN', 'model'],
    ['an unknown model', { model: 'no-such-model', messages: user }, 404, 'E_MODEL_UNKNOWN', null],
    ['a body over the limit', { model: 'm', messages: [{ role: 'user', content: 'x'.repeat(2 ** 20) }] }, 413, 'E_BODY_TOO_LARGE', null],
  ])('refuses %s', async (_what, body, status, code, param) => {
    const { app, runtime } = makeEndpoint();
    const response = await app.request(PATH, post(body));
    expect(response.status).toBe(status);
    const error = await errorOf(response);
    expect(error).toMatchObject({ code, param });
    expect(error.hint).not.toBe('');
    expect(error.message).not.toMatch(/node_modules|at .*\.ts/);
    expect(runtime.generateRequests).toEqual([]);
  });

  it('tells telemetry nothing of a model name that nobody knows, which may hold anything', async () => {
    const { app, recorder } = makeEndpoint();
    await app.request(PATH, post({ model: 'no-such-model', messages: user }));
    await app.request('/v1/embeddings', post({ model: 'no-such-model', input: 'x' }));
    expect(recorder.of('gen_ai.server.request.duration').map(({ attributes }) => attributes['error.type'])).toEqual([
      'E_MODEL_UNKNOWN',
      'E_MODEL_UNKNOWN',
    ]);
    expect(JSON.stringify([recorder.observations, recorder.events])).not.toContain('no-such-model');
  });

  it('refuses a body over the limit while it is read, when no length was declared', async () => {
    const { app } = makeEndpoint();
    let sent = 0;
    const body = new ReadableStream({
      pull(controller) {
        sent++;
        controller.enqueue(new Uint8Array(64 * 1024));
      },
    });
    const response = await app.request(PATH, { method: 'POST', body, duplex: 'half' } as RequestInit);
    expect(response.status).toBe(413);
    expect(sent).toBeLessThan(24);
  });

  it('refuses bytes that are no UTF-8', async () => {
    const response = await makeEndpoint().app.request(PATH, { method: 'POST', body: new Uint8Array([0x22, 0xff, 0x22]) });
    expect(await errorOf(response)).toMatchObject({ code: 'E_BAD_JSON', message: expect.stringContaining('UTF-8') });
  });

  it('says nothing of an unforeseen error but its kind', async () => {
    const response = await makeEndpoint().app.request(PATH, chat('be broken'));
    expect(response.status).toBe(500);
    expect(response.headers.get('x-should-retry')).toBe('false');
    const text = await response.text();
    expect(text).toContain('E_INTERNAL');
    expect(text).not.toContain('secret');
  });
});
