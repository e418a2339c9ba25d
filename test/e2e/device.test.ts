/** A whole device in processes of its own, with the real default models and real clients. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeHome } from '#test/support/home.ts';
import { nearside, ROOT, type RunningDevice, startDevice } from '#test/support/run.ts';

const MODEL = 'smollm2-135m-instruct';
const home = makeHome({ models: true });
let device: RunningDevice;
let client: OpenAI;

beforeAll(async () => {
  device = await startDevice({ home });
  client = new OpenAI({ baseURL: `${device.url}/v1`, apiKey: 'none-needed', maxRetries: 0 });
});
afterAll(async () => {
  await device?.stop();
});

const api = async <T>(path: string): Promise<T> => (await fetch(device.url + path)).json() as Promise<T>;

interface Status {
  readonly produced: number;
  readonly stored: number;
  readonly dropped: number;
  readonly pending: number;
  readonly connected: boolean;
}

interface EngineRow {
  readonly pid: number;
  readonly model: string;
  readonly crashes: number;
}

/** Process ids below one, from the system's process table. */
function childrenOf(pid: number): { pid: number; command: string }[] {
  const rows = execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' }).trim().split('\n');
  return rows.flatMap((row) => {
    const [, child, parent, command] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(row) ?? [];
    return Number(parent) === pid ? [{ pid: Number(child), command: command ?? '' }] : [];
  });
}

describe('models over the OpenAI client', () => {
  it('lists stored models and bots', async () => {
    const ids = (await client.models.list()).data.map((model) => model.id);
    expect(ids).toEqual(expect.arrayContaining([MODEL, 'e5-small-v2', 'bot/qa', 'bot/recommend', 'bot/support']));
  });

  it('chats, streaming and not, with usage; the same seed gives the same text', async () => {
    const ask = { model: MODEL, messages: [{ role: 'user' as const, content: 'Name three colours.' }], max_tokens: 24, seed: 7 };
    const whole = await client.chat.completions.create(ask);
    expect(whole.choices[0]?.message.content?.length).toBeGreaterThan(3);
    expect(whole.usage?.completion_tokens).toBeGreaterThan(0);
    let text = '';
    for await (const chunk of await client.chat.completions.create({ ...ask, stream: true })) text += chunk.choices[0]?.delta.content ?? '';
    expect(text).toBe(whole.choices[0]?.message.content);
  }, 120_000);

  it('embeds, in the base64 form the client asks for', async () => {
    const { data, usage } = await client.embeddings.create({ model: 'e5-small-v2', input: ['a red tent', 'a crimson tent', 'tax law'] });
    expect(data.map((row) => row.embedding.length)).toEqual([384, 384, 384]);
    expect(usage.total_tokens).toBeGreaterThan(6);
    const [red, crimson, tax] = data.map((row) => row.embedding) as [number[], number[], number[]];
    const dot = (a: number[], b: number[]): number => a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);
    expect(dot(red, crimson)).toBeGreaterThan(dot(red, tax));
  }, 60_000);

  it('refuses an unknown model, an empty prompt and a prompt beyond the context with a code', async () => {
    const chat = (model: string, content: string) => client.chat.completions.create({ model, messages: [{ role: 'user', content }] });
    await expect(chat('gpt-9', 'hi')).rejects.toMatchObject({ status: 404, code: 'E_MODEL_UNKNOWN' });
    await expect(chat('qwen3-4b', 'hi')).rejects.toMatchObject({ status: 409, code: 'E_MODEL_NOT_STORED' });
    await expect(chat(MODEL, '   ')).rejects.toMatchObject({ status: 400, code: 'E_PROMPT_EMPTY' });
    await expect(chat(MODEL, 'word '.repeat(9000))).rejects.toMatchObject({ status: 400, code: 'E_CONTEXT_OVERFLOW' });
    await expect(chat(MODEL, 'x'.repeat(10 * 1024 * 1024))).rejects.toMatchObject({ status: 413, code: 'E_BODY_TOO_LARGE' });
  }, 120_000);
});

describe('native code may crash', () => {
  it('gives the caller an error event, answers the next question, and tells the fleet', async () => {
    const stream = await client.chat.completions.create({
      model: MODEL,
      messages: [{ role: 'user', content: 'Write a very long story.' }],
      stream: true,
      max_tokens: 1500,
    });
    let pieces = 0;
    const reading = (async () => {
      for await (const chunk of stream) {
        if (!chunk.choices[0]?.delta.content) continue;
        pieces++;
        if (pieces === 3) {
          const { engines } = await api<{ engines: EngineRow[] }>('/api/v1/engines');
          process.kill(engines.find((engine) => engine.model === MODEL)?.pid ?? 0, 'SIGKILL');
        }
      }
    })();
    await expect(reading).rejects.toMatchObject({ message: expect.stringContaining('ended while it was needed') });
    const next = await client.chat.completions.create({ model: MODEL, messages: [{ role: 'user', content: 'Hello' }], max_tokens: 8 });
    expect(next.choices[0]?.message.content).toBeTruthy();
    const { engines } = await api<{ engines: EngineRow[] }>('/api/v1/engines');
    expect(engines.find((engine) => engine.model === MODEL)?.crashes).toBe(1);
    const metrics = await (await fetch(`${device.url}/metrics`)).text();
    expect(metrics).toMatch(/nearside_engine_crashes_total\{[^}]*smollm2[^}]*\} 1/);
  }, 120_000);

  it('frees the engine when a client goes away', async () => {
    const controller = new AbortController();
    const stream = await client.chat.completions.create(
      { model: MODEL, messages: [{ role: 'user', content: 'Count to one thousand.' }], stream: true, max_tokens: 1500 },
      { signal: controller.signal },
    );
    await stream[Symbol.asyncIterator]().next();
    controller.abort();
    await expect
      .poll(
        async () =>
          (await api<{ engines: { model: string; active: number }[] }>('/api/v1/engines')).engines.find((engine) => engine.model === MODEL)
            ?.active,
        { timeout: 20_000 },
      )
      .toBe(0);
  }, 60_000);
});

