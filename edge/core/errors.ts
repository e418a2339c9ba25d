/** One row of the error table. */
export interface ErrorCodeEntry {
  /** HTTP status. */
  readonly status: number;
  /** True when the same call may succeed later unchanged. */
  readonly retryable: boolean;
  /** How to mend it, when the thrower knows nothing better. */
  readonly hint: string;
}

/**
 * Every failure a user can cause or meet. Codes are never reused for another meaning.
 * `docs/errors.md` is generated from this table.
 */
export const ERROR_CODES = {
  E_INTERNAL: {
    status: 500,
    retryable: false,
    hint: 'This is a bug in Nearside: please report it with the request id and the log around it.',
  },
  E_USAGE: { status: 400, retryable: false, hint: 'Run the command with --help.' },
  E_BAD_REQUEST: { status: 400, retryable: false, hint: 'Correct the named field and send the request again.' },
  E_BAD_JSON: { status: 400, retryable: false, hint: 'Send one valid JSON object with Content-Type: application/json.' },
  E_BODY_TOO_LARGE: { status: 413, retryable: false, hint: 'Send less, or raise serve.maxBodyBytes.' },
  E_PROMPT_EMPTY: { status: 400, retryable: false, hint: 'Send at least one character that is not white space.' },
  E_CONTEXT_OVERFLOW: { status: 400, retryable: false, hint: 'Shorten the prompt, lower max_tokens, or raise runtime.contextTokens.' },
  E_NOT_FOUND: { status: 404, retryable: false, hint: 'See the API list at /api/v1.' },
  E_METHOD_NOT_ALLOWED: { status: 405, retryable: false, hint: 'Use the method that the documentation names for this path.' },
  E_UNAUTHORIZED: { status: 401, retryable: false, hint: 'Send "Authorization: Bearer KEY" with a key of serve.keys.' },
  E_HOST_REFUSED: {
    status: 403,
    retryable: false,
    hint: 'Call the device by 127.0.0.1 or localhost, or add the name to serve.allowedHosts.',
  },
  E_ORIGIN_REFUSED: { status: 403, retryable: false, hint: "Add the page's origin to serve.allowedOrigins." },
  E_KEYS_REQUIRED: { status: 500, retryable: false, hint: 'Set serve.keys (NEARSIDE_SERVE_KEYS) or bind to 127.0.0.1.' },
  E_UNSUPPORTED: {
    status: 400,
    retryable: false,
    hint: 'Choose a model or a setting that supports it; "nearside list" shows what each model does.',
  },
  E_MODEL_UNKNOWN: { status: 404, retryable: false, hint: 'See "nearside list --all" for the models of the catalog.' },
  E_MODEL_NOT_STORED: { status: 409, retryable: false, hint: 'Fetch it with "nearside pull MODEL".' },
  E_MODEL_CORRUPT: { status: 500, retryable: false, hint: 'Run "nearside verify", then "nearside pull MODEL" to fetch it again.' },
  E_MODEL_FORMAT: {
    status: 422,
    retryable: false,
    hint: 'Give a file that is a GGUF, ONNX or TFLite model; "nearside show MODEL" tells the format of a model of the catalog.',
  },
  E_MODEL_LOAD: { status: 500, retryable: false, hint: 'See "nearside doctor" and the log of the engine.' },
  E_GOLDEN_MISMATCH: {
    status: 500,
    retryable: false,
    hint: 'This engine gives wrong answers here and is left out for a while; "nearside plan" shows what runs instead. If all do, pull the model again.',
  },
  E_QUALITY_LOST: {
    status: 422,
    retryable: false,
    hint: 'Nothing was kept of it. Choose a quantisation that loses less ("nearside quantize --help"), or make it of a better source.',
  },
  E_CATALOG_INVALID: { status: 500, retryable: false, hint: 'Correct the named field of the model card.' },
  E_NO_CANDIDATE: {
    status: 503,
    retryable: false,
    hint: 'See "nearside plan" for the reason of each candidate; pull a smaller model or free memory.',
  },
  E_MEMORY_BUDGET: { status: 503, retryable: true, hint: 'Close other programs, choose a smaller model, or lower runtime.contextTokens.' },
  E_ENGINE_CRASHED: {
    status: 502,
    retryable: true,
    hint: 'The engine restarts by itself: send the request again. If it goes on, see "nearside doctor".',
  },
  E_ENGINE_HUNG: {
    status: 504,
    retryable: true,
    hint: 'The engine was stopped and restarts: send the request again, with a shorter input if it goes on.',
  },
  E_ENGINE_BACKOFF: {
    status: 503,
    retryable: true,
    hint: 'The engine crashed repeatedly and waits before its next start; see "nearside doctor".',
  },
  E_DEADLINE: { status: 504, retryable: true, hint: 'Try again, ask for less, or raise the deadline.' },
  E_CANCELLED: { status: 499, retryable: true, hint: 'The caller went away or asked to stop.' },
  E_SHUTTING_DOWN: { status: 503, retryable: true, hint: 'Try again when the device has restarted.' },
  E_BUSY: { status: 429, retryable: true, hint: 'Wait for the time in Retry-After and try again.' },
  E_SOURCE_UNAVAILABLE: {
    status: 502,
    retryable: true,
    hint: 'Where there is another source, it is tried next; else check the network and the named tool.',
  },
  E_SOURCE_UNAUTHORIZED: {
    status: 502,
    retryable: false,
    hint: 'Set store.hubToken (NEARSIDE_STORE_HUB_TOKEN) to a token that may read this repository.',
  },
  E_SOURCE_FORBIDDEN: { status: 502, retryable: false, hint: "Accept the model's licence on its page, then use a token of that account." },
  E_SOURCE_NOT_FOUND: {
    status: 502,
    retryable: false,
    hint: 'The file is not at this source any more; check the card, or another source.',
  },
  E_DOWNLOAD_FAILED: { status: 502, retryable: true, hint: 'Run the same command again: a download goes on where it stopped.' },
  E_HASH_MISMATCH: {
    status: 502,
    retryable: false,
    hint: 'The file is not the one the card names. Remove nothing by hand: pull again, and if it goes on, distrust the source.',
  },
  E_DISK_FULL: { status: 507, retryable: true, hint: 'Free some space ("nearside rm MODEL") and try again; nothing is lost.' },
  E_LOCKED: { status: 409, retryable: true, hint: 'Wait until the other process has finished.' },
  E_BUILD_TOOLS_MISSING: { status: 500, retryable: false, hint: 'Install the named tools, then run "nearside tune" again.' },
  E_BUILD_FAILED: { status: 500, retryable: false, hint: 'See the log of the build; the packaged llama.cpp goes on serving.' },
  E_CONFIG_INVALID: { status: 500, retryable: false, hint: 'Correct the listed settings; "nearside config" shows all with their meaning.' },
  E_HOME_UNUSABLE: { status: 500, retryable: false, hint: 'Choose another folder with --home or NEARSIDE_HOME.' },
  E_HOME_IN_USE: { status: 409, retryable: false, hint: 'Use the running device, stop it, or choose another folder with --home.' },
  E_PORT_IN_USE: { status: 500, retryable: false, hint: 'Stop the other program or choose another port with --port.' },
  E_DATABASE: { status: 500, retryable: false, hint: 'See "nearside doctor"; the file is kept as it is.' },
  E_DATABASE_CORRUPT: { status: 500, retryable: false, hint: 'The file was put aside and a new one begun; see the log for its name.' },
  E_DOCUMENT_UNREADABLE: {
    status: 422,
    retryable: false,
    hint: 'Check that the file opens in its own program, and that its format is named right with --format.',
  },
  E_DOCUMENT_UNKNOWN: { status: 404, retryable: false, hint: 'See "nearside docs list".' },
  E_DOCUMENT_EMPTY: { status: 422, retryable: false, hint: 'The document has no text. A scanned PDF must be read by OCR first.' },
  E_FORMAT_UNKNOWN: { status: 422, retryable: false, hint: 'Name the format with --format.' },
  E_INDEX_MISMATCH: { status: 409, retryable: false, hint: 'Run "nearside docs reindex": vectors of different models are never mixed.' },
  E_BOT_UNKNOWN: { status: 404, retryable: false, hint: 'Bots are qa, recommend and support.' },
  E_SESSION_UNKNOWN: { status: 404, retryable: false, hint: 'Begin a new session by leaving the session id out.' },
  E_FLOW_INVALID: { status: 500, retryable: false, hint: 'Correct the named step of the flow file.' },
  E_BROKER_UNREACHABLE: {
    status: 502,
    retryable: true,
    hint: 'Check telemetry.mqttUrl and that the broker runs. Events wait in the outbox meanwhile.',
  },
  E_WIRE_INVALID: {
    status: 400,
    retryable: false,
    hint: 'The batch was put into the dead-letter table; sender and collector may differ in version.',
  },
} as const satisfies Readonly<Record<string, ErrorCodeEntry>>;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface EdgeErrorInit {
  /** What was attempted: `cannot load model "smollm2-135m-instruct"`. */
  readonly what: string;
  readonly expected?: string;
  readonly found?: string;
  /** How to mend it. Defaults to the hint of the code. */
  readonly hint?: string;
  readonly cause?: unknown;
  /** Machine-readable facts; no prompt, answer or secret. */
  readonly details?: Readonly<Record<string, unknown>>;
}

