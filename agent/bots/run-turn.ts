import type { BotTurn } from '#agent/bot.ts';
import type { CallOptions } from '#edge/contracts/backend.ts';
import { abortError } from '#edge/core/abort.ts';
import { EdgeError } from '#edge/core/errors.ts';

/** Characters of a message that the rule-based bots read: far more than anybody types, little enough for every pattern to be quick. */
const MAX_MESSAGE = 4000;

/**
 * Runs one turn of a graph; whatever LangGraph makes of a failure or of an aborted signal, the caller gets a coded error.
 * @throws EdgeError `E_CONTEXT_OVERFLOW` for a message of more than 4,000 characters, `E_CANCELLED`, and those of the runtime and storage.
 */
export async function runTurn<T>(turn: BotTurn, work: () => Promise<T>, { signal }: CallOptions): Promise<T> {
  if (turn.text.length > MAX_MESSAGE) {
    throw new EdgeError('E_CONTEXT_OVERFLOW', {
      what: 'cannot read the message',
      expected: `at most ${MAX_MESSAGE} characters`,
      found: String(turn.text.length),
      hint: 'Say what you need in a few sentences.',
    });
  }
  try {
    return await work();
  } catch (error) {
    if (signal?.aborted) throw abortError(signal, 'turn');
    throw EdgeError.from(error, 'turn failed');
  }
}
