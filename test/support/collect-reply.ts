import type { Bot } from '#agent/bot.ts';
import type { CallOptions } from '#edge/contracts/backend.ts';
import type { Citation, ReplyPart, ResponseEnd } from '#edge/contracts/parts.ts';

export interface CollectedReply {
  readonly text: string;
  readonly citations: readonly Citation[];
  readonly end: ResponseEnd;
  readonly parts: readonly ReplyPart[];
}

/** One turn of a bot, gathered; the stream must end with `response-end`. */
export async function collectReply(bot: Bot, sessionId: string, text: string, options?: CallOptions): Promise<CollectedReply> {
  const parts = await Array.fromAsync(bot.reply({ sessionId, text, history: [] }, options));
  const end = parts.at(-1);
  if (end?.type !== 'response-end') throw new Error(`the reply ended with ${end?.type ?? 'nothing'}`);
  return {
    text: parts.flatMap((part) => (part.type === 'text-delta' ? [part.text] : [])).join(''),
    citations: parts.flatMap((part) => (part.type === 'citation' ? [part.citation] : [])),
    end,
    parts,
  };
}
