/**
 * What every backend must do, whoever wrote it: `describeBackend` runs the same suite on an engine loaded in this
 * process and on the same engine behind `EngineHost`, so a child process must not be noticeable to a caller.
 * A backend is done when it passes. A feature it lacks is listed with the reason, and must then fail as `E_UNSUPPORTED`.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EngineHost } from '#edge/backends/engine-host.ts';
import { importBackend } from '#edge/backends/registry.ts';
import { ENGINE_FEATURES, type Engine, type EngineFeature, type EngineInfo, type LoadSpec } from '#edge/contracts/backend.ts';
import type { EmbedRequest } from '#edge/contracts/embed.ts';
import type { ChatMessage, GenerateRequest } from '#edge/contracts/generate.ts';
import type { ReplyPart, ResponseEnd } from '#edge/contracts/parts.ts';
import type { Tensor, TensorDtype, TensorSpec } from '#edge/contracts/tensor.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { silentLogger } from '#edge/core/log.ts';
import { expectCode } from '#test/support/expect-code.ts';

/** The calls that an engine and its host share. */
export type EngineCalls = Omit<Engine, 'info'>;

export interface LoadedEngine {
  readonly engine: EngineCalls;
  readonly info: EngineInfo;
}

export interface BackendSuiteOptions {
  /** Features this engine lacks, each with the reason. */
  readonly unsupported: readonly { readonly feature: EngineFeature; readonly reason: string }[];
}

type Loader = (spec: LoadSpec) => Promise<LoadedEngine>;

async function loadDirectly(spec: LoadSpec): Promise<LoadedEngine> {
  const engine = await (await importBackend(spec.backend)).load(spec);
  return { engine, info: engine.info };
}

async function loadHosted(spec: LoadSpec): Promise<LoadedEngine> {
  const engine = new EngineHost({ spec, environment: process.env, log: silentLogger, idleStopMs: 0, deadlineMs: 120_000 });
  try {
    return { engine, info: await engine.load() };
  } catch (error) {
    await engine[Symbol.asyncDispose]();
    throw error;
  }
}

/** Declares the suite for the engine that `spec` describes. */
export function describeBackend(name: string, spec: () => LoadSpec, options: BackendSuiteOptions): void {
  const lacks = (feature: EngineFeature) => options.unsupported.find((entry) => entry.feature === feature);
  describe.each([
    ['in this process', loadDirectly],
    ['through EngineHost', loadHosted],
  ] satisfies [string, Loader][])(`backend ${name} %s`, (_where, load) => {
    let loaded: LoadedEngine;
    const current = (): LoadedEngine => loaded;
    beforeAll(async () => {
      loaded = await load(spec());
    });
    afterAll(async () => {
      await loaded?.engine[Symbol.asyncDispose]();
    });

    it('says what it is and can do', () => {
      const { info } = loaded;
      expect(info).toMatchObject({
        backend: spec().backend,
        provider: spec().provider,
        model: spec().stored.model,
        variant: spec().stored.variant,
        threads: spec().threads,
      });
      expect(info.version).toMatch(/\d/);
      expect([...info.features].sort()).toEqual(ENGINE_FEATURES.filter((feature) => !lacks(feature)).sort());
    });

    for (const { feature, reason } of options.unsupported) {
      it(`refuses ${feature}: ${reason}`, async () => {
        await expectCode(callFeature(loaded, feature), 'E_UNSUPPORTED');
      });
    }
    if (!lacks('generate')) describe('generate', () => generateSuite(current));
    if (!lacks('embed')) describe('embed', () => embedSuite(current, spec));
    if (!lacks('token-vectors')) describe('token vectors', () => tokenVectorSuite(current));
    if (!lacks('score')) describe('score', () => scoreSuite(current));
    if (!lacks('tensors')) describe('tensors', () => tensorSuite(current));
    describe('end of life', () => disposalSuite(() => load(spec())));
    describe('a bad model file', () => badFileSuite(load, spec));
  });
}