const MARKER = Symbol.for('nearside.EdgeError');

/** The only error class that leaves a module. */
export class EdgeError extends Error {
  override readonly name = 'EdgeError';
  readonly code: ErrorCode;
  readonly hint: string;
  readonly details: Readonly<Record<string, unknown>> | undefined;
  readonly [MARKER] = true;

  constructor(code: ErrorCode, init: EdgeErrorInit) {
    super(renderMessage(init), init.cause === undefined ? undefined : { cause: init.cause });
    this.code = code;
    this.hint = init.hint ?? ERROR_CODES[code].hint;
    this.details = init.details;
  }

  get status(): number {
    return ERROR_CODES[this.code].status;
  }

  get retryable(): boolean {
    return ERROR_CODES[this.code].retryable;
  }

  /** True for an `EdgeError`, with this code when one is given; holds across copies of the module. */
  static is(error: unknown, code?: ErrorCode): error is EdgeError {
    return typeof error === 'object' && error !== null && MARKER in error && (code === undefined || (error as EdgeError).code === code);
  }

  /** The error itself when it is coded; otherwise `E_INTERNAL` with the error as cause. */
  static from(error: unknown, what = 'unexpected failure'): EdgeError {
    if (EdgeError.is(error)) return error;
    return new EdgeError('E_INTERNAL', { what, found: error instanceof Error ? error.message : String(error), cause: error });
  }

