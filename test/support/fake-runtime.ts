import { createHash } from 'node:crypto';
import type { CallOptions } from '#edge/contracts/backend.ts';
import type { EmbedRequest, EmbedResponse } from '#edge/contracts/embed.ts';
import type { GenerateRequest, Usage } from '#edge/contracts/generate.ts';
import type { Task } from '#edge/contracts/model.ts';
import type { ReplyPart } from '#edge/contracts/parts.ts';
import type { Candidate, Plan } from '#edge/contracts/plan.ts';
import type { EngineStatus, ModelSummary, RuntimePort } from '#edge/contracts/runtime.ts';
import type { ScoreResponse } from '#edge/contracts/score.ts';
import type { TensorResponse } from '#edge/contracts/tensor.ts';
import { throwIfAborted } from '#edge/core/abort.ts';
import { EdgeError } from '#edge/core/errors.ts';

export interface FakeRuntimeOptions {
  /** What `generate` answers, cut into words. Defaults to an echo of the last message. */
  readonly answer?: (request: GenerateRequest) => string;
  /** What stands for the task `embed` now. Defaults to variant `fake` of a model `embed`. */
  readonly embedder?: () => { readonly model: string; readonly variant: string };
  /** Makes every call fail with this. */
  readonly failure?: EdgeError;
}

const DIMENSIONS = 64;

/**
 * A `RuntimePort` without models: vectors are hashed bags of words (so texts that share words are near), answers are
 * scripted. Deterministic; records its calls.
 */
export class FakeRuntime implements RuntimePort {
  readonly embedRequests: EmbedRequest[] = [];
  readonly generateRequests: GenerateRequest[] = [];
  readonly #options: FakeRuntimeOptions;

  constructor(options: FakeRuntimeOptions = {}) {
    this.#options = options;
  }

  async *generate(request: GenerateRequest, options: CallOptions = {}): AsyncGenerator<ReplyPart> {
    this.generateRequests.push(request);
    if (this.#options.failure) throw this.#options.failure;
    const answer = this.#options.answer?.(request) ?? request.messages?.at(-1)?.content ?? request.prompt ?? '';
    const words = answer.split(/(?<= )/);
    yield { type: 'text-start' };
    for (const text of words) {
      throwIfAborted(options.signal, 'generation');
      yield { type: 'text-delta', text };
    }
    yield { type: 'text-end' };
    const usage: Usage = { promptTokens: 7, completionTokens: words.length, cachedTokens: 2 };
    yield { type: 'response-end', finishReason: 'stop', usage, timings: { totalMs: 1 }, engine: this.#engine(request.model) };
  }

  async embed(request: EmbedRequest, options: CallOptions = {}): Promise<EmbedResponse> {
    this.embedRequests.push(request);
    throwIfAborted(options.signal, 'embedding');
    if (this.#options.failure) throw this.#options.failure;
    return {
      vectors: request.texts.map(hashVector),
      dimensions: DIMENSIONS,
      promptTokens: request.texts.length,
      truncated: 0,
      engine: this.#engine(request.model),
    };
  }

  score(): Promise<ScoreResponse> {
    return Promise.reject(new EdgeError('E_UNSUPPORTED', { what: 'the fake runtime scores nothing' }));
  }

  runTensors(): Promise<TensorResponse> {
    return Promise.reject(new EdgeError('E_UNSUPPORTED', { what: 'the fake runtime runs no tensors' }));
  }

  listModels(): Promise<readonly ModelSummary[]> {
    return Promise.resolve([]);
  }

  listEngines(): Promise<readonly EngineStatus[]> {
    return Promise.resolve([]);
  }

  /** A plan with a choice of engine; it has no candidates. */
  plan(task: Task): Promise<Plan> {
    const chosen = { ...this.#embedder(), id: 'fake' } as Candidate;
    return Promise.resolve({ task, profile: 'latency', chosen, because: 'a fake', candidates: [], fallbacks: [], budgetBytes: 0 });
  }

  #embedder(): { readonly model: string; readonly variant: string } {
    return this.#options.embedder?.() ?? { model: 'embed', variant: 'fake' };
  }

  #engine(name: string): { engine: string; model: string; variant: string } {
    if (name === 'embed') return { engine: 'fake/cpu', ...this.#embedder() };
    const [model = '', variant = 'fake'] = name.split(':');
    return { engine: 'fake/cpu', model, variant };
  }
}

/** A unit vector whose direction follows the words of the text. */
export function hashVector(text: string): Float32Array {
  const vector = new Float32Array(DIMENSIONS);
  for (const word of text.toLowerCase().match(/[a-z0-9]+/g) ?? []) {
    const digest = createHash('sha256').update(word).digest();
    for (let index = 0; index < 4; index++) {
      const position = digest[index] as number;
      vector[position % DIMENSIONS] = (vector[position % DIMENSIONS] as number) + (position & 64 ? 1 : -1);
    }
  }
  const length = Math.hypot(...vector) || 1;
  return vector.map((value) => value / length);
}
