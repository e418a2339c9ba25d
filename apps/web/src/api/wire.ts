/** What the chat reads of the device's HTTP API, which serves the page itself: both are of one version. */
import type { SessionInfo } from '#edge/contracts/bot.ts';
import type { ChatMessage, Usage } from '#edge/contracts/generate.ts';
import type { Citation, EngineRef, ReplyItem, Rung, Timings } from '#edge/contracts/parts.ts';

/** The device's own field of a streamed chunk; a bot's last chunk carries most of it. */
export interface ChunkExtras {
  readonly rung?: Rung;
  readonly citations?: readonly Citation[];
  readonly items?: readonly ReplyItem[];
  readonly session_id?: string;
  readonly engine?: EngineRef;
  readonly timings?: Timings;
  readonly usage?: Usage;
  /** What the device is doing before the first text. */
  readonly status?: string;
}

/** One `data:` line of a streamed chat completion. */
export interface ChatChunk {
  readonly choices?: readonly {
    readonly delta?: { readonly content?: string | null };
    readonly finish_reason?: string | null;
  }[];
  readonly nearside?: ChunkExtras;
  readonly error?: WireFailure;
}

/** A failure as the API reports it, in a response body or in mid-stream. */
export interface WireFailure {
  readonly code?: string | null;
  readonly message?: string;
  readonly hint?: string;
}

/** What the chat sends to `POST /v1/chat/completions`. */
export interface ChatRequest {
  /** `bot/qa` or a model id. */
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  /** Continues a conversation that the device remembers. */
  readonly sessionId?: string;
}

/** A chat model of `GET /v1/models`. */
export interface ModelEntry {
  readonly id: string;
  readonly nearside: { readonly name?: string; readonly task: string };
}

export interface SessionDetail {
  readonly session?: SessionInfo;
  readonly messages: readonly ChatMessage[];
}
