import type { Usage } from './generate.ts';

export const FINISH_REASONS = ['stop', 'length', 'tool-calls'] as const;
export type FinishReason = (typeof FINISH_REASONS)[number];

/** Rungs of the answer ladder, best supported first; every bot reply carries the rung it stopped on. */
export const RUNGS = ['faq', 'quote', 'template', 'generated', 'abstain'] as const;
export type Rung = (typeof RUNGS)[number];

/** A quoted span of a document. `text === documentText.slice(start, end)`. */
export interface Citation {
  /** 1-based number that the answer shows as `[1]`. */
  readonly number: number;
  /** Id of the document in the index. */
  readonly documentId: string;
  /** Where the document came from: a path, a URL or `demo/policies/returns.md`. */
  readonly source: string;
  readonly title: string;
  /** First character of the quote in the document's text, 0-based. */
  readonly start: number;
  /** One past the last character. */
  readonly end: number;
  readonly text: string;
  /** 1-based page, for paged formats. */
  readonly page?: number;
  /** Document text right before and after the quote (at most 400 characters each), so that a client can show it in context. */
  readonly before?: string;
  readonly after?: string;
}

/** Where the milliseconds of one answer went. All wall-clock, absent when the phase did not happen. */
export interface Timings {
  readonly totalMs: number;
  /** Time to the first text, from the arrival of the request. */
  readonly firstTokenMs?: number;
  readonly queueMs?: number;
  readonly loadMs?: number;
  readonly retrievalMs?: number;
  readonly prefillMs?: number;
  readonly decodeMs?: number;
  /** Decode speed, tokens after the first / second. */
  readonly tokensPerSecond?: number;
}

/** What answered. */
export interface EngineRef {
  /** Backend and execution provider, such as `llama/cpu`. */
  readonly engine: string;
  readonly model: string;
  readonly variant: string;
}

/** The last part of every complete answer. A stream that ends without it was cut. */
export interface ResponseEnd {
  readonly type: 'response-end';
  readonly finishReason: FinishReason;
  readonly usage: Usage;
  readonly timings: Timings;
  /** Absent when no model took part (an FAQ match, a refusal). */
  readonly engine?: EngineRef;
  readonly rung?: Rung;
  /** Session that remembers this turn, for bots. */
  readonly sessionId?: string;
  /** Structured items a bot showed, such as products; rendered by clients that know them. */
  readonly items?: readonly ReplyItem[];
}

/** A product, an order ... that the text names; every field comes from a database, never from a model. */
export interface ReplyItem {
  readonly kind: 'product' | 'order' | 'ticket';
  readonly id: string;
  readonly title: string;
  readonly fields: Readonly<Record<string, string | number | boolean>>;
}

/** The one internal stream of an answer; wire formats are renderings of it. */
export type ReplyPart =
  | { readonly type: 'text-start' }
  | { readonly type: 'text-delta'; readonly text: string }
  | { readonly type: 'text-end' }
  | { readonly type: 'tool-call'; readonly id: string; readonly name: string; readonly arguments: string }
  | { readonly type: 'citation'; readonly citation: Citation }
  /** A short note on what is going on: `loading smollm2-135m-instruct`. */
  | { readonly type: 'status'; readonly text: string }
  | ResponseEnd;
