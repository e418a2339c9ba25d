/** An error as it crosses a process or network boundary; `EdgeError` in core renders to it and is rebuilt from it. */
export interface WireError {
  /** A key of the error table in `edge/core/errors.ts`, such as `E_MODEL_UNKNOWN`. */
  readonly code: string;
  /** What was attempted, what was expected and what was found. Holds no prompt, answer or secret. */
  readonly message: string;
  /** How to mend it. */
  readonly hint: string;
  /** HTTP status it maps to. */
  readonly status: number;
  /** True when the same call may succeed later without a change. */
  readonly retryable: boolean;
  /** Machine-readable facts, such as `{ needBytes, freeBytes }`. */
  readonly details?: Readonly<Record<string, unknown>>;
}
