/**
 * A typed call protocol over any ordered message channel between two processes (Node IPC in production, a pair of
 * functions in tests). Both sides may call: the agent host is called by the device and calls its models back.
 * Streams carry as many items a message as are ready, so tokens do not cost a message each under load.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { abortError, throwIfAborted } from '../abort.ts';
import { AsyncQueue } from '../async-queue.ts';
import { EdgeError } from '../errors.ts';

/** Methods of one side: a call has a `result`, a stream has an `item`. */
export type RpcMethods = Readonly<
  Record<string, { readonly params: unknown; readonly result: unknown } | { readonly params: unknown; readonly item: unknown }>
>;

type CallName<M extends RpcMethods> = { [K in keyof M]: M[K] extends { result: unknown } ? K : never }[keyof M] & string;
type StreamName<M extends RpcMethods> = { [K in keyof M]: M[K] extends { item: unknown } ? K : never }[keyof M] & string;
type ResultOf<E> = E extends { result: infer R } ? R : never;
type ItemOf<E> = E extends { item: infer I } ? I : never;

export interface RpcContext {
  /** Fires when the caller cancels or the channel closes. */
  readonly signal: AbortSignal;
}

export type RpcHandlers<M extends RpcMethods> = {
  readonly [K in keyof M]: M[K] extends { result: infer R }
    ? (params: M[K]['params'], context: RpcContext) => Promise<R>
    : (params: M[K]['params'], context: RpcContext) => AsyncIterable<ItemOf<M[K]>>;
};

type ErrorJson = ReturnType<EdgeError['toJSON']>;

type RpcMessage =
  | { readonly rpc: 'call'; readonly id: number; readonly method: string; readonly params: unknown; readonly stream: boolean }
  | { readonly rpc: 'cancel'; readonly id: number; readonly error: ErrorJson }
  | { readonly rpc: 'items'; readonly id: number; readonly items: readonly unknown[] }
  | { readonly rpc: 'end'; readonly id: number; readonly result?: unknown }
  | { readonly rpc: 'fail'; readonly id: number; readonly error: ErrorJson };

export interface RpcCallOptions {
  /** Aborting fails the call here at once, and aborts its handler on the other side. */
  readonly signal?: AbortSignal | undefined;
  /** Called once the other side works no more on this call: after its end, or some time after a cancellation. */
  readonly onSettled?: (() => void) | undefined;
}

export interface RpcPeer<Remote extends RpcMethods> {
  call<K extends CallName<Remote>>(method: K, params: Remote[K]['params'], options?: RpcCallOptions): Promise<ResultOf<Remote[K]>>;
  stream<K extends StreamName<Remote>>(method: K, params: Remote[K]['params'], options?: RpcCallOptions): AsyncIterable<ItemOf<Remote[K]>>;
  /** Hands a message of the channel to the peer; false when it is not one of this protocol. */
  receive(message: unknown): boolean;
  /** Fails every call in flight with `error`, aborts every handler, and refuses new calls. */
  close(error: EdgeError): void;
}

interface PendingCall {
  readonly onItems: (items: readonly unknown[]) => void;
  readonly onEnd: (result: unknown) => void;
  readonly onFail: (error: EdgeError) => void;
}

