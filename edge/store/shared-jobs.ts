import { abortError } from '#edge/core/abort.ts';

/** What a waiter of a shared job brings. */
export interface Waiter<P> {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: P) => void) | undefined;
}

interface Job<T, P> {
  readonly promise: Promise<T>;
  readonly controller: AbortController;
  readonly waiters: Set<Waiter<P>>;
}

/** Runs one job a key however many ask for it. A waiter may leave; the last one to leave stops the job. */
export class SharedJobs<T, P> {
  readonly #jobs = new Map<string, Job<T, P>>();

  /**
   * Joins the running job of this key or starts it.
   * @throws EdgeError `E_CANCELLED` (or the signal's own coded reason) to the waiter whose signal fires.
   */
  run(key: string, start: (signal: AbortSignal, report: (progress: P) => void) => Promise<T>, waiter: Waiter<P>): Promise<T> {
    if (waiter.signal?.aborted) return Promise.reject(abortError(waiter.signal));
    const job = this.#jobs.get(key) ?? this.#start(key, start);
    job.waiters.add(waiter);
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        job.waiters.delete(waiter);
        const reason = abortError(waiter.signal as AbortSignal);
        if (job.waiters.size > 0) {
          reject(reason);
          return;
        }
        // Who asks from now on gets a new job; the last waiter stays until this one has cleaned up and fails.
        this.#jobs.delete(key);
        job.controller.abort(reason);
      };
      waiter.signal?.addEventListener('abort', leave, { once: true });
      job.promise.then(resolve, reject).finally(() => waiter.signal?.removeEventListener('abort', leave));
    });
  }

  #start(key: string, start: (signal: AbortSignal, report: (progress: P) => void) => Promise<T>): Job<T, P> {
    const controller = new AbortController();
    const waiters = new Set<Waiter<P>>();
    const promise = start(controller.signal, (progress) => {
      for (const { onProgress } of waiters) onProgress?.(progress);
    });
    const job = { promise, controller, waiters };
    this.#jobs.set(key, job);
    const forget = (): void => {
      if (this.#jobs.get(key) === job) this.#jobs.delete(key);
    };
    promise.then(forget, forget);
    return job;
  }
}
