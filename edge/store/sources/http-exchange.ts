/** One HTTP exchange with a source of model files: attempts, redirects, tokens, silence, and what a refusal means. */
import { abortError } from '#edge/core/abort.ts';
import { sleep } from '#edge/core/clock.ts';
import { EdgeError, systemErrorCode } from '#edge/core/errors.ts';
import { backoffMs } from '#edge/core/retry.ts';

/** Attempts in a row that bring no byte before the source is given up. */
const FRUITLESS_ATTEMPTS = 3;
const REDIRECT_LIMIT = 5;
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];
/** Failures that a second attempt at once would meet again. */
const UNREACHABLE =
  /^(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|EHOSTUNREACH|ETIMEDOUT|UND_ERR_CONNECT_TIMEOUT|CERT_|ERR_TLS|ERR_SSL|UNABLE_|SELF_|DEPTH_)/;

/** Thrown inside an attempt for what a further one may mend; {@link persist} turns it into a coded error. */
export class Interrupted extends Error {
  readonly waitMs: number;
  constructor(message: string, waitMs: number, cause?: unknown) {
    super(message, { cause });
    this.waitMs = waitMs;
  }
}

export interface HttpRequest {
  readonly url: URL;
  /** Sent to the host of `url` alone, never to one that it redirects to. */
  readonly token?: string | undefined;
}

/** How messages name the file: host and path, never query or token. */
export function addressOf({ url }: HttpRequest): string {
  return url.origin + url.pathname;
}

/**
 * Makes attempts until one succeeds, fails for good, or several in a row bring nothing.
 * @param progress Bytes obtained so far.
 * @throws EdgeError `E_DOWNLOAD_FAILED`, `E_CANCELLED`, and what an attempt throws.
 */
export async function persist<T>(attempt: () => Promise<T>, progress: () => number, what: string, signal: AbortSignal): Promise<T> {
  for (let fruitless = 0; ; ) {
    const before = progress();
    try {
      return await attempt();
    } catch (error) {
      if (signal.aborted) throw abortError(signal, 'download');
      if (!(error instanceof Interrupted)) throw error;
      fruitless = progress() > before ? 0 : fruitless + 1;
      if (fruitless >= FRUITLESS_ATTEMPTS) throw new EdgeError('E_DOWNLOAD_FAILED', { what, found: error.message, cause: error.cause });
      await sleep(Math.max(error.waitMs, backoffMs(fruitless, { initialMs: 300, maxMs: 3000 })), signal);
    }
  }
}

export interface Silence {
  readonly signal: AbortSignal;
  /** True once the source was silent for too long. */
  readonly fired: boolean;
  heard(): void;
  [Symbol.dispose](): void;
}

/** Ends an exchange whose source is silent for too long. */
export function watchSilence(signal: AbortSignal, timeoutMs: number): Silence {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), timeoutMs);
  return {
    signal: AbortSignal.any([signal, controller.signal]),
    get fired() {
      return controller.signal.aborted;
    },
    heard: () => timer.refresh(),
    [Symbol.dispose]: () => {
      clearTimeout(timer);
      // Frees the connection of a body that was not read to its end.
      controller.abort();
    },
  };
}

/**
 * Asks, following redirects; `response.url` tells where to.
 * @throws EdgeError `E_SOURCE_UNAVAILABLE`; {@link Interrupted}.
 */
