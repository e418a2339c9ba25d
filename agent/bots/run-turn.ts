import type { CallOptions } from '#edge/contracts/backend.ts';
import { abortError } from '#edge/core/abort.ts';
import { EdgeError } from '#edge/core/errors.ts';

/** Characters of a message that the bots read: far more than anybody types, little enough for every pattern and search to be quick. */
const MAX_MESSAGE = 4000;

/** Throws `E_PROMPT_EMPTY` for a message without text and `E_CONTEXT_OVERFLOW` for one of more than 4,000 characters. */
export function requireReadable(message: string): void {
  if (message.trim() === '') throw new EdgeError('E_PROMPT_EMPTY', { what: 'the message is empty' });
  if (message.length <= MAX_MESSAGE) return;
  throw new EdgeError('E_CONTEXT_OVERFLOW', {
    what: 'cannot read the message',
    expected: `at most ${MAX_MESSAGE} characters`,
    found: String(message.length),
    hint: 'Say what you need in a few sentences.',
  });
}

/** What the caller of a turn gets, whatever LangGraph made of a failure or of an aborted signal: a coded error. */
export function toTurnError(error: unknown, { signal }: CallOptions): EdgeError {
  return signal?.aborted ? abortError(signal, 'turn') : EdgeError.from(error, 'turn failed');
}

/**
 * Runs one turn of a graph.
 * @throws EdgeError of {@link requireReadable}, `E_CANCELLED`, and those of the runtime and storage.
 */
export async function runTurn<T>(message: string, work: () => Promise<T>, options: CallOptions): Promise<T> {
  requireReadable(message);
  try {
    return await work();
  } catch (error) {
    throw toTurnError(error, options);
  }
}