function generateSuite(current: () => LoadedEngine): void {
  const ask = async (request: Partial<GenerateRequest>, signal?: AbortSignal): Promise<Reply> => {
    const { engine, info } = current();
    return collect(engine.generate({ model: info.model, ...request }, signal ? { signal } : {}));
  };
  const story: Partial<GenerateRequest> = {
    messages: [
      { role: 'system', content: 'You tell stories.' },
      { role: 'user', content: 'Tell me a long story about a lighthouse and the people in it.' },
    ],
    maxTokens: 24,
    sampling: { temperature: 0 },
  };

  it('streams text and ends with usage, timings and the engine', async () => {
    const { parts, text, end } = await ask(story);
    expect(parts[0]).toEqual({ type: 'text-start' });
    expect(parts.at(-2)).toEqual({ type: 'text-end' });
    expect(parts.filter((part) => part.type === 'text-delta').length).toBeGreaterThan(1);
    expect(text.length).toBeGreaterThan(10);
    expect(end.finishReason).toBe('length');
    expect(end.usage.completionTokens).toBe(24);
    expect(end.usage.promptTokens).toBeGreaterThan(8);
    expect(end.timings.totalMs).toBeGreaterThan(0);
    expect(end.timings.firstTokenMs).toBeLessThanOrEqual(end.timings.totalMs);
    expect(end.timings.prefillMs).toBeGreaterThanOrEqual(0);
    expect(end.timings.decodeMs).toBeGreaterThanOrEqual(0);
    expect(end.engine).toEqual(engineRef(current().info));
  });

  it('continues a raw prompt', async () => {
    const { text, end } = await ask({ prompt: 'Once upon a time, in a small village,', maxTokens: 6, sampling: { temperature: 0 } });
    expect(text.length).toBeGreaterThan(0);
    expect(end.usage.promptTokens).toBeGreaterThan(4);
  });

  it('takes any sequence of roles', async () => {
    const messages: ChatMessage[] = [
      { role: 'assistant', content: 'Good day.' },
      { role: 'user', content: 'What is my order?' },
      { role: 'tool', content: '{"order":"A-1"}' },
      { role: 'user', content: 'And?' },
      { role: 'user', content: 'Go on.' },
      { role: 'system', content: 'Be brief.' },
    ];
    expect((await ask({ messages, maxTokens: 4 })).end.usage.completionTokens).toBeGreaterThan(0);
  });

  it('gives the same text for the same seed, and others for other seeds', async () => {
    const sample = (seed: number) => ask({ ...story, maxTokens: 12, sampling: { temperature: 1, topK: 0, topP: 1, minP: 0, seed } });
    const first = await sample(1);
    expect((await sample(1)).text).toBe(first.text);
    const others = new Set([first.text, (await sample(2)).text, (await sample(3)).text]);
    expect(others.size).toBeGreaterThan(1);
  });

  it('reports the part of the prompt that was still in its cache', async () => {
    const before = await ask(story);
    const again = await ask(story);
    expect(again.end.usage.cachedTokens).toBeGreaterThan(0);
    expect(again.end.usage.cachedTokens).toBeLessThanOrEqual(again.end.usage.promptTokens);
    expect(again.end.usage.promptTokens).toBe(before.end.usage.promptTokens);
    expect(again.text).toBe(before.text);
  });

  it('ends before a stop string wherever it lies between tokens, and never shows a part of it', async () => {
    const { text } = await ask(story);
    for (const start of [3, 8, Math.floor(text.length / 2)]) {
      const stop = text.slice(start, start + 5);
      const stopped = await ask({ ...story, stop: ['never written', stop] });
      expect(stopped.text).toBe(text.slice(0, text.indexOf(stop)));
      expect(stopped.end.finishReason).toBe('stop');
    }
  });

  it('still shows text that only began like a stop string', async () => {
    const { text } = await ask(story);
    const decoy = `${text.slice(4, 8)}\u0001`;
    const tail = `${text.slice(-3)}\u0001`;
    expect((await ask({ ...story, stop: [decoy, tail] })).text).toBe(text);
  });

  it('follows a grammar', async () => {
    const { text, end } = await ask({ ...story, maxTokens: 16, grammar: 'root ::= "lighthouse" | "village"' });
    expect(['lighthouse', 'village']).toContain(text);
    expect(end.finishReason).toBe('stop');
  });

  it('follows a JSON Schema', async () => {
    const jsonSchema = {
      type: 'object',
      properties: { color: { enum: ['red', 'green'] }, sure: { type: 'boolean' } },
      required: ['color', 'sure'],
      additionalProperties: false,
    };
    const { text, end } = await ask({ ...story, maxTokens: 64, jsonSchema });
    const value = JSON.parse(text) as { color: string; sure: boolean };
    expect(['red', 'green']).toContain(value.color);
    expect(typeof value.sure).toBe('boolean');
    expect(end.finishReason).toBe('stop');
  });

  it('never splits a character between deltas', async () => {
    const wanted = 'naïve 日本語 🙂🧡 ok';
    const { text, parts } = await ask({ ...story, maxTokens: 64, grammar: `root ::= "${wanted}"` });
    expect(text).toBe(wanted);
    for (const part of parts) if (part.type === 'text-delta') expect(part.text.isWellFormed() && !part.text.includes('\uFFFD')).toBe(true);
  });

  it('serves more calls than it has sequences', async () => {
    const replies = await Promise.all([1, 2, 3, 4, 5].map((seed) => ask({ ...story, maxTokens: 5, sampling: { seed } })));
    expect(replies.map((reply) => reply.end.usage.completionTokens)).toEqual([5, 5, 5, 5, 5]);
  });

  it('stops when cancelled, before and between tokens, and goes on serving', async () => {
    await expectCode(ask(story, AbortSignal.abort()), 'E_CANCELLED');
    const controller = new AbortController();
    const { engine, info } = current();
    const seen = (async () => {
      for await (const part of engine.generate({ model: info.model, ...story, maxTokens: 400 }, { signal: controller.signal })) {
        if (part.type === 'text-delta') controller.abort();
      }
    })();
    await expectCode(seen, 'E_CANCELLED');
    expect((await ask({ ...story, maxTokens: 3 })).end.usage.completionTokens).toBe(3);
  });

  it('frees its place when the reader walks away, or gives up while waiting in line', async () => {
    const { engine, info } = current();
    for (let i = 0; i < 5; i++) {
      for await (const part of engine.generate({ model: info.model, ...story, maxTokens: 400 })) if (part.type === 'text-delta') break;
    }
    const controller = new AbortController();
    const calls = Array.from({ length: 6 }, () => ask({ ...story, maxTokens: 200 }, controller.signal));
    setTimeout(() => controller.abort(), 30);
    for (const result of await Promise.allSettled(calls)) {
      if (result.status === 'rejected') expect(EdgeError.is(result.reason, 'E_CANCELLED')).toBe(true);
    }
    expect((await ask({ ...story, maxTokens: 3 })).end.usage.completionTokens).toBe(3);
  });

  it('refuses a prompt that does not fit, naming both sizes', async () => {
    const prompt = 'word '.repeat(current().info.contextTokens + 10);
    const error = await expectCode(ask({ prompt }), 'E_CONTEXT_OVERFLOW');
    expect(error.message).toContain(String(current().info.contextTokens));
    await expectCode(ask({ prompt: 'word '.repeat(2_000_000) }), 'E_CONTEXT_OVERFLOW');
    expect((await ask({ ...story, maxTokens: 2 })).end.finishReason).toBe('length');
  });

  const hello: readonly ChatMessage[] = [{ role: 'user', content: 'Hello' }];
  it.each([
    ['no prompt at all', {}, 'E_BAD_REQUEST'],
    ['both messages and prompt', { messages: hello, prompt: 'Hello' }, 'E_BAD_REQUEST'],
    ['an empty prompt', { prompt: '' }, 'E_PROMPT_EMPTY'],
    ['a blank prompt', { prompt: ' \n\t' }, 'E_PROMPT_EMPTY'],
    ['no message', { messages: [] }, 'E_PROMPT_EMPTY'],
    ['only blank messages', { messages: [{ role: 'user', content: ' ' }] }, 'E_PROMPT_EMPTY'],
    ['an unknown role', { messages: [{ role: 'robot' as 'user', content: 'Hello' }] }, 'E_BAD_REQUEST'],
    ['a content that is no text', { messages: [{ role: 'user', content: 7 as unknown as string }] }, 'E_BAD_REQUEST'],
    ['maxTokens 0', { messages: hello, maxTokens: 0 }, 'E_BAD_REQUEST'],
    ['maxTokens 1.5', { messages: hello, maxTokens: 1.5 }, 'E_BAD_REQUEST'],
    ['a negative temperature', { messages: hello, sampling: { temperature: -1 } }, 'E_BAD_REQUEST'],
    ['a temperature that is no number', { messages: hello, sampling: { temperature: Number.NaN } }, 'E_BAD_REQUEST'],
    ['topP above 1', { messages: hello, sampling: { topP: 1.1 } }, 'E_BAD_REQUEST'],
    ['an empty stop string', { messages: hello, stop: [''] }, 'E_BAD_REQUEST'],
    ['17 stop strings', { messages: hello, stop: Array.from({ length: 17 }, (_, i) => `s${i}`) }, 'E_BAD_REQUEST'],
    ['a grammar and a schema', { messages: hello, grammar: 'root ::= "a"', jsonSchema: { type: 'string' } }, 'E_BAD_REQUEST'],
    ['a grammar that is none', { messages: hello, grammar: 'root := [' }, 'E_BAD_REQUEST'],
  ] satisfies [string, Partial<GenerateRequest>, string][])('refuses %s', async (_what, request, code) => {
    await expectCode(ask(request), code);
  });
}