/** Makes one side of a channel. `send` must deliver in order; it may throw when the channel is gone. */
export function createRpcPeer<Remote extends RpcMethods, Local extends RpcMethods>(
  send: (message: unknown) => void,
  handlers: RpcHandlers<Local>,
): RpcPeer<Remote> {
  const pending = new Map<number, PendingCall>();
  const unsettled = new Map<number, () => void>();
  const running = new Map<number, AbortController>();
  let nextId = 1;
  let closed: EdgeError | undefined;

  function begin(method: string, params: unknown, stream: boolean, { signal, onSettled }: RpcCallOptions, call: PendingCall): () => void {
    if (closed || signal?.aborted) {
      onSettled?.();
      throw closed ?? abortError(signal as AbortSignal, method);
    }
    const id = nextId++;
    const cancel = (reason: EdgeError): void => {
      if (!pending.delete(id)) return;
      signal?.removeEventListener('abort', onAbort);
      if (!closed) send({ rpc: 'cancel', id, error: reason.toJSON() } satisfies RpcMessage);
      call.onFail(reason);
    };
    const onAbort = (): void => cancel(abortError(signal as AbortSignal, method));
    const settled = (): void => signal?.removeEventListener('abort', onAbort);
    pending.set(id, {
      onItems: call.onItems,
      onEnd: (result) => {
        settled();
        call.onEnd(result);
      },
      onFail: (error) => {
        settled();
        call.onFail(error);
      },
    });
    signal?.addEventListener('abort', onAbort, { once: true });
    if (onSettled) unsettled.set(id, onSettled);
    try {
      send({ rpc: 'call', id, method, params, stream } satisfies RpcMessage);
    } catch (error) {
      settle(id);
      settled();
      throw new EdgeError('E_ENGINE_CRASHED', { what: `cannot send "${method}": the channel is gone`, cause: error });
    }
    return () => cancel(new EdgeError('E_CANCELLED', { what: `${method} was given up by its caller` }));
  }

  function settle(id: number): PendingCall | undefined {
    unsettled.get(id)?.();
    unsettled.delete(id);
    const call = pending.get(id);
    pending.delete(id);
    return call;
  }

  async function serve(message: Extract<RpcMessage, { rpc: 'call' }>): Promise<void> {
    const { id, method, params } = message;
    const controller = new AbortController();
    running.set(id, controller);
    const reply = (answer: RpcMessage): void => {
      if (!closed && running.has(id)) send(answer);
    };
    try {
      const handler = (handlers as Record<string, unknown>)[method];
      if (typeof handler !== 'function' || !Object.hasOwn(handlers, method)) {
        throw new EdgeError('E_INTERNAL', { what: `unknown method "${method}"` });
      }
      if (message.stream) {
        const items = handler(params, { signal: controller.signal }) as AsyncIterable<unknown>;
        await sendBatched(items, controller.signal, (batch) => reply({ rpc: 'items', id, items: batch }));
        reply({ rpc: 'end', id });
      } else {
        reply({ rpc: 'end', id, result: await handler(params, { signal: controller.signal }) });
      }
    } catch (error) {
      reply({ rpc: 'fail', id, error: EdgeError.from(error, `${method} failed`).toJSON() });
    } finally {
      running.delete(id);
    }
  }

  return {
    call(method, params, options = {}) {
      return new Promise((resolve, reject) => {
        begin(method, params, false, options, {
          onItems: () => undefined,
          onEnd: (result) => resolve(result as never),
          onFail: reject,
        });
      });
    },
    async *stream(method, params, options = {}) {
      const queue = new AsyncQueue<unknown>();
      let finished = false;
      const cancel = begin(method, params, true, options, {
        onItems: (items) => {
          for (const item of items) queue.push(item);
        },
        onEnd: () => {
          finished = true;
          queue.end();
        },
        onFail: (error) => {
          finished = true;
          queue.fail(error);
        },
      });
      try {
        for await (const item of queue as AsyncIterable<never>) {
          throwIfAborted(options.signal, method);
          yield item;
        }
      } finally {
        if (!finished) cancel();
      }
    },
    receive(raw) {
      if (typeof raw !== 'object' || raw === null || !('rpc' in raw)) return false;
      const message = raw as RpcMessage;
      switch (message.rpc) {
        case 'call':
          void serve(message);
          break;
        case 'cancel':
          running.get(message.id)?.abort(EdgeError.fromJSON(message.error));
          break;
        case 'items':
          pending.get(message.id)?.onItems(message.items);
          break;
        case 'end':
          settle(message.id)?.onEnd(message.result);
          break;
        case 'fail':
          settle(message.id)?.onFail(EdgeError.fromJSON(message.error));
          break;
      }
      return true;
    },
    close(error) {
      if (closed) return;
      closed = error;
      for (const controller of running.values()) controller.abort(error);
      running.clear();
      const calls = [...pending.values()];
      pending.clear();
      for (const call of calls) call.onFail(error);
      for (const onSettled of unsettled.values()) onSettled();
      unsettled.clear();
    },
  };
}

/** Least time between two messages of one stream; a reader sees no delay, and decoding on the same cores is not disturbed a token. */
const BATCH_MS = 25;

/**
 * Sends the first item at once, and then what has gathered as one message every {@link BATCH_MS}. The event loop gets a
 * turn as often, so that a source that never waits stops neither heartbeats nor its own cancellation.
 */
async function sendBatched(items: AsyncIterable<unknown>, signal: AbortSignal, send: (batch: unknown[]) => void): Promise<void> {
  let batch: unknown[] = [];
  let scheduled: NodeJS.Timeout | undefined;
  let sentAt = Number.NEGATIVE_INFINITY;
  const flush = (): void => {
    clearTimeout(scheduled);
    scheduled = undefined;
    sentAt = performance.now();
    if (batch.length > 0) send(batch);
    batch = [];
  };
  try {
    for await (const item of items) {
      if (signal.aborted) throw abortError(signal);
      batch.push(item);
      const waitMs = sentAt + BATCH_MS - performance.now();
      if (waitMs > 0) {
        scheduled ??= setTimeout(flush, waitMs);
      } else {
        flush();
        await nextTurn();
      }
    }
  } finally {
    flush();
  }
}
