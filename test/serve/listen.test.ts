import { Agent, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import OpenAI, { APIError, AuthenticationError, BadRequestError, InternalServerError, NotFoundError } from 'openai';
import { afterEach, describe, expect, it } from 'vitest';
import type { ServeDependencies } from '#edge/serve/dependencies.ts';
import { type Listener, listen } from '#edge/serve/listen.ts';
import { expectCode } from '#test/support/expect-code.ts';
import { makeEndpoint, SETTINGS } from './harness.ts';

const open: Listener[] = [];
afterEach(async () => {
  for (const listener of open.splice(0)) await listener.drain(0);
});

async function serve(over: Partial<ServeDependencies> = {}) {
  const endpoint = makeEndpoint(over);
  const listener = await listen(endpoint.app, over.settings ?? SETTINGS);
  open.push(listener);
  const client = new OpenAI({ baseURL: `${listener.url}/v1`, apiKey: 'none', maxRetries: 0 });
  return { ...endpoint, listener, client };
}

const chat = (content: string) => ({ model: 'smollm2-135m-instruct', messages: [{ role: 'user' as const, content }] });

describe('the openai client', () => {
  it('chats, whole and streamed', async () => {
    const { client } = await serve();
    const whole = await client.chat.completions.create(chat('one two three'));
    expect(whole.choices[0]?.message.content).toBe('one two three');
    expect(whole.usage?.total_tokens).toBe(10);
    const runner = client.chat.completions.stream({ ...chat('four five'), stream_options: { include_usage: true } });
    const final = await runner.finalChatCompletion();
    expect(final.choices[0]?.message.content).toBe('four five');
    expect(final.usage?.completion_tokens).toBe(2);
  });

  it('reads embeddings in its own default encoding and as floats', async () => {
    const { client } = await serve();
    const coded = await client.embeddings.create({ model: 'e5-small-v2', input: ['red tent', 'river'] });
    const floats = await client.embeddings.create({ model: 'e5-small-v2', input: ['red tent', 'river'], encoding_format: 'float' });
    expect(coded.data).toHaveLength(2);
    expect(coded.data[0]?.embedding).toHaveLength(64);
    expect([...(coded.data[0]?.embedding ?? [])]).toEqual(floats.data[0]?.embedding);
  });

  it('lists and reads models, bots among them', async () => {
    const { client } = await serve();
    const ids = (await client.models.list()).data.map((model) => model.id);
    expect(ids).toContain('bot/support');
    expect((await client.models.retrieve('bot/qa')).id).toBe('bot/qa');
  });

  it('throws its own error classes, with our code', async () => {
    const { client, listener } = await serve({ settings: { ...SETTINGS, keys: ['a-key-of-sixteen-letters'] } });
    const keyed = new OpenAI({ baseURL: `${listener.url}/v1`, apiKey: 'a-key-of-sixteen-letters' });
    await expect(client.models.list()).rejects.toBeInstanceOf(AuthenticationError);
    const refusal = async (call: Promise<unknown>) => (await call.catch((error: unknown) => error)) as APIError;
    const unknown = await refusal(keyed.chat.completions.create({ ...chat('x'), model: 'no-such-model' }));
    expect(unknown).toBeInstanceOf(NotFoundError);
    expect(unknown.code).toBe('E_MODEL_UNKNOWN');
    const bad = await refusal(keyed.chat.completions.create({ ...chat('x'), n: 2 }));
    expect(bad).toBeInstanceOf(BadRequestError);
    expect([bad.code, bad.param]).toEqual(['E_UNSUPPORTED', 'n']);
    expect(bad.requestID).toMatch(/^req_/);
    expect(await refusal(keyed.chat.completions.create(chat('be broken')))).toBeInstanceOf(InternalServerError);
  });

  it('throws when an answer breaks off, and never takes it for whole', async () => {
    const { client } = await serve();
    let text = '';
    const read = async (): Promise<void> => {
      for await (const chunk of await client.chat.completions.create({ ...chat('break off'), stream: true })) {
        text += chunk.choices[0]?.delta.content ?? '';
      }
    };
    const error = await read().catch((reason: unknown) => reason);
    expect(text).toBe('half an');
    expect(error).toBeInstanceOf(APIError);
    expect((error as APIError).code).toBe('E_ENGINE_CRASHED');
  });

  it('stops the work when it aborts, streamed and whole, and the next call works', async () => {
    const { client, runtime } = await serve();
    const stream = await client.chat.completions.create({ ...chat('go on for ever'), stream: true });
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content) stream.controller.abort();
    await expect.poll(() => runtime.stopped).toBe(1);
    const controller = new AbortController();
    const whole = client.chat.completions.create(chat('go on for ever'), { signal: controller.signal });
    setTimeout(() => controller.abort(), 50);
    await expect(whole).rejects.toBeInstanceOf(OpenAI.APIUserAbortError);
    await expect.poll(() => runtime.stopped).toBe(2);
    expect((await client.chat.completions.create(chat('still here'))).choices[0]?.message.content).toBe('still here');
  });
});

