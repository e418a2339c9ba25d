/** The running device over its own HTTP API, as the ports that commands use. */
import type { BotPort, BotRequest, IngestPart } from '#edge/contracts/bot.ts';
import { NO_USAGE } from '#edge/contracts/generate.ts';
import type { Citation, ReplyPart, ResponseEnd } from '#edge/contracts/parts.ts';
import type { Progress } from '#edge/contracts/progress.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { NearsideExtension } from '#edge/serve/openai/to-chunks.ts';
import type { TelemetryStatus } from '#edge/telemetry/telemetry.ts';
import type { DeviceClient } from './device-port.ts';

interface WireChunk {
  readonly choices: readonly { readonly delta: { readonly content?: string }; readonly finish_reason: string | null }[];
  readonly nearside?: NearsideExtension;
}

export class HttpDevice implements DeviceClient {
  readonly bots: BotPort;
  readonly #url: string;
  readonly #key: string | undefined;

  /** @param key - one of the device's keys, when it has any */
  constructor(url: string, key: string | undefined) {
    this.#url = url;
    this.#key = key;
    this.bots = {
      listBots: async () => (await this.#json<{ bots: Awaited<ReturnType<BotPort['listBots']>> }>('/api/v1/bots')).bots,
      reply: (request, options) => this.#reply(request, options?.signal),
      addDocuments: (request, options) => this.#events<IngestPart>('/api/v1/documents', request, options?.signal),
      listDocuments: async () =>
        (await this.#json<{ documents: Awaited<ReturnType<BotPort['listDocuments']>> }>('/api/v1/documents')).documents,
      removeDocuments: (names) => this.#removeDocuments(names),
      reindexDocuments: (options) => this.#events<Progress>('/api/v1/documents/reindex', {}, options?.signal),
      listSessions: async () => (await this.#json<{ sessions: Awaited<ReturnType<BotPort['listSessions']>> }>('/api/v1/sessions')).sessions,
      readSession: async (id) =>
        (await this.#json<{ messages: Awaited<ReturnType<BotPort['readSession']>> }>(`/api/v1/sessions/${encodeURIComponent(id)}`))
          .messages,
      deleteSession: async (id) => void (await this.#send('DELETE', `/api/v1/sessions/${encodeURIComponent(id)}`)),
      addFeedback: async (request) => void (await this.#send('POST', '/api/v1/feedback', request)),
    };
  }

  telemetryStatus(): Promise<TelemetryStatus> {
    return this.#json('/api/v1/telemetry');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Nothing is held: every call has its own connection.
  }

  async #removeDocuments(names: readonly string[]): Promise<{ removed: number }> {
    let removed = 0;
    for (const name of names) {
      const response = await this.#send('DELETE', `/api/v1/documents/${encodeURIComponent(name)}`);
      removed += ((await response.json()) as { removed: number }).removed;
    }
    return { removed };
  }

  /** Back from OpenAI's chunks to the internal parts. */
  async *#reply({ bot, messages, sessionId }: BotRequest, signal?: AbortSignal): AsyncGenerator<ReplyPart, void, undefined> {
    const body = { model: `bot/${bot}`, messages, stream: true, ...(sessionId ? { nearside: { session_id: sessionId } } : {}) };
    const shown = new Set<number>();
    yield { type: 'text-start' };
    for await (const { choices, nearside } of this.#events<WireChunk>('/v1/chat/completions', body, signal)) {
      const choice = choices[0];
      if (nearside?.status) yield { type: 'status', text: nearside.status };
      if (choice?.delta.content) yield { type: 'text-delta', text: choice.delta.content };
      for (const citation of nearside?.citations ?? []) yield* once(citation, shown);
      if (choice?.finish_reason) {
        yield { type: 'text-end' };
        yield toEnd(choice.finish_reason, nearside ?? {});
      }
    }
  }

  async #json<T>(path: string): Promise<T> {
    return (await (await this.#send('GET', path)).json()) as T;
  }

  /** Server-sent events, one JSON value each; an error event is thrown. */
  async *#events<T extends object>(path: string, body: unknown, signal?: AbortSignal): AsyncGenerator<T, void, undefined> {
    const response = await this.#send('POST', path, body, signal);
    let buffer = '';
    for await (const text of this.#textOf(response, signal)) {
      buffer += text;
      const events = buffer.split('\n\n');
      buffer = events.pop() ?? '';
      for (const event of events) {
        if (!event.startsWith('data: ') || event === 'data: [DONE]') continue;
        const value = JSON.parse(event.slice(6)) as { error?: WireFailure };
        if (value.error) throw toError(value.error);
        yield value as T;
      }
    }
  }

  async *#textOf(response: Response, signal: AbortSignal | undefined): AsyncGenerator<string> {
    try {
      yield* (response.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream());
    } catch (error) {
      throw this.#gone('went away before the end', error, signal);
    }
  }

  async #send(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
    const response = await fetch(this.#url + path, {
      method,
      headers: { ...(body ? { 'content-type': 'application/json' } : {}), ...(this.#key ? { authorization: `Bearer ${this.#key}` } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
      ...(signal ? { signal } : {}),
    }).catch((error: unknown) => {
      throw this.#gone('does not answer', error, signal);
    });
    if (response.ok) return response;
    const failure = ((await response.json().catch(() => ({}))) as { error?: WireFailure }).error;
    throw toError(failure ?? { message: `the device answered ${response.status}` });
  }

  /** What a broken connection is told as; a call that was stopped here keeps its own reason. */
  #gone(how: string, cause: unknown, signal: AbortSignal | undefined): unknown {
    if (signal?.aborted) return cause;
    return new EdgeError('E_SHUTTING_DOWN', { what: `the device at ${this.#url} ${how}`, cause, hint: 'It may be stopping: try again.' });
  }
}

interface WireFailure {
  readonly code?: string;
  readonly message: string;
  readonly hint?: string;
}

function toError({ code = 'E_INTERNAL', message, hint }: WireFailure): EdgeError {
  return EdgeError.fromJSON({ code, message, hint });
}

/** A citation comes when it is known and again with the last chunk. */
function* once(citation: Citation, shown: Set<number>): Generator<ReplyPart> {
  if (shown.has(citation.number)) return;
  shown.add(citation.number);
  yield { type: 'citation', citation };
}

function toEnd(finishReason: string, extension: NearsideExtension): ResponseEnd {
  return {
    type: 'response-end',
    finishReason: finishReason === 'length' ? 'length' : finishReason === 'tool_calls' ? 'tool-calls' : 'stop',
    usage: extension.usage ?? NO_USAGE,
    timings: extension.timings ?? { totalMs: 0 },
    ...(extension.engine ? { engine: extension.engine } : {}),
    ...(extension.rung ? { rung: extension.rung } : {}),
    ...(extension.items ? { items: extension.items } : {}),
    ...(extension.session_id === undefined ? {} : { sessionId: extension.session_id }),
  };
}
