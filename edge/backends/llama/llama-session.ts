/** Generation and scoring on one context of several sequences; each sequence keeps the tokens of its last call as a prefix cache. */
import type { CallOptions } from '#edge/contracts/backend.ts';
import type { GenerateRequest } from '#edge/contracts/generate.ts';
import type { EngineRef, ReplyPart, Timings } from '#edge/contracts/parts.ts';
import type { ScoreRequest, ScoreResponse } from '#edge/contracts/score.ts';
import { throwIfAborted } from '#edge/core/abort.ts';
import { Pool } from '#edge/core/pool.ts';
import { StopStrings } from '#edge/core/stop-strings.ts';
import type { LlamaContext, LlamaContextSequence, LlamaGrammarEvaluationState, NativeModel, Token } from './llama-native.ts';
import { PENALTY_WINDOW, resolveSampling, toGrammarSchema } from './llama-options.ts';
import { PromptTokenizer } from './llama-template.ts';
import { TokenText } from './llama-text.ts';
import { ThreadGovernor } from './llama-threads.ts';

export interface SessionOptions {
  readonly native: NativeModel;
  readonly context: LlamaContext;
  readonly sequences: number;
  readonly contextTokens: number;
  /** Tokens evaluated between two looks at the cancellation signal. */
  readonly prefillChunk: number;
  /** Most threads an evaluation may use. */
  readonly threads: number;
  readonly engine: EngineRef;
}

export class LlamaSession {
  readonly #options: SessionOptions;
  readonly #tokenizer: PromptTokenizer;
  readonly #sequences: Pool<LlamaContextSequence>;
  readonly #governor: ThreadGovernor;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#tokenizer = new PromptTokenizer(options.native, options.contextTokens);
    this.#governor = new ThreadGovernor(options.threads);
    this.#sequences = new Pool(Array.from({ length: options.sequences }, () => options.context.getSequence()));
  }

  async *generate(request: GenerateRequest, { signal }: CallOptions): AsyncGenerator<ReplyPart, void, undefined> {
    const { native, contextTokens, engine } = this.#options;
    const startedAt = performance.now();
    const prompt = this.#tokenizer.prompt(request);
    const grammar = await grammarOf(native, request);
    using lease = await this.#lend(prompt, signal);
    const admittedAt = performance.now();
    const sequence = lease.item;
    const cachedTokens = await keepPrefix(sequence, prompt, prompt.length - 1);
    yield { type: 'text-start' };

    const limit = Math.min(request.maxTokens ?? Number.POSITIVE_INFINITY, contextTokens - prompt.length);
    const recent: Token[] = [];
    const text = new TokenText(native.model, prompt);
    const stops = new StopStrings(request.stop ?? []);
    let finishReason: 'stop' | 'length' = 'stop';
    let completionTokens = 0;
    let prefilledAt: number | undefined;
    let shownAt: number | undefined;
    const last = await this.#prefill(sequence, prompt.slice(cachedTokens), signal);
    let stepAt: number | undefined;
    for await (const token of sequence.evaluate(last, evaluateOptions(request, grammar, recent))) {
      prefilledAt ??= performance.now();
      if (stepAt !== undefined) this.#govern(performance.now() - stepAt);
      throwIfAborted(signal, 'generate');
      completionTokens++;
      recent.push(token);
      if (recent.length > PENALTY_WINDOW) recent.shift();
      const shown = stops.push(text.push(token));
      if (shown.text) {
        shownAt ??= performance.now();
        yield { type: 'text-delta', text: shown.text };
      }
      if (shown.stopped) break;
      if (completionTokens >= limit) {
        finishReason = 'length';
        break;
      }
      stepAt = performance.now();
    }
    const rest = stops.flush();
    if (rest) yield { type: 'text-delta', text: rest };
    yield { type: 'text-end' };
    yield {
      type: 'response-end',
      finishReason,
      usage: { promptTokens: prompt.length, completionTokens, cachedTokens },
      timings: timingsOf({ startedAt, admittedAt, prefilledAt, shownAt, completionTokens }),
      engine,
    };
  }

  async score(request: ScoreRequest, { signal }: CallOptions): Promise<ScoreResponse> {
    const query = this.#tokenizer.plain(request.query, true);
    using lease = await this.#lend(query, signal);
    const scores: number[] = [];
    let promptTokens = 0;
    for (const text of request.texts) {
      const tokens = this.#tokenizer.checkFit([...query, ...this.#tokenizer.plain(text, false)]);
      promptTokens += tokens.length;
      scores.push(await this.#meanLogProbability(lease.item, tokens, query.length, signal));
    }
    return { scores, promptTokens, engine: this.#options.engine };
  }

  /** Mean log-probability of `tokens[from]` and those after it, each given all before it. */
  async #meanLogProbability(
    sequence: LlamaContextSequence,
    tokens: readonly Token[],
    from: number,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const kept = await keepPrefix(sequence, tokens, from - 1);
    for (const chunk of chunksOf(tokens.slice(kept, from - 1), this.#options.prefillChunk)) {
      throwIfAborted(signal, 'score');
      await sequence.evaluateWithoutGeneratingNewTokens(chunk);
    }
    let sum = 0;
    for (let start = from - 1; start < tokens.length - 1; start += this.#options.prefillChunk) {
      throwIfAborted(signal, 'score');
      const end = Math.min(start + this.#options.prefillChunk, tokens.length - 1);
      const results = await sequence.controlledEvaluate(
        tokens.slice(start, end).map((token, i) => {
          const next = tokens[start + i + 1] as Token;
          // The highest logit comes as the top one: the library's `includeMax` leaves it out (3.22.1).
          return [token, { generateNext: { logits: { filter: { tokens: [next], includeTop: 1 } }, totalLogitWeight: true } }];
        }),
      );
      for (const [i, result] of results.entries()) {
        const { logits = new Map<Token, number>(), totalLogitWeight = Number.NaN } = result?.next ?? {};
        const logit = logits.get(tokens[start + i + 1] as Token) ?? Number.NaN;
        // The weight is the sum of exp(logit - highest) over the vocabulary.
        sum += logit - Math.max(...logits.values()) - Math.log(totalLogitWeight);
      }
    }
    return sum / (tokens.length - from);
  }

  #govern(stepMs: number): void {
    const wasOneBetter = this.#governor.isOneBetter;
    this.#governor.observe(stepMs);
    this.#options.native.threads = this.#governor.threads;
    if (this.#governor.isOneBetter !== wasOneBetter) {
      process.stderr.write(`decoding with ${wasOneBetter ? 'all threads again' : 'one thread: a busy neighbour stalls more of them'}\n`);
    }
  }

  /** A free sequence: the one that remembers the longest beginning of these tokens. */
  #lend(tokens: readonly Token[], signal: AbortSignal | undefined): ReturnType<Pool<LlamaContextSequence>['acquire']> {
    return this.#sequences.acquire(signal, (free) => {
      const shared = free.map((sequence) => sequence.compareContextTokens([...tokens]).firstDifferentIndex);
      return shared.indexOf(Math.max(...shared));
    });
  }

  /** Evaluates all but the last chunk, which is returned for the evaluation that draws the first token. */
  async #prefill(sequence: LlamaContextSequence, tokens: readonly Token[], signal: AbortSignal | undefined): Promise<Token[]> {
    const chunks = chunksOf(tokens, this.#options.prefillChunk);
    const last = chunks.pop() ?? [];
    for (const chunk of chunks) {
      throwIfAborted(signal, 'generate');
      await sequence.evaluateWithoutGeneratingNewTokens(chunk);
    }
    throwIfAborted(signal, 'generate');
    return last;
  }
}

