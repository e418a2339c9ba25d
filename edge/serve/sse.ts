import { EdgeError } from '#edge/core/errors.ts';
import type { ServeContext } from './dependencies.ts';
import { toErrorBody } from './error-body.ts';

export interface SseOptions {
  /** Text of the last event of a complete stream, such as `[DONE]`. */
  readonly end?: string;
  /** Called with the error that ended the stream. */
  readonly onError: (error: EdgeError) => void;
  /** A comment is sent after this much silence, so that proxies keep the connection. Defaults to 15 000. */
  readonly pingMs?: number;
}

/**
 * Renders items as server-sent events (HTML Living Standard, section 9.2). A failure becomes a last event
 * `{"error": ...}` without the end event, so that no client takes a cut answer for a whole one. Never throws.
 */
export async function* toSse(items: AsyncIterable<unknown>, { end, onError, pingMs = 15_000 }: SseOptions): AsyncGenerator<string> {
  const iterator = items[Symbol.asyncIterator]();
  try {
    let next = iterator.next();
    for (;;) {
      const result = await within(next, pingMs);
      if (result === 'late') {
        yield ': still working\n\n';
        continue;
      }
      if (result.done) break;
      yield event(JSON.stringify(result.value));
      next = iterator.next();
    }
    if (end !== undefined) yield event(end);
  } catch (failure) {
    const error = EdgeError.from(failure);
    onError(error);
    yield event(JSON.stringify(toErrorBody(error)));
  } finally {
    await iterator.return?.();
  }
}

/** A streaming reply. When the client goes away the items' iterator is returned. */
export function sseResponse(c: ServeContext, items: AsyncIterable<unknown>, options: SseOptions): Response {
  const events = toSse(items, options);
  // Begun at once: returning a generator that never ran would leave the items, and the engine behind them, open.
  let next = events.next();
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await next;
      if (done) return controller.close();
      controller.enqueue(encoder.encode(value));
      next = events.next();
    },
    async cancel() {
      await events.return(undefined);
    },
  });
  return c.body(body, 200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
    // nginx would hold the events back.
    'x-accel-buffering': 'no',
  });
}

/**
 * Waits for the first item that `counts`, so that a failure before it can still be an HTTP status; the items before it
 * are dropped.
 */
export async function begun<T>(items: AsyncIterable<T>, counts: (item: T) => boolean): Promise<AsyncIterable<T>> {
  const iterator = items[Symbol.asyncIterator]();
  let first: IteratorResult<T> | undefined = await iterator.next();
  while (!first.done && !counts(first.value)) first = await iterator.next();
  const rest: AsyncIterator<T> = {
    async next() {
      const result = first ?? (await iterator.next());
      first = undefined;
      return result;
    },
    async return() {
      await iterator.return?.();
      return { done: true, value: undefined };
    },
  };
  return { [Symbol.asyncIterator]: () => rest };
}

function event(data: string): string {
  return `data: ${data}\n\n`;
}

async function within<T>(promise: Promise<T>, ms: number): Promise<T | 'late'> {
  let timer: NodeJS.Timeout | undefined;
  try {
    return await Promise.race([
      promise,
      new Promise<'late'>((resolve) => {
        timer = setTimeout(resolve, ms, 'late');
      }),
    ]);
  } finally {
    clearTimeout(timer);
  }
}
