import type { BotInfo, DocumentInfo, FeedbackRequest, SessionInfo } from '#edge/contracts/bot.ts';
import type { EngineStatus } from '#edge/contracts/runtime.ts';
import type { Ledger } from '#edge/contracts/telemetry.ts';
import { DeviceError } from './device-error.ts';
import { readEventData } from './sse.ts';
import type { ChatChunk, ChatRequest, ModelEntry, SessionDetail, WireFailure } from './wire.ts';

const KEY_SLOT = 'nearside.key';

/** The HTTP API of the device that served this page. Every method throws {@link DeviceError}. */
export class DeviceApi {
  /** API key for a device that asks for one (any that is not on loopback); kept in this browser only. */
  setKey(key: string): void {
    localStorage.setItem(KEY_SLOT, key);
  }

  async listBots(): Promise<readonly BotInfo[]> {
    return (await this.#read<{ bots: readonly BotInfo[] }>('api/v1/bots')).bots;
  }

  /** Models that can chat; bots and encoders are left out. */
  async listChatModels(): Promise<readonly ModelEntry[]> {
    const { data } = await this.#read<{ data: readonly ModelEntry[] }>('v1/models');
    return data.filter((entry) => entry.nearside.task === 'generate');
  }

  async listSessions(): Promise<readonly SessionInfo[]> {
    return (await this.#read<{ sessions: readonly SessionInfo[] }>('api/v1/sessions')).sessions;
  }

  async readSession(id: string): Promise<SessionDetail> {
    return this.#read(`api/v1/sessions/${encodeURIComponent(id)}`);
  }

  async deleteSession(id: string): Promise<void> {
    await this.#send('DELETE', `api/v1/sessions/${encodeURIComponent(id)}`);
  }

  async addFeedback(feedback: FeedbackRequest): Promise<void> {
    await this.#send('POST', 'api/v1/feedback', feedback);
  }

  async listDocuments(): Promise<readonly DocumentInfo[]> {
    return (await this.#read<{ documents: readonly DocumentInfo[] }>('api/v1/documents')).documents;
  }

  async listEngines(): Promise<readonly EngineStatus[]> {
    return (await this.#read<{ engines: readonly EngineStatus[] }>('api/v1/engines')).engines;
  }

  async readLedger(): Promise<Ledger> {
    return this.#read('api/v1/telemetry');
  }

  /**
   * Streams one answer, chunk by chunk. Ends after the stream's `[DONE]`; a stream that breaks off before throws
   * `E_STREAM_CUT`, an error event throws what it says. Aborting rejects with the signal's reason.
   */
  async *chat(request: ChatRequest, signal: AbortSignal): AsyncGenerator<ChatChunk> {
    const body = {
      model: request.model,
      messages: request.messages,
      stream: true,
      ...(request.sessionId === undefined ? {} : { nearside: { session_id: request.sessionId } }),
    };
    const response = await this.#send('POST', 'v1/chat/completions', body, signal);
    for await (const data of readEventData(response.body ?? new ReadableStream())) {
      if (data === '[DONE]') return;
      const chunk = JSON.parse(data) as ChatChunk;
      if (chunk.error) throw DeviceError.fromWire(chunk.error);
      yield chunk;
    }
    throw new DeviceError('E_STREAM_CUT', 'The answer broke off before its end.', 'The device may have restarted. Retry.');
  }

  async #read<T>(path: string): Promise<T> {
    return (await (await this.#send('GET', path)).json()) as T;
  }

  async #send(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
    const key = localStorage.getItem(KEY_SLOT);
    const response = await fetch(path, {
      method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    });
    if (response.ok) return response;
    throw DeviceError.fromWire(failureOf(await response.text()), response.status);
  }
}

function failureOf(text: string): WireFailure | undefined {
  try {
    return (JSON.parse(text) as { error?: WireFailure }).error;
  } catch {
    // A proxy in between may answer with a page of its own; the status alone is told then.
    return undefined;
  }
}
