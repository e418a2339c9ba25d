import { abortError } from './abort.ts';

interface Waiter<T> {
  readonly take: (item: T) => void;
}

/** A fixed set of items lent to one user each; who finds none free waits in line. */
export class Pool<T> {
  readonly #free: T[];
  readonly #waiting: Waiter<T>[] = [];

  constructor(items: readonly T[]) {
    this.#free = [...items];
  }

  /**
   * Lends an item until the lease is disposed.
   * @param choose index of the preferred one among the free items; the first when absent.
   * @throws EdgeError `E_CANCELLED`, or the signal's own coded reason, when it fires while waiting.
   */
  async acquire(signal?: AbortSignal, choose?: (free: readonly T[]) => number): Promise<{ readonly item: T; [Symbol.dispose](): void }> {
    if (signal?.aborted) throw abortError(signal, 'waiting in line');
    const item = this.#free.length > 0 ? (this.#free.splice(choose?.(this.#free) ?? 0, 1)[0] as T) : await this.#wait(signal);
    let held = true;
    return {
      item,
      [Symbol.dispose]: () => {
        if (held) this.#release(item);
        held = false;
      },
    };
  }

  #wait(signal: AbortSignal | undefined): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const waiter: Waiter<T> = {
        take: (item) => {
          signal?.removeEventListener('abort', onAbort);
          resolve(item);
        },
      };
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(abortError(signal as AbortSignal, 'waiting in line'));
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(waiter);
    });
  }

  #release(item: T): void {
    const next = this.#waiting.shift();
    if (next) next.take(item);
    else this.#free.push(item);
  }
}
