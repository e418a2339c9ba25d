import type { Usage } from '#edge/contracts/generate.ts';
import type { Citation, EngineRef, ReplyItem, Rung, Timings } from '#edge/contracts/parts.ts';
import type { DeviceError } from '../api/device-error.ts';
import type { ChatChunk } from '../api/wire.ts';

/** One answer as the page shows it, in any state of its life. */
export interface Answer {
  /** `waiting` until the first text, then `streaming`; the others are final. */
  readonly state: 'waiting' | 'streaming' | 'complete' | 'stopped' | 'failed';
  readonly text: string;
  readonly citations: readonly Citation[];
  readonly items: readonly ReplyItem[];
  /** What the device says it is doing, until text comes. */
  readonly status?: string;
  readonly rung?: Rung;
  readonly engine?: EngineRef;
  readonly timings?: Timings;
  readonly usage?: Usage;
  readonly sessionId?: string;
  readonly error?: DeviceError;
}

export const EMPTY_ANSWER: Answer = { state: 'waiting', text: '', citations: [], items: [] };

/** The answer after one more chunk. Citations may come one by one or all at the end; a number is kept once. */
export function applyChunk(answer: Answer, chunk: ChatChunk): Answer {
  const text = answer.text + (chunk.choices?.[0]?.delta?.content ?? '');
  const { citations = [], session_id, ...extras } = chunk.nearside ?? {};
  return {
    ...answer,
    ...extras,
    state: text === '' ? 'waiting' : 'streaming',
    text,
    citations: mergeCitations(answer.citations, citations),
    ...(session_id === undefined ? {} : { sessionId: session_id }),
  };
}

function mergeCitations(known: readonly Citation[], added: readonly Citation[]): readonly Citation[] {
  if (added.length === 0) return known;
  // A known one wins: the reader may have it open.
  const byNumber = new Map([...added, ...known].map((citation) => [citation.number, citation]));
  return [...byNumber.values()].sort((a, b) => a.number - b.number);
}
