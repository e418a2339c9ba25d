/** A device as its user meets it: start-up, memory, first token over HTTP. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Config } from '#edge/config/schema.ts';
import { sleep } from '#edge/core/clock.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { type BenchRow, median } from './report.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const MEBI = 1024 ** 2;

/** Starts `nearside start` twice on a new home folder that shares the model store, and asks it. */
export async function benchDevice(config: Config): Promise<BenchRow[]> {
  const home = mkdtempSync(join(tmpdir(), 'nearside-bench-'));
  using _folder = { [Symbol.dispose]: () => rmSync(home, { recursive: true, force: true }) };
  symlinkSync(config.paths.store, join(home, 'models'));
  const first = await startDevice(home);
  await first.stop();
  const device = await startDevice(home);
  try {
    await sleep(11_000); // Memory is sampled every 10 s.
    const idle = await memory(device.url);
    const firstAnswer = await firstToken(device.url, 'bot/qa', 'How long do I have to return an opened tent?');
    const answers = [];
    for (const question of QUESTIONS) answers.push(await firstToken(device.url, 'bot/qa', question));
    const coldChat = await firstToken(device.url, config.runtime.models.generate, 'Say hello.');
    const chats = [];
    for (let i = 0; i < 5; i++) chats.push(await firstToken(device.url, config.runtime.models.generate, `Say hello to number ${i}.`));
    await sleep(11_000);
    const busy = await memory(device.url);
    return [
      { what: 'nearside start, first start until ready (models stored)', value: first.readyMs, unit: 'ms' },
      { what: 'nearside start, second start until ready', value: device.readyMs, unit: 'ms' },
      ...idle.map(([role, bytes]) => ({ what: `idle memory of ${role}`, value: bytes / MEBI, unit: 'MiB' })),
      { what: 'bot/qa first text, first question (starts the bots and the encoder)', value: firstAnswer, unit: 'ms' },
      { what: 'bot/qa first text, warm (median)', value: median(answers), unit: 'ms' },
      { what: `${config.runtime.models.generate} first token, cold`, value: coldChat, unit: 'ms' },
      { what: `${config.runtime.models.generate} first token, warm (median of 5)`, value: median(chats), unit: 'ms' },
      ...busy.map(([role, bytes]) => ({ what: `memory of ${role} after the questions`, value: bytes / MEBI, unit: 'MiB' })),
    ];
  } finally {
    await device.stop();
  }
}

const QUESTIONS = [
  'Who pays for the return shipping?',
  'How long is the warranty on a tent?',
  'Which payment methods are accepted?',
  'Can I change my order?',
  'How do I use another port?',
];

interface Started {
  readonly url: string;
  readonly readyMs: number;
  stop(): Promise<void>;
}

async function startDevice(home: string): Promise<Started> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, ['scripts/bootstrap/main.mjs', 'start', '--port', '0'], {
    cwd: ROOT,
    env: { ...process.env, UV_THREADPOOL_SIZE: undefined, NEARSIDE_HOME: home, NEARSIDE_FLEET_MQTT_PORT: '0' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let text = '';
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      const ready = /ready at (http:\S+)/.exec(text)?.[1];
      if (ready) resolve(ready);
    });
    void exited.then(() => reject(new EdgeError('E_INTERNAL', { what: 'the device did not start', found: text })));
  });
  return {
    url,
    readyMs: performance.now() - startedAt,
    stop: async () => {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

/** What the device tells of the memory of its processes. */
async function memory(url: string): Promise<[string, number][]> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return [...text.matchAll(/^nearside_process_memory_bytes\{nearside_process="([^"]+)"\} (\d+)/gm)].map(([, role, bytes]) => [
    role as string,
    Number(bytes),
  ]);
}

/** Milliseconds from sending a streaming request to its first text. */
async function firstToken(url: string, model: string, content: string): Promise<number> {
  const startedAt = performance.now();
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, stream: true, max_tokens: 16, messages: [{ role: 'user', content }] }),
  });
  let first: number | undefined;
  let text = '';
  for await (const chunk of (response.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (/"content":"[^"]/.test(text)) first ??= performance.now() - startedAt;
  }
  if (first === undefined) throw new EdgeError('E_INTERNAL', { what: `${model} gave no text`, found: text.slice(0, 500) });
  return first;
}
