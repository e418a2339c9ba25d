import type { CallOptions } from '#edge/contracts/backend.ts';
import { abortError } from '#edge/core/abort.ts';
import { EdgeError } from '#edge/core/errors.ts';

/** Runs one turn of a graph; whatever LangGraph makes of a failure or of an aborted signal, the caller gets a coded error. */
export async function runTurn<T>(work: () => Promise<T>, { signal }: CallOptions): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (signal?.aborted) throw abortError(signal, 'turn');
    throw EdgeError.from(error, 'turn failed');
  }
}