function embedSuite(current: () => LoadedEngine, spec: () => LoadSpec): void {
  const embed = (texts: readonly string[], more: Partial<EmbedRequest> = {}, signal?: AbortSignal) => {
    const { engine, info } = current();
    return engine.embed({ model: info.model, texts, purpose: 'plain', ...more }, signal ? { signal } : {});
  };

  it('gives one vector a text, of the promised size and length', async () => {
    const response = await embed(['A cat sleeps on the sofa.', 'The stock market fell today.', 'A kitten naps on the couch.']);
    expect(response.vectors).toHaveLength(3);
    expect(response.promptTokens).toBeGreaterThan(9);
    expect(response.truncated).toBe(0);
    expect(response.engine).toEqual(engineRef(current().info));
    expect(response.tokenVectors).toBeUndefined();
    const profile = spec().embedding;
    if (profile) expect(response.dimensions).toBe(profile.dimensions);
    for (const vector of response.vectors) {
      expect(vector).toBeInstanceOf(Float32Array);
      expect(vector.length).toBe(response.dimensions);
      if (profile?.normalize ?? true) expect(Math.hypot(...vector)).toBeCloseTo(1, 3);
    }
  });

  it('puts like near like', async () => {
    const { vectors } = await embed(['A cat sleeps on the sofa.', 'The stock market fell sharply.', 'A small cat sleeps on the old sofa.']);
    expect(cosine(vectors[0], vectors[2])).toBeGreaterThan(cosine(vectors[0], vectors[1]) + 0.02);
  });

  it('keeps the order and does not let the company of a text change its vector', async () => {
    const texts = Array.from({ length: 40 }, (_, i) => `Number ${i} ${'tells of distant harbours and quiet ships '.repeat(i % 7)}`.trim());
    const together = await embed(texts);
    for (const i of [0, 6, 13, 39]) {
      const alone = await embed([texts[i] as string]);
      expect(cosine(alone.vectors[0], together.vectors[i])).toBeGreaterThan(0.99);
    }
  });

  it('puts the prefix of the card before the text', async () => {
    const profile = spec().embedding;
    const [query, plain] = [await embed(['blue tents'], { purpose: 'query' }), await embed([`${profile?.queryPrefix ?? ''}blue tents`])];
    expect(cosine(query.vectors[0], plain.vectors[0])).toBeGreaterThan(0.999);
  });

  it('cuts a text that is too long and counts it', async () => {
    const long = 'word '.repeat(current().info.contextTokens + 50);
    const response = await embed([long, 'short']);
    expect(response.truncated).toBe(1);
    expect(response.promptTokens).toBeLessThanOrEqual(current().info.contextTokens + 16);
  });

  it('takes text of any script', async () => {
    const { vectors } = await embed(['日本語のテキスト', 'naïve café 🙂', '\u0000\uFFFF', 'a'.repeat(400)]);
    for (const vector of vectors) expect(vector.every(Number.isFinite)).toBe(true);
  });

  it('serves overlapping calls', async () => {
    const answers = await Promise.all(['one fish', 'two fish', 'red fish', 'blue fish'].map((text) => embed([text])));
    expect(new Set(answers.map((answer) => answer.vectors[0]?.join())).size).toBe(4);
  });

  it('stops when cancelled and goes on serving', async () => {
    await expectCode(embed(['text'], {}, AbortSignal.abort()), 'E_CANCELLED');
    const controller = new AbortController();
    const many = Array.from({ length: 2048 }, (_, i) => `Text ${i}: ${'a long tale of ships and harbours '.repeat(12)}`);
    const call = embed(many, {}, controller.signal);
    setTimeout(() => controller.abort(), 50);
    await expectCode(call, 'E_CANCELLED');
    expect((await embed(['text'])).vectors).toHaveLength(1);
  });

  it.each([
    ['no text', [], 'E_BAD_REQUEST'],
    ['2049 texts', Array.from({ length: 2049 }, () => 'a'), 'E_BAD_REQUEST'],
    ['a blank text', ['fine', ' \n'], 'E_PROMPT_EMPTY'],
    ['a text that is none', [null as unknown as string], 'E_BAD_REQUEST'],
  ] satisfies [string, string[], string][])('refuses %s', async (_what, texts, code) => {
    await expectCode(embed(texts), code);
  });

  it('refuses an unknown purpose', async () => {
    await expectCode(embed(['a'], { purpose: 'fun' as 'plain' }), 'E_BAD_REQUEST');
  });
}

