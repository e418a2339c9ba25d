/** The work of the fake engine: texts, vectors and scores that depend on nothing but the input. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { CallOptions, EngineInfo, LoadSpec } from '#edge/contracts/backend.ts';
import type { EmbedRequest, EmbedResponse, TokenVectors } from '#edge/contracts/embed.ts';
import type { GenerateRequest } from '#edge/contracts/generate.ts';
import type { EngineRef, ReplyPart, Timings } from '#edge/contracts/parts.ts';
import type { ScoreRequest, ScoreResponse } from '#edge/contracts/score.ts';
import { throwIfAborted } from '#edge/core/abort.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { Pool } from '#edge/core/pool.ts';
import { StopStrings } from '#edge/core/stop-strings.ts';
import { commit, type Fault, faultsIn } from './fake-faults.ts';
import { drawFromGrammar } from './fake-grammar.ts';
import { drawFromSchema } from './fake-json.ts';
import { hashText, pick, randomFrom } from './fake-random.ts';

/** Steps before a fault strikes a generation, so that it strikes in mid-stream. */
const FAULT_AFTER_TOKENS = 3;
const WORD = /[\p{L}\p{N}]+|[^\s\p{L}\p{N}]/gu;
const DEFAULT_DIMENSIONS = 32;
/** Words of a text that no `maxTokens` bounds. */
const ANSWER_WORDS = 40;

/** One prefix cache, as a sequence of a real engine has one. */
interface Sequence {
  cached: readonly string[];
}

export class FakeSession {
  readonly #spec: LoadSpec;
  readonly #info: EngineInfo;
  readonly #words: readonly string[];
  readonly #sequences: Pool<Sequence>;

  constructor(spec: LoadSpec, info: EngineInfo, words: readonly string[]) {
    this.#spec = spec;
    this.#info = info;
    this.#words = words;
    this.#sequences = new Pool<Sequence>(Array.from({ length: Math.max(1, spec.sequences) }, () => ({ cached: [] })));
  }