describe('the socket', () => {
  it('keeps a connection open after a stream, an error and an oversized body', async () => {
    const { listener } = await serve();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ports = new Set<number | undefined>();
    const send = (body: string) =>
      new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
        const request = httpRequest(`${listener.url}/v1/chat/completions`, { method: 'POST', agent }, (response) => {
          ports.add(request.socket?.localPort);
          let text = '';
          response.setEncoding('utf8').on('data', (piece: string) => {
            text += piece;
          });
          response.on('end', () => resolve({ status: response.statusCode, text }));
        });
        request.on('error', reject).end(body);
      });
    expect((await send(JSON.stringify({ ...chat('one'), stream: true }))).text).toContain('[DONE]');
    expect((await send('{')).status).toBe(400);
    expect((await send(JSON.stringify(chat('x'.repeat(10 * 1024 * 1024))))).text).toContain('E_BODY_TOO_LARGE');
    expect((await send(JSON.stringify({ ...chat('two'), stream: true }))).text).toContain('[DONE]');
    expect(ports.size).toBe(1);
    agent.destroy();
  });

  it('refuses a rebound Host over a real connection', async () => {
    const { listener } = await serve();
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(listener.port, '127.0.0.1', () =>
        socket.write('GET /v1/models HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n'),
      );
      let text = '';
      socket.on('data', (data) => {
        text += data;
      });
      socket.on('close', () => resolve(text));
    });
    expect(answer).toMatch(/^HTTP\/1\.1 403/);
    expect(answer).toContain('E_HOST_REFUSED');
  });

  it('gives a URL that can be called, whatever the address looks like', async () => {
    for (const host of ['localhost', '0.0.0.0', '::ffff:127.0.0.1']) {
      const { listener } = await serve({ settings: { ...SETTINGS, host, keys: ['a-key-of-sixteen-letters'] } });
      expect((await fetch(`${listener.url}/healthz`)).status).toBe(200);
    }
  });

  it('says so when the port is taken, the address is foreign or keys are missing', async () => {
    const { app, listener } = await serve();
    const error = await expectCode(listen(app, { ...SETTINGS, port: listener.port }), 'E_PORT_IN_USE');
    expect(error.message).toContain(String(listener.port));
    await expectCode(listen(app, { ...SETTINGS, host: '0.0.0.0' }), 'E_KEYS_REQUIRED');
    await expectCode(listen(app, { ...SETTINGS, host: '203.0.113.7', keys: ['a-key-of-sixteen-letters'] }), 'E_CONFIG_INVALID');
  });
});

describe('draining', () => {
  it('finishes what is under way, refuses stragglers, and accepts nobody new', async () => {
    const { listener, client, app } = await serve();
    open.length = 0;
    const slow = client.chat.completions.create({ ...chat('go on for ever'), stream: true });
    const stream = await slow;
    const iterator = stream[Symbol.asyncIterator]();
    await iterator.next();
    const drained = listener.drain(150);
    await expect(fetch(`${listener.url}/healthz`)).rejects.toThrow();
    const rest = (async () => {
      for (;;) if ((await iterator.next()).done) return 'ended quietly';
    })();
    const error = await rest.catch((reason: unknown) => reason);
    expect((error as APIError).code).toBe('E_SHUTTING_DOWN');
    await drained;
    const again = await listen(app, { ...SETTINGS, port: listener.port });
    open.push(again);
    expect((await fetch(`${again.url}/healthz`)).status).toBe(200);
  });

  it('answers 503 on a connection that was open before', async () => {
    const { listener } = await serve();
    open.length = 0;
    const socket = connect(listener.port, '127.0.0.1');
    let text = '';
    socket.on('data', (data) => {
      text += data;
    });
    const body = JSON.stringify({ ...chat('go on for ever'), stream: true });
    const head = 'POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n';
    socket.write(`${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    const other = connect(listener.port, '127.0.0.1');
    let straggler = '';
    other.on('data', (data) => {
      straggler += data;
    });
    other.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Part');
    await expect.poll(() => text).toContain('and ');
    const drained = listener.drain(200);
    other.write('ial: 1\r\n\r\n');
    await expect.poll(() => straggler).toMatch(/^HTTP\/1\.1 503[\s\S]*E_SHUTTING_DOWN/);
    expect(straggler.toLowerCase()).toContain('connection: close');
    await drained;
    expect(text).toContain('E_SHUTTING_DOWN');
  });

  it('waits for an answer that ends in time', async () => {
    const { listener, client, runtime } = await serve();
    open.length = 0;
    const answer = client.chat.completions.create(chat('take your time'));
    await expect.poll(() => runtime.begun).toBe(1);
    await listener.drain(5000);
    expect((await answer).choices[0]?.message.content).toBe('take your time');
  });
});