function tokenVectorSuite(current: () => LoadedEngine): void {
  it('gives a unit row and the token for each token of the text', async () => {
    const { engine, info } = current();
    const response = await engine.embed({
      model: info.model,
      texts: ['Blue tents for rain.', 'Hello'],
      purpose: 'query',
      output: 'tokens',
    });
    expect(response.vectors).toHaveLength(2);
    expect(response.tokenVectors).toHaveLength(2);
    for (const { data, rows, tokens } of response.tokenVectors ?? []) {
      expect(rows).toBeGreaterThan(0);
      expect(tokens).toHaveLength(rows);
      expect(data).toHaveLength(rows * response.dimensions);
      for (let row = 0; row < rows; row++) {
        expect(Math.hypot(...data.subarray(row * response.dimensions, (row + 1) * response.dimensions))).toBeCloseTo(1, 3);
      }
    }
    const letters = (index: number) =>
      response.tokenVectors?.[index]?.tokens
        .join('')
        .toLowerCase()
        .replaceAll(/[^a-z.]/g, '');
    expect(letters(0)).toBe('bluetentsforrain.');
    expect(letters(1)).toBe('hello');
  });
}

function scoreSuite(current: () => LoadedEngine): void {
  const score = (query: string, texts: readonly string[], signal?: AbortSignal) => {
    const { engine, info } = current();
    return engine.score({ model: info.model, query, texts }, signal ? { signal } : {});
  };

  it('ranks a fitting text above noise', async () => {
    const response = await score('The capital of France is', [' qwx zzv kkj vvq', ' Paris, the capital of France', ' qwx zzv kkj vvq']);
    expect(response.scores).toHaveLength(3);
    const [noise, fitting, same] = response.scores as [number, number, number];
    expect(fitting).toBeGreaterThan(noise);
    expect(same).toBeCloseTo(noise, 2);
    expect(response.promptTokens).toBeGreaterThan(10);
    expect(response.engine).toEqual(engineRef(current().info));
  });

  it('refuses bad input and stops when cancelled', async () => {
    await expectCode(score('query', []), 'E_BAD_REQUEST');
    await expectCode(score(' ', ['text']), 'E_PROMPT_EMPTY');
    await expectCode(score('query', ['']), 'E_PROMPT_EMPTY');
    await expectCode(
      score(
        'query',
        Array.from({ length: 257 }, () => 'a'),
      ),
      'E_BAD_REQUEST',
    );
    await expectCode(score('query', ['text'], AbortSignal.abort()), 'E_CANCELLED');
    expect((await score('one', ['two'])).scores.every(Number.isFinite)).toBe(true);
  });
}