describe('telemetry', () => {
  it('reaches the collector: produced = stored + dropped + pending, and everything is stored in the end', async () => {
    await expect.poll(async () => (await api<Status>('/api/v1/telemetry')).connected, { timeout: 20_000 }).toBe(true);
    const holds = async (): Promise<Status> => {
      const status = await api<Status>('/api/v1/telemetry');
      expect(status.produced).toBe(status.stored + status.dropped + status.pending);
      return status;
    };
    await expect.poll(async () => (await holds()).stored, { timeout: 20_000 }).toBeGreaterThan(5);
    const { stdout } = await nearside(['fleet', 'devices', '--json'], { home });
    expect(JSON.parse(stdout)).toMatchObject({
      devices: [{ tenant: 'default', state: 'online', stored: expect.any(Number), inventory: { 'service.version': expect.any(String) } }],
    });
  }, 60_000);

  it('goes on after the collector was killed', async () => {
    const fleet = childrenOf(device.pid).find((child) => child.command.includes('apps/fleet/main.ts'));
    process.kill(fleet?.pid ?? 0, 'SIGKILL');
    const before = await api<Status>('/api/v1/telemetry');
    await expect
      .poll(async () => (await api<Status>('/api/v1/telemetry')).stored, { timeout: 60_000, interval: 500 })
      .toBeGreaterThan(before.stored);
  }, 90_000);
});

describe('one device a home folder', () => {
  it('refuses a second one, and says which one runs', async () => {
    const { code, stderr } = await nearside(['start', '--port', '0'], { home });
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`E_HOME_IN_USE.*process ${device.pid} at ${device.url}`));
  });

  it('lets commands talk to the running device', async () => {
    const { code, stdout } = await nearside(['telemetry', 'status', '--json'], { home });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ connected: true });
  });

  it('gives its broker a free port when the usual one is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    await using other = await startDevice({ home: makeHome({ models: true }), env: { NEARSIDE_FLEET_MQTT_PORT: String(port) } });
    await expect
      .poll(async () => ((await (await fetch(`${other.url}/api/v1/telemetry`)).json()) as Status).connected, { timeout: 20_000 })
      .toBe(true);
    expect(other.log()).toMatch(/local broker fell back/);
    server.close();
  }, 60_000);

  it('says which port is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const { code, stderr } = await nearside(['start', '--port', String(port)], { home: makeHome({ models: true }) });
    server.close();
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`E_PORT_IN_USE.*127\\.0\\.0\\.1:${port}`));
  });

  it('refuses to listen beyond loopback without keys', async () => {
    const { code, stderr } = await nearside(['start', '--host', '0.0.0.0', '--port', '0'], { home: makeHome({ models: true }) });
    expect(code).toBe(1);
    expect(stderr).toMatch(/E_KEYS_REQUIRED/);
  });
});

describe('stopping', () => {
  it.each([
    ['Ctrl-C', 'SIGINT'],
    ['a terminal that closes', 'SIGHUP'],
  ] as const)(
    'ends with 0 on %s, leaves no process behind, and frees the home folder',
    async (_, signal) => {
      const own = makeHome({ models: true });
      const other = await startDevice({ home: own });
      const children = childrenOf(other.pid).map((child) => child.pid);
      expect(await other.stop(signal)).toBe(0);
      expect(other.log()).toContain('stopping');
      for (const pid of children) expect(() => process.kill(pid, 0)).toThrow();
      await using again = await startDevice({ home: own });
      expect((await fetch(`${again.url}/healthz`)).status).toBe(200);
    },
    60_000,
  );

  it('ends with 130 on Ctrl-C while it fetches models', async () => {
    const silent = createServer();
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const hub = `http://127.0.0.1:${(silent.address() as { port: number }).port}`;
    // No tool that brings models, and a hub that never answers.
    const child = spawn(process.execPath, [join(ROOT, 'apps/cli/main.ts'), 'start', '--port', '0'], {
      env: { PATH: '/nowhere', NEARSIDE_HOME: makeHome({ models: false }), NEARSIDE_STORE_HUB_URL: hub },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    await once(silent, 'connection');
    child.kill('SIGINT');
    const [code] = await once(child, 'exit');
    silent.close();
    expect(code).toBe(130);
  });

  it('survives kill -9: the next start takes the home folder, and no event is lost', async () => {
    const own = makeHome({ models: true });
    const first = await startDevice({ home: own });
    await expect
      .poll(async () => ((await (await fetch(`${first.url}/api/v1/telemetry`)).json()) as Status).produced, { timeout: 20_000 })
      .toBeGreaterThan(0);
    await first.stop('SIGKILL');
    await using second = await startDevice({ home: own });
    const status = (await (await fetch(`${second.url}/api/v1/telemetry`)).json()) as Status;
    expect(status.produced).toBe(status.stored + status.dropped + status.pending);
    expect(status.produced).toBeGreaterThan(0);
  }, 60_000);
});
