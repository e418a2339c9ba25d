/** What only a real decode can show: native work that stops, templates, grammars of real schemas, native messages. */
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EngineHost } from '#edge/backends/engine-host.ts';
import { importBackend } from '#edge/backends/registry.ts';
import type { Engine } from '#edge/contracts/backend.ts';
import type { GenerateRequest } from '#edge/contracts/generate.ts';
import { silentLogger } from '#edge/core/log.ts';
import { collect } from '#test/contract/backend.contract.ts';
import { expectCode } from '#test/support/expect-code.ts';
import { smollmSpec } from '#test/support/llama-spec.ts';

const model = 'smollm2-135m-instruct';
const greedy = { temperature: 0 } as const;

describe('one engine in this process', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await (await importBackend('llama')).load(smollmSpec());
  });
  afterAll(() => engine?.[Symbol.asyncDispose]());
  const ask = (request: Partial<GenerateRequest>) => collect(engine.generate({ model, sampling: greedy, maxTokens: 8, ...request }));
  const user = (content: string) => [{ role: 'user' as const, content }];

  it('answers by the chat template of the file, and ends by itself', async () => {
    const { text, end } = await ask({ messages: user('What is the capital of France? Answer with one word.'), maxTokens: 40 });
    expect(text).toContain('Paris');
    expect(end.finishReason).toBe('stop');
    expect(text).not.toContain('<|im_end|>');
  });

  it("does not read a user's text as signs of the template", async () => {
    const plain = await ask({ messages: user('x') });
    const signs = await ask({ messages: user('<|im_end|><|im_start|>') });
    // Read as signs these would be two tokens instead of one letter's one.
    expect(signs.end.usage.promptTokens - plain.end.usage.promptTokens).toBeGreaterThan(5);
  });

  it('continues an answer that comes last', async () => {
    const { text } = await ask({
      messages: [...user('What is the capital of France?'), { role: 'assistant', content: 'The capital of France is' }],
      maxTokens: 3,
    });
    expect(text).toMatch(/^ Paris/);
  });

  it('keeps the beginning of a conversation: its second turn evaluates only what is new', async () => {
    const opening = user(`Remember these words: ${'lamp ship bell fog '.repeat(20)}`);
    const first = await ask({ messages: opening });
    const turns = [...opening, { role: 'assistant' as const, content: first.text }, ...user('Go on.')];
    const { usage } = (await ask({ messages: turns })).end;
    expect(usage.cachedTokens).toBeGreaterThanOrEqual(first.end.usage.promptTokens - 4);
  });

  it('bounds an answer by what is left of the context', async () => {
    const prompt = 'lamp '.repeat(1015);
    const { end } = await ask({ prompt, maxTokens: 1_000_000, grammar: 'root ::= [a-z ]+' });
    expect(end.usage.promptTokens + end.usage.completionTokens).toBe(1024);
    expect(end.finishReason).toBe('length');
    expect((await ask({ messages: user('Hello') })).end.usage.completionTokens).toBeGreaterThan(0);
  });

  it.each<[string, Record<string, unknown>, (value: never) => boolean]>([
    ['anyOf', { anyOf: [{ const: 'a' }, { type: 'boolean' }] }, (value) => value === 'a' || typeof value === 'boolean'],
    [
      'definitions',
      { $ref: '#/definitions/kind', definitions: { kind: { enum: ['tent', 'boot'] } } },
      (value) => ['tent', 'boot'].includes(value),
    ],
    [
      'a list of bounded length',
      { type: 'array', items: { enum: [1, 2] }, minItems: 2, maxItems: 2 },
      (value: never[]) => value.length === 2,
    ],
    ['several types', { type: ['boolean', 'null'] }, (value) => value === null || typeof value === 'boolean'],
    [
      'an object in an object',
      { type: 'object', properties: { tent: { type: 'object', properties: { big: { type: 'boolean' } } } } },
      (value: { tent: { big: boolean } }) => typeof value.tent.big === 'boolean',
    ],
  ])('writes JSON of a schema with %s', async (_what, jsonSchema, fits) => {
    const { text, end } = await ask({ messages: user('Write JSON.'), jsonSchema, maxTokens: 60 });
    expect(end.finishReason).toBe('stop');
    expect(fits(JSON.parse(text) as never)).toBe(true);
  });

  it('refuses a schema that no grammar can hold, instead of ignoring a part of it', async () => {
    await expectCode(ask({ messages: user('Write JSON.'), jsonSchema: { type: 'string', pattern: '^a' } }), 'E_UNSUPPORTED');
    await expectCode(ask({ messages: user('Write JSON.'), jsonSchema: {} }), 'E_UNSUPPORTED');
  });

  it('scores the right word above the wrong one, as log-probabilities', async () => {
    const { scores } = await engine.score({ model, query: 'The capital of France is', texts: [' Paris', ' Berlin', ' of'] });
    const [paris = 0, berlin = 0, of = 0] = scores;
    expect(paris).toBeGreaterThan(berlin);
    expect(berlin).toBeGreaterThan(of);
    expect(paris).toBeLessThan(0);
    expect(Math.exp(paris)).toBeGreaterThan(0.5);
  });

  it('scores several texts with the same sum as one by one', async () => {
    const query = 'Once upon a time there was';
    const texts = [' a small ship', ' nobody at home', ' a'];
    const together = await engine.score({ model, query, texts });
    for (const [i, text] of texts.entries()) {
      const alone = await engine.score({ model, query, texts: [text] });
      expect(alone.scores[0]).toBeCloseTo(together.scores[i] as number, 1);
    }
  });
});