/** Erases what the sequence holds beyond the shared beginning, at most `most` tokens of it; returns what is kept. */
async function keepPrefix(sequence: LlamaContextSequence, tokens: readonly Token[], most: number): Promise<number> {
  const shared = Math.min(sequence.compareContextTokens([...tokens]).firstDifferentIndex, most);
  if (sequence.nextTokenIndex > shared) await sequence.eraseContextTokenRanges([{ start: shared, end: sequence.nextTokenIndex }]);
  return sequence.nextTokenIndex;
}

async function grammarOf(native: NativeModel, request: GenerateRequest): Promise<LlamaGrammarEvaluationState | undefined> {
  if (request.grammar !== undefined) return await native.grammar(request.grammar);
  if (request.jsonSchema) return await native.schemaGrammar(toGrammarSchema(request.jsonSchema));
  return undefined;
}

function evaluateOptions(
  request: GenerateRequest,
  grammar: LlamaGrammarEvaluationState | undefined,
  recent: Token[],
): NonNullable<Parameters<LlamaContextSequence['evaluate']>[1]> {
  const { repeatPenalty, ...sampling } = resolveSampling(request.sampling);
  return {
    ...sampling,
    ...(grammar ? { grammarEvaluationState: grammar } : {}),
    ...(repeatPenalty === 1
      ? {}
      : { repeatPenalty: { punishTokens: () => recent, penalty: repeatPenalty, maxPunishTokens: PENALTY_WINDOW } }),
  };
}

interface Moments {
  readonly startedAt: number;
  readonly admittedAt: number;
  readonly prefilledAt: number | undefined;
  readonly shownAt: number | undefined;
  readonly completionTokens: number;
}

function timingsOf({ startedAt, admittedAt, prefilledAt, shownAt, completionTokens }: Moments): Timings {
  const now = performance.now();
  const decodeMs = now - (prefilledAt ?? now);
  return {
    totalMs: now - startedAt,
    queueMs: admittedAt - startedAt,
    prefillMs: (prefilledAt ?? now) - admittedAt,
    decodeMs,
    ...(shownAt === undefined ? {} : { firstTokenMs: shownAt - startedAt }),
    ...(completionTokens > 1 && decodeMs > 0 ? { tokensPerSecond: ((completionTokens - 1) * 1000) / decodeMs } : {}),
  };
}

function chunksOf(tokens: readonly Token[], size: number): Token[][] {
  return Array.from({ length: Math.ceil(tokens.length / size) }, (_, i) => tokens.slice(i * size, (i + 1) * size));
}
