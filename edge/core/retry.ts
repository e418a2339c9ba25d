/** Exponential back-off with equal jitter (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015). */
export interface BackoffOptions {
  readonly initialMs: number;
  readonly maxMs: number;
  /** 0..1 uniform; injectable for tests. Defaults to `Math.random`. */
  readonly random?: () => number;
}

/** Delay before attempt `attempt` (0-based): uniform in [half, full] of `min(maxMs, initialMs * 2^attempt)`. */
export function backoffMs(attempt: number, options: BackoffOptions): number {
  const cap = Math.min(options.maxMs, options.initialMs * 2 ** Math.min(attempt, 30));
  return cap / 2 + ((options.random ?? Math.random)() * cap) / 2;
}
