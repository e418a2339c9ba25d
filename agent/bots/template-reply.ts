/** The stream of a reply that a bot wrote out of templates and data, without a generator. */
import { NO_USAGE } from '#edge/contracts/generate.ts';
import type { Citation, EngineRef, ReplyItem, ReplyPart, Rung } from '#edge/contracts/parts.ts';

export interface TemplateReply {
  readonly text: string;
  readonly rung: Rung;
  readonly items?: readonly ReplyItem[];
  readonly citations?: readonly Citation[];
  /** The encoder that ranked or routed, if one did. */
  readonly engine?: EngineRef;
}

/** @param startedAt `performance.now()` at the arrival of the turn. */
export function* streamTemplate(reply: TemplateReply, sessionId: string, startedAt: number): Generator<ReplyPart> {
  const { text, rung, items = [], citations = [], engine } = reply;
  const firstTokenMs = performance.now() - startedAt;
  yield { type: 'text-start' };
  yield { type: 'text-delta', text };
  yield { type: 'text-end' };
  for (const citation of citations) yield { type: 'citation', citation };
  yield {
    type: 'response-end',
    finishReason: 'stop',
    usage: NO_USAGE,
    timings: { totalMs: performance.now() - startedAt, firstTokenMs },
    rung,
    sessionId,
    ...(engine ? { engine } : {}),
    ...(items.length > 0 ? { items } : {}),
  };
}
