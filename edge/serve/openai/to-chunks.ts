/** The internal stream of an answer to OpenAI's chat completion, streamed or whole: pure functions. */
import type { Usage } from '#edge/contracts/generate.ts';
import type { Citation, EngineRef, FinishReason, ReplyItem, ReplyPart, ResponseEnd, Rung, Timings } from '#edge/contracts/parts.ts';
import { EdgeError } from '#edge/core/errors.ts';

export interface ReplyMeta {
  /** `chatcmpl_...`, one for all chunks. */
  readonly id: string;
  /** The model as the client named it. */
  readonly model: string;
  /** Seconds since 1970. */
  readonly created: number;
  readonly includeUsage: boolean;
}

/**
 * What OpenAI's format has no place for, beside `choices` of a chunk or of a whole completion. In a stream a citation comes
 * as soon as it is known, `status` before the first text, and the chunk with the finish reason carries everything else.
 */
export interface NearsideExtension {
  readonly citations?: readonly Citation[];
  /** Rung of the answer ladder that gave the answer. */
  readonly rung?: Rung;
  readonly items?: readonly ReplyItem[];
  /** Send it back to go on with this conversation. */
  readonly session_id?: string;
  readonly engine?: EngineRef;
  readonly timings?: Timings;
  readonly usage?: Usage;
  readonly status?: string;
}

interface WireToolCall {
  readonly index?: number;
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: string };
}

export interface WireUsage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
}

type WireFinishReason = 'stop' | 'length' | 'tool_calls';

export interface ChatChunk {
  readonly id: string;
  readonly object: 'chat.completion.chunk';
  readonly created: number;
  readonly model: string;
  readonly choices: readonly {
    readonly index: 0;
    readonly delta: { readonly role?: 'assistant'; readonly content?: string; readonly tool_calls?: readonly WireToolCall[] };
    readonly finish_reason: WireFinishReason | null;
    readonly logprobs: null;
  }[];
  readonly usage?: WireUsage | null;
  readonly nearside?: NearsideExtension;
}

export interface ChatCompletion {
  readonly id: string;
  readonly object: 'chat.completion';
  readonly created: number;
  readonly model: string;
  readonly choices: readonly {
    readonly index: 0;
    readonly message: {
      readonly role: 'assistant';
      readonly content: string;
      readonly refusal: null;
      readonly tool_calls?: readonly WireToolCall[];
    };
    readonly finish_reason: WireFinishReason;
    readonly logprobs: null;
  }[];
  readonly usage: WireUsage;
  readonly nearside: NearsideExtension;
}

const FINISH_REASONS: Readonly<Record<FinishReason, WireFinishReason>> = { stop: 'stop', length: 'length', 'tool-calls': 'tool_calls' };

/**
 * Renders an answer chunk by chunk.
 * @throws EdgeError `E_INTERNAL` when the answer ends without `response-end`, and whatever the parts throw.
 */
export async function* toChunks(parts: AsyncIterable<ReplyPart>, meta: ReplyMeta): AsyncGenerator<ChatChunk> {
  const head = { id: meta.id, object: 'chat.completion.chunk', created: meta.created, model: meta.model } as const;
  const usage = meta.includeUsage ? { usage: null } : {};
  const chunk = (
    delta: ChatChunk['choices'][number]['delta'],
    nearside?: NearsideExtension,
    finish: WireFinishReason | null = null,
  ): ChatChunk => ({
    ...head,
    choices: [{ index: 0, delta, finish_reason: finish, logprobs: null }],
    ...usage,
    ...(nearside ? { nearside } : {}),
  });
  const citations: Citation[] = [];
  let toolCalls = 0;
  let opened = false;
  for await (const part of parts) {
    if (!opened) yield chunk({ role: 'assistant', content: '' });
    opened = true;
    switch (part.type) {
      case 'text-delta':
        yield chunk({ content: part.text });
        break;
      case 'citation':
        citations.push(part.citation);
        yield chunk({}, { citations: [part.citation] });
        break;
      case 'status':
        yield chunk({}, { status: part.text });
        break;
      case 'tool-call':
        yield chunk({ tool_calls: [{ index: toolCalls++, ...toToolCall(part) }] });
        break;
      case 'response-end':
        yield chunk({}, toExtension(part, citations), FINISH_REASONS[part.finishReason]);
        if (meta.includeUsage) yield { ...head, choices: [], usage: toUsage(part.usage) };
        return;
    }
  }
  throw cutAnswer();
}

/**
 * Gathers an answer into one completion.
 * @throws EdgeError `E_INTERNAL` when the answer ends without `response-end`, and whatever the parts throw.
 */
export async function toCompletion(parts: AsyncIterable<ReplyPart>, meta: ReplyMeta): Promise<ChatCompletion> {
  let content = '';
  const citations: Citation[] = [];
  const toolCalls: WireToolCall[] = [];
  for await (const part of parts) {
    if (part.type === 'text-delta') content += part.text;
    if (part.type === 'citation') citations.push(part.citation);
    if (part.type === 'tool-call') toolCalls.push(toToolCall(part));
    if (part.type !== 'response-end') continue;
    const message = { role: 'assistant', content, refusal: null, ...(toolCalls.length > 0 ? { tool_calls: toolCalls } : {}) } as const;
    return {
      id: meta.id,
      object: 'chat.completion',
      created: meta.created,
      model: meta.model,
      choices: [{ index: 0, message, finish_reason: FINISH_REASONS[part.finishReason], logprobs: null }],
      usage: toUsage(part.usage),
      nearside: toExtension(part, citations),
    };
  }
  throw cutAnswer();
}

/** Timings as a `Server-Timing` header (W3C Server Timing). */
export function toServerTiming(timings: Timings): string {
  const phases = {
    total: timings.totalMs,
    queue: timings.queueMs,
    load: timings.loadMs,
    retrieval: timings.retrievalMs,
    prefill: timings.prefillMs,
    ttft: timings.firstTokenMs,
    decode: timings.decodeMs,
  };
  return Object.entries(phases)
    .flatMap(([name, ms]) => (ms === undefined ? [] : [`${name};dur=${ms.toFixed(1)}`]))
    .join(', ');
}

function toExtension(end: ResponseEnd, citations: readonly Citation[]): NearsideExtension {
  return {
    ...(citations.length > 0 ? { citations } : {}),
    ...(end.rung ? { rung: end.rung } : {}),
    ...(end.items ? { items: end.items } : {}),
    ...(end.sessionId === undefined ? {} : { session_id: end.sessionId }),
    ...(end.engine ? { engine: end.engine } : {}),
    timings: end.timings,
    usage: end.usage,
  };
}

function toUsage({ promptTokens, completionTokens, cachedTokens }: Usage): WireUsage {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
}

function toToolCall(part: Extract<ReplyPart, { type: 'tool-call' }>): WireToolCall {
  return { id: part.id, type: 'function', function: { name: part.name, arguments: part.arguments } };
}

function cutAnswer(): EdgeError {
  return new EdgeError('E_INTERNAL', { what: 'the answer broke off', expected: 'a last part "response-end"', found: 'none' });
}