function tensorSuite(current: () => LoadedEngine): void {
  const inputs = (): Record<string, Tensor> => {
    const specs = current().info.inputs ?? [];
    return Object.fromEntries(specs.map((spec) => [spec.name, onesOf(spec)]));
  };
  const run = (tensors: Record<string, Tensor>, signal?: AbortSignal) => {
    const { engine, info } = current();
    return engine.runTensors({ model: info.model, inputs: tensors }, signal ? { signal } : {});
  };

  it('lists its inputs and outputs, and fills each output', async () => {
    const { info } = current();
    expect(info.inputs?.length).toBeGreaterThan(0);
    const first = await run(inputs());
    expect(Object.keys(first.outputs).sort()).toEqual((info.outputs ?? []).map((output) => output.name).sort());
    for (const output of Object.values(first.outputs)) expect(output.data).toHaveLength(sizeOf(output.shape));
    expect(await run(inputs())).toEqual(first);
  });

  it('refuses tensors that do not fit the model', async () => {
    const good = inputs();
    const [name, tensor] = Object.entries(good)[0] as [string, Tensor];
    const { [name]: _left, ...missing } = good;
    const otherDtype: Tensor = { dtype: tensor.dtype === 'bool' ? 'uint8' : 'bool', shape: [1], data: new Uint8Array(1) };
    await expectCode(run(missing), 'E_BAD_REQUEST');
    await expectCode(run({ ...good, never_an_input: tensor }), 'E_BAD_REQUEST');
    await expectCode(run({ ...good, [name]: otherDtype }), 'E_BAD_REQUEST');
    await expectCode(run({ ...good, [name]: { ...tensor, shape: [...tensor.shape, 7] } }), 'E_BAD_REQUEST');
    await expectCode(run(good, AbortSignal.abort()), 'E_CANCELLED');
    expect(Object.keys((await run(good)).outputs).length).toBeGreaterThan(0);
  });
}

