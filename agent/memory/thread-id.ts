import type { BotId } from '#edge/contracts/bot.ts';

/** The LangGraph thread of a bot's session: two bots that are given one session id never read each other's state. */
export function threadIdOf(bot: BotId, sessionId: string): string {
  return `${bot}/${sessionId}`;
}
