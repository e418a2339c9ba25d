import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { EdgeError } from '#edge/core/errors.ts';
import type { ServeContext } from './dependencies.ts';

/** The `error` object of OpenAI's API, with our code and a hint. */
export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    /** A key of the error table. */
    readonly code: string;
    /** The field at fault, when one is. */
    readonly param: string | null;
    readonly hint: string;
  };
}

const TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
};

/** Renders an error for the wire. What an unforeseen error says stays in the log: it may hold anything. */
export function toErrorBody(error: EdgeError): ErrorBody {
  const { code, status, hint } = error;
  const type = TYPES[status] ?? (status < 500 ? 'invalid_request_error' : 'server_error');
  const param = error.details?.param;
  const message = code === 'E_INTERNAL' ? 'The device met an unexpected failure.' : error.message;
  return { error: { message, type, code, param: typeof param === 'string' ? param : null, hint } };
}

/** Seconds a client should wait before it sends a retryable request again. */
const RETRY_AFTER_SECONDS = '1';

/** The reply for a failed request. */
export function errorResponse(c: ServeContext, failure: unknown): Response {
  const error = EdgeError.from(failure);
  // OpenAI's clients repeat every 408, 409, 429 and 5xx twice unless told otherwise.
  c.header('x-should-retry', String(error.retryable));
  if (error.retryable && (error.status === 429 || error.status === 503)) c.header('retry-after', RETRY_AFTER_SECONDS);
  return c.json(toErrorBody(error), error.status as ContentfulStatusCode);
}