export async function send(request: HttpRequest, headers: Record<string, string>, silence: Silence, what: string): Promise<Response> {
  let url = request.url;
  for (let hop = 0; hop <= REDIRECT_LIMIT; hop++) {
    const authorization = request.token && url.origin === request.url.origin ? { authorization: `Bearer ${request.token}` } : {};
    const response = await fetch(url, {
      redirect: 'manual',
      signal: silence.signal,
      // A compressed answer would make byte ranges meaningless.
      headers: { 'accept-encoding': 'identity', ...headers, ...authorization },
    }).catch((error) => rethrowConnection(error, url, silence, what));
    const location = response.headers.get('location');
    if (!REDIRECTS.includes(response.status) || !location) return response;
    await response.body?.cancel();
    silence.heard();
    const next = new URL(location, url);
    if (next.protocol !== url.protocol && next.protocol !== 'https:') {
      throw new EdgeError('E_SOURCE_UNAVAILABLE', { what, expected: 'a redirect that stays encrypted', found: next.origin });
    }
    url = next;
  }
  throw new EdgeError('E_SOURCE_UNAVAILABLE', { what, found: `more than ${REDIRECT_LIMIT} redirects` });
}

function rethrowConnection(error: unknown, url: URL, silence: Silence, what: string): never {
  if (silence.fired)
    throw new EdgeError('E_SOURCE_UNAVAILABLE', { what, expected: 'an answer in time', found: `${url.host} is silent`, cause: error });
  const cause = error instanceof Error ? error.cause : undefined;
  const code = systemErrorCode(cause) ?? systemErrorCode((cause as AggregateError | undefined)?.errors?.[0]) ?? '';
  if (UNREACHABLE.test(code))
    throw new EdgeError('E_SOURCE_UNAVAILABLE', { what, found: `cannot reach ${url.host} (${code})`, cause: error });
  throw new Interrupted(`the connection to ${url.host} failed${code ? ` (${code})` : ''}`, 0, error);
}

/**
 * What an answer means that brings no bytes: always throws.
 * @throws EdgeError `E_SOURCE_UNAUTHORIZED`, `E_SOURCE_FORBIDDEN`, `E_SOURCE_NOT_FOUND` or `E_SOURCE_UNAVAILABLE`; {@link Interrupted}
 * for a server that is busy or failing, with the time it asks for, at most `mostWaitMs`.
 */
export async function refuse(response: Response, mostWaitMs: number, what: string): Promise<never> {
  const { status, headers } = response;
  await response.body?.cancel();
  if (status === 429 || status >= 500) {
    const seconds = Number(headers.get('retry-after') ?? 0);
    throw new Interrupted(`HTTP ${status}`, Number.isFinite(seconds) ? Math.min(seconds * 1000, mostWaitMs) : 0);
  }
  const found = `HTTP ${status}${headers.get('x-error-message') ? `: ${headers.get('x-error-message')}` : ''}`;
  if (status === 401) throw new EdgeError('E_SOURCE_UNAUTHORIZED', { what, found });
  if (status === 403) throw new EdgeError('E_SOURCE_FORBIDDEN', { what, found });
  if (status === 404 || status === 410) throw new EdgeError('E_SOURCE_NOT_FOUND', { what, found });
  throw new EdgeError('E_SOURCE_UNAVAILABLE', { what, expected: 'HTTP 200 or 206', found });
}

/** Reads a body piece by piece. @throws Interrupted when it is cut or goes silent. */
export async function* bodyOf(response: Response, silence: Silence): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = response.body?.getReader();
  for (;;) {
    const part = await reader?.read().catch((error: unknown) => {
      throw new Interrupted(silence.fired ? 'the connection went silent' : 'the connection was cut', 0, error);
    });
    if (!part || part.done) return;
    silence.heard();
    yield part.value;
  }
}

/** Which bytes an answer holds (RFC 9110 section 14.4); undefined where a header does not say. */
export function contentRange(response: Response): { readonly start: number | undefined; readonly total: number | undefined } {
  const match = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
  return { start: sizeIn(match?.[1]), total: sizeIn(match?.[2]) };
}

/** Bytes of the body, where the answer says so. */
export function contentLength(response: Response): number | undefined {
  return sizeIn(response.headers.get('content-length') ?? undefined);
}

function sizeIn(text: string | undefined): number | undefined {
  const value = Number(text);
  return text !== undefined && Number.isSafeInteger(value) ? value : undefined;
}