function disposalSuite(load: () => Promise<LoadedEngine>): void {
  it('ends calls in flight with a coded error, refuses new ones, and may be disposed again', async () => {
    const loaded = await load();
    const feature = loaded.info.features[0] as EngineFeature;
    const inFlight = callFeature(loaded, feature).then(
      () => 'done',
      (error: unknown) => (EdgeError.is(error) ? error.code : error),
    );
    await loaded.engine[Symbol.asyncDispose]();
    expect(['done', 'E_SHUTTING_DOWN']).toContain(await inFlight);
    await expectCode(callFeature(loaded, feature), 'E_SHUTTING_DOWN');
    await loaded.engine[Symbol.asyncDispose]();
  });
}

function badFileSuite(load: Loader, spec: () => LoadSpec): void {
  const withWeights = (path: string): LoadSpec => {
    const good = spec();
    return { ...good, stored: { ...good.stored, files: { ...good.stored.files, weights: path } } };
  };
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'nearside-backend-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('is missing', async () => {
    await expectCode(load(withWeights(join(folder, 'none'))), 'E_MODEL_NOT_STORED');
  });

  const files: Readonly<Record<string, () => Promise<Buffer>>> = {
    empty: async () => Buffer.alloc(0),
    noise: async () => Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919) % 251)),
    'an error page': async () => Buffer.from('<html>\0 404 Not Found</html>'),
    'cut in the middle': async () => {
      const whole = await readFile(spec().stored.files.weights ?? '');
      return whole.subarray(0, Math.floor(whole.length / 2));
    },
  };
  it.for(Object.keys(files))('is %s', async (name, { skip }) => {
    if (name === 'cut in the middle' && spec().backend === 'fake') skip('half a list of words is a list of words');
    const path = join(folder, name.replaceAll(' ', '-'));
    await writeFile(path, (await files[name]?.()) ?? '');
    const error = await load(withWeights(path)).then(
      () => 'it loaded',
      (reason: unknown) => reason,
    );
    expect(['E_MODEL_CORRUPT', 'E_MODEL_LOAD']).toContain(EdgeError.is(error) ? error.code : error);
    expect((error as EdgeError).message).toContain(spec().stored.model);
  });
}