  async *generate(request: GenerateRequest, { signal }: CallOptions): AsyncGenerator<ReplyPart, void, undefined> {
    const startedAt = performance.now();
    const prompt = request.prompt ?? (request.messages ?? []).map((message) => `${message.role}: ${message.content}\n`).join('');
    const tokens = tokensOf(prompt);
    const room = this.#info.contextTokens - tokens.length;
    if (room < 1) throw overflow(tokens.length, this.#info.contextTokens);
    using lease = await this.#sequences.acquire(signal);
    const queueMs = performance.now() - startedAt;
    const cachedTokens = Math.min(commonPrefix(lease.item.cached, tokens), tokens.length - 1);
    lease.item.cached = tokens;

    const whole = this.#textFor(request, prompt);
    const limit = Math.min(room, request.maxTokens ?? whole.length);
    const faults = faultsIn(prompt);
    const stops = new StopStrings(request.stop ?? []);
    let completionTokens = 0;
    let finishReason: 'stop' | 'length' = 'stop';
    let firstTokenMs: number | undefined;
    yield { type: 'text-start' };
    for (const token of whole) {
      if (completionTokens === limit) {
        finishReason = 'length';
        break;
      }
      await step(completionTokens >= FAULT_AFTER_TOKENS ? faults : faults.filter((fault) => fault === '[slow]'));
      throwIfAborted(signal, 'generate');
      completionTokens++;
      firstTokenMs ??= performance.now() - startedAt;
      const shown = stops.push(token);
      if (shown.text) yield { type: 'text-delta', text: shown.text };
      if (shown.stopped) break;
    }
    const rest = stops.flush();
    if (rest) yield { type: 'text-delta', text: rest };
    yield { type: 'text-end' };
    yield {
      type: 'response-end',
      finishReason,
      usage: { promptTokens: tokens.length, completionTokens, cachedTokens },
      timings: timingsOf(performance.now() - startedAt, queueMs, firstTokenMs, completionTokens),
      engine: this.#ref,
    };
  }

  async embed(request: EmbedRequest, { signal }: CallOptions): Promise<EmbedResponse> {
    const { embedding } = this.#spec;
    const dimensions = embedding?.dimensions ?? DEFAULT_DIMENSIONS;
    const prefix = { plain: '', query: embedding?.queryPrefix ?? '', passage: embedding?.passagePrefix ?? '' }[request.purpose];
    const vectors: Float32Array[] = [];
    const tokenVectors: TokenVectors[] = [];
    let promptTokens = 0;
    let truncated = 0;
    for (const text of request.texts) {
      await step(faultsIn(text));
      throwIfAborted(signal, 'embed');
      const all = wordsOf(text);
      const tokens = all.slice(0, this.#info.contextTokens);
      promptTokens += tokens.length;
      if (tokens.length < all.length) truncated++;
      vectors.push(sumOf([...wordsOf(prefix), ...tokens], dimensions));
      if (request.output === 'tokens') tokenVectors.push(vectorsOf(tokens, dimensions));
    }
    return {
      vectors,
      ...(request.output === 'tokens' ? { tokenVectors } : {}),
      dimensions,
      promptTokens,
      truncated,
      engine: this.#ref,
    };
  }

  async score(request: ScoreRequest, { signal }: CallOptions): Promise<ScoreResponse> {
    const query = sumOf(wordsOf(request.query), DEFAULT_DIMENSIONS);
    const scores: number[] = [];
    let promptTokens = 0;
    for (const text of request.texts) {
      await step(faultsIn(text));
      throwIfAborted(signal, 'score');
      promptTokens += wordsOf(request.query).length + wordsOf(text).length;
      scores.push(dot(query, sumOf(wordsOf(text), DEFAULT_DIMENSIONS)));
    }
    return { scores, promptTokens, engine: this.#ref };
  }

  get #ref(): EngineRef {
    const { backend, provider, model, variant } = this.#info;
    return { engine: `${backend}/${provider}`, model, variant };
  }

  /** The whole answer, cut into tokens of up to four characters that respect no word border. */
  #textFor(request: GenerateRequest, prompt: string): readonly string[] {
    const { temperature = 0.7, seed = 0 } = request.sampling ?? {};
    const random = randomFrom(hashText(`${this.#info.model}\n${prompt}`) ^ (temperature === 0 ? 0 : hashText(`seed ${seed}`)));
    if (request.grammar !== undefined) return piecesOf(drawFromGrammar(request.grammar, random));
    if (request.jsonSchema) return piecesOf(JSON.stringify(drawFromSchema(request.jsonSchema, this.#words, random)));
    const length = request.maxTokens === undefined ? ANSWER_WORDS : Math.min(request.maxTokens, this.#info.contextTokens) * 4;
    return piecesOf(`${Array.from({ length }, () => pick(this.#words, random)).join(' ')}.`);
  }
}

/** The first token counts as the work of reading the prompt, as in a real engine. */
function timingsOf(totalMs: number, queueMs: number, firstTokenMs: number | undefined, completionTokens: number): Timings {
  const decodeMs = totalMs - (firstTokenMs ?? totalMs);
  return {
    totalMs,
    queueMs,
    prefillMs: totalMs - queueMs - decodeMs,
    decodeMs,
    ...(firstTokenMs === undefined ? {} : { firstTokenMs }),
    ...(completionTokens > 1 && decodeMs > 0 ? { tokensPerSecond: ((completionTokens - 1) * 1000) / decodeMs } : {}),
  };
}

/** A step of work: faults strike here, and the event loop gets its turn. */
async function step(faults: readonly Fault[]): Promise<void> {
  await commit(faults);
  await nextTurn();
}

function overflow(promptTokens: number, contextTokens: number): EdgeError {
  return new EdgeError('E_CONTEXT_OVERFLOW', {
    what: 'the prompt is longer than the context',
    expected: `at most ${contextTokens - 1} tokens, so that an answer of one fits the ${contextTokens}`,
    found: `${promptTokens}`,
    details: { promptTokens, contextTokens },
  });
}

/** Prompt tokens: up to four characters each, with the white space before them. */
function tokensOf(text: string): readonly string[] {
  return text.match(/\s*\S{1,4}|\s+$/gu) ?? [];
}

function piecesOf(text: string): readonly string[] {
  const signs = [...text];
  return Array.from({ length: Math.ceil(signs.length / 4) }, (_, i) => signs.slice(i * 4, i * 4 + 4).join(''));
}

function wordsOf(text: string): readonly string[] {
  return text.match(WORD) ?? [];
}

/** A pseudo-random direction for each word, the same for all its spellings in upper and lower case. */
function directionOf(word: string, dimensions: number): Float32Array {
  const random = randomFrom(hashText(word.toLowerCase()));
  return unit(Float32Array.from({ length: dimensions }, () => random() + random() + random() - 1.5));
}

function sumOf(words: readonly string[], dimensions: number): Float32Array {
  const sum = new Float32Array(dimensions);
  for (const word of words) {
    for (const [i, value] of directionOf(word, dimensions).entries()) sum[i] = (sum[i] ?? 0) + value;
  }
  return unit(sum);
}

function vectorsOf(words: readonly string[], dimensions: number): TokenVectors {
  const data = new Float32Array(words.length * dimensions);
  for (const [row, word] of words.entries()) data.set(directionOf(word, dimensions), row * dimensions);
  return { data, rows: words.length, tokens: words };
}

function unit(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector) || 1;
  return vector.map((value) => value / length);
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
}

function commonPrefix(a: readonly string[], b: readonly string[]): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return length;
}