  /** The shape that crosses process and network boundaries. */
  toJSON(): {
    code: ErrorCode;
    message: string;
    hint: string;
    status: number;
    retryable: boolean;
    details?: Readonly<Record<string, unknown>>;
  } {
    return {
      code: this.code,
      message: this.message,
      hint: this.hint,
      status: this.status,
      retryable: this.retryable,
      ...(this.details ? { details: this.details } : {}),
    };
  }

  /** Rebuilds an error from {@link toJSON}; an unknown code becomes `E_INTERNAL`. */
  static fromJSON(json: {
    code: string;
    message: string;
    hint?: string | undefined;
    details?: Readonly<Record<string, unknown>> | undefined;
  }): EdgeError {
    const code: ErrorCode = Object.hasOwn(ERROR_CODES, json.code) ? (json.code as ErrorCode) : 'E_INTERNAL';
    return new EdgeError(code, {
      what: json.message,
      ...(json.hint === undefined ? {} : { hint: json.hint }),
      ...(json.details === undefined ? {} : { details: json.details }),
    });
  }
}

function renderMessage(init: EdgeErrorInit): string {
  const facts = [init.expected && `expected ${init.expected}`, init.found && `found ${init.found}`].filter(Boolean).join(', ');
  return facts ? `${init.what}: ${facts}` : init.what;
}

/** The `code` of a Node.js system error (`ENOENT`, `ENOSPC` ...), if it has one. */
export function systemErrorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