describe('as an embedder', () => {
  const embedding = { dimensions: 576, pooling: 'last', normalize: true, queryPrefix: 'query: ', passagePrefix: '' } as const;

  it('gives unit vectors of the model, cuts long texts, and refuses what an embedder cannot', async () => {
    await using engine = await (await importBackend('llama')).load(smollmSpec({ embedding, contextTokens: 256 }));
    expect(engine.info.features).toEqual(['embed']);
    const response = await engine.embed({ model, texts: ['a tent in the rain', 'lamp '.repeat(400)], purpose: 'query' });
    expect(response).toMatchObject({ dimensions: 576, truncated: 1 });
    for (const vector of response.vectors) expect(Math.hypot(...vector)).toBeCloseTo(1, 4);
    await expectCode(collect(engine.generate({ model, prompt: 'Hello' })), 'E_UNSUPPORTED');
    await expectCode(engine.embed({ model, texts: ['a'], purpose: 'plain', output: 'tokens' }), 'E_UNSUPPORTED');
  });

  it('refuses a file whose vectors have another size than the card says', async () => {
    const spec = smollmSpec({ embedding: { ...embedding, dimensions: 384 } });
    const error = await expectCode((await importBackend('llama')).load(spec), 'E_MODEL_LOAD');
    expect(error.message).toMatch(/expected vectors of 384 dimensions, found 576/);
  });
});

describe('what cannot be loaded', () => {
  it('a file cut in the middle is corrupt, in the words of llama.cpp', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'nearside-llama-'));
    const spec = smollmSpec();
    const weights = join(folder, 'half.gguf');
    await writeFile(weights, (await readFile(spec.stored.files.weights ?? '')).subarray(0, 40_000_000));
    const half = { ...spec, stored: { ...spec.stored, files: { weights } } };
    const error = await expectCode((await importBackend('llama')).load(half), 'E_MODEL_CORRUPT');
    expect(error.message).toContain('not within the file bounds');
    await rm(folder, { recursive: true });
  });

  it('an accelerator that is not here is named', async () => {
    const error = await expectCode((await importBackend('llama')).load(smollmSpec({ provider: 'vulkan' })), 'E_MODEL_LOAD');
    expect(error.message).toContain('vulkan');
    await expectCode((await importBackend('llama')).load(smollmSpec({ provider: 'coreml' })), 'E_UNSUPPORTED');
  });
});

describe.skipIf(process.platform !== 'linux')('behind a child (CPU time is read from /proc, which only Linux has)', () => {
  let host: EngineHost;
  beforeAll(async () => {
    host = new EngineHost({ spec: smollmSpec(), environment: process.env, log: silentLogger, idleStopMs: 0, deadlineMs: 120_000 });
    await host.load();
  });
  afterAll(() => host[Symbol.asyncDispose]());

  const read = (prompt: string, signal: AbortSignal, onText: () => void) =>
    (async () => {
      for await (const part of host.generate({ model, prompt, maxTokens: 900 }, { signal })) if (part.type === 'text-delta') onText();
    })();

  it('has the environment that doubles decode speed', () => {
    const environment = readFileSync(`/proc/${host.status.pid}/environ`, 'utf8').split('\0');
    expect(environment).toContain('UV_THREADPOOL_SIZE=1');
    expect(readFileSync(`/proc/${host.status.pid}/oom_score_adj`, 'utf8').trim()).toBe('500');
  });

  it('burns no more CPU once a decode is cancelled', async () => {
    const controller = new AbortController();
    await expectCode(
      read('Once upon a time', controller.signal, () => controller.abort()),
      'E_CANCELLED',
    );
    await expectQuiet(host.status.pid as number);
    expect(host.status.crashes).toBe(0);
  });

  it('stops in the middle of a long prompt', async () => {
    const prompt = 'lamp '.repeat(900);
    const controller = new AbortController();
    const call = read(prompt, controller.signal, () => undefined);
    setTimeout(() => controller.abort(), 30);
    await expectCode(call, 'E_CANCELLED');
    await expectQuiet(host.status.pid as number);
    const { usage } = (await collect(host.generate({ model, prompt, maxTokens: 1 }))).end;
    expect(usage.promptTokens).toBeGreaterThan(700);
    // A prefill that had gone on would have left all but one token in the cache.
    expect(usage.cachedTokens).toBeLessThan(usage.promptTokens - 128);
  });

  it('is killed by kill -9 while it decodes: the caller is told, the next call works', async () => {
    const call = read('Once upon a time', AbortSignal.timeout(60_000), () => {
      if (host.status.pid) process.kill(host.status.pid, 'SIGKILL');
    });
    await expectCode(call, 'E_ENGINE_CRASHED');
    const { end } = await collect(host.generate({ model, prompt: 'Once upon a time', maxTokens: 3 }));
    expect(end.usage.completionTokens).toBe(3);
    expect(host.status.crashes).toBe(1);
  });
});

/** Waits for a whole second in which the process used at most a tenth of a second of CPU. */
async function expectQuiet(pid: number): Promise<void> {
  const spent: number[] = [];
  for (let i = 0; i < 10; i++) {
    const before = cpuTicks(pid);
    await sleep(1000);
    spent.push(cpuTicks(pid) - before);
    if ((spent.at(-1) ?? 0) <= 10) break;
  }
  expect(spent.at(-1), `CPU ticks a second: ${spent.join(', ')}`).toBeLessThanOrEqual(10);
  expect(spent.length).toBeLessThanOrEqual(3);
}

/** User and system time of all threads, in ticks of 10 ms (proc_pid_stat(5), fields 14 and 15). */
function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return Number(fields[11]) + Number(fields[12]);
}
