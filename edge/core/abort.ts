import { EdgeError } from './errors.ts';

/** The error an aborted call fails with: the signal's own coded reason, else `E_CANCELLED`. */
export function abortError(signal: AbortSignal, what = 'call'): EdgeError {
  if (EdgeError.is(signal.reason)) return signal.reason;
  return new EdgeError('E_CANCELLED', { what: `${what} was cancelled`, cause: signal.reason });
}

/** Throws {@link abortError} when the signal is aborted. */
export function throwIfAborted(signal: AbortSignal | undefined, what?: string): void {
  if (signal?.aborted) throw abortError(signal, what);
}

/** The promise, or {@link abortError} when the signal fires first; what the promise stands for goes on. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined, what?: string): Promise<T> {
  if (!signal) return promise;
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(abortError(signal, what));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** A signal that fires with `E_DEADLINE` after `ms`, or with the given signal, whichever comes first. Dispose it to stop its timer. */
export function withDeadline(ms: number, what: string, signal?: AbortSignal): { signal: AbortSignal; [Symbol.dispose](): void } {
  const deadline = new AbortController();
  const timer = setTimeout(
    () => deadline.abort(new EdgeError('E_DEADLINE', { what, expected: `an end within ${ms} ms`, found: 'none' })),
    ms,
  );
  timer.unref();
  return {
    signal: signal ? AbortSignal.any([signal, deadline.signal]) : deadline.signal,
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}