interface Reply {
  readonly parts: readonly ReplyPart[];
  readonly text: string;
  readonly end: ResponseEnd;
}

/** Reads a whole reply; fails when the stream has no end. */
export async function collect(stream: AsyncIterable<ReplyPart>): Promise<Reply> {
  const parts = await Array.fromAsync(stream);
  const end = parts.at(-1);
  if (end?.type !== 'response-end') throw new TypeError(`the stream ended with ${end?.type ?? 'nothing'}`);
  return { parts, end, text: parts.map((part) => (part.type === 'text-delta' ? part.text : '')).join('') };
}

function callFeature({ engine, info }: LoadedEngine, feature: EngineFeature): Promise<unknown> {
  const model = info.model;
  switch (feature) {
    case 'generate':
      return collect(engine.generate({ model, prompt: 'Once upon a time', maxTokens: 20 }));
    case 'embed':
      return engine.embed({ model, texts: ['text'], purpose: 'plain' });
    case 'token-vectors':
      return engine.embed({ model, texts: ['text'], purpose: 'plain', output: 'tokens' });
    case 'score':
      return engine.score({ model, query: 'query', texts: ['text'] });
    case 'tensors':
      return engine.runTensors({ model, inputs: Object.fromEntries((info.inputs ?? []).map((spec) => [spec.name, onesOf(spec)])) });
  }
}

function engineRef(info: EngineInfo): { engine: string; model: string; variant: string } {
  return { engine: `${info.backend}/${info.provider}`, model: info.model, variant: info.variant };
}

function cosine(a: Float32Array | undefined, b: Float32Array | undefined): number {
  if (!a || !b) return Number.NaN;
  let dot = 0;
  for (let i = 0; i < a.length; i++) dot += (a[i] as number) * (b[i] as number);
  return dot / (Math.hypot(...a) * Math.hypot(...b));
}

const ARRAYS = {
  float32: Float32Array,
  float16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const satisfies Record<TensorDtype, unknown>;

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** A tensor of ones; free dimensions become 2. Ones are a valid token id, mask and segment of every encoder. */
function onesOf(spec: TensorSpec): Tensor {
  const shape = spec.shape.map((size) => (size < 0 ? 2 : size));
  const size = sizeOf(shape);
  return {
    dtype: spec.dtype,
    shape,
    data: spec.dtype === 'int64' ? new BigInt64Array(size).fill(1n) : new ARRAYS[spec.dtype](size).fill(1 as never),
  } as Tensor;
}
