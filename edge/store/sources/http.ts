/** Downloads one file over HTTP, going on where an earlier attempt stopped (RFC 9110 sections 13.1.5 and 14). */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { abortError } from '#edge/core/abort.ts';
import { sleep } from '#edge/core/clock.ts';
import { EdgeError, systemErrorCode } from '#edge/core/errors.ts';
import { backoffMs } from '#edge/core/retry.ts';
import type { PartialFile } from '../partial-file.ts';
import type { FetchContext } from './source.ts';

/** Attempts in a row that bring no byte before the source is given up. */
const FRUITLESS_ATTEMPTS = 3;
const REDIRECT_LIMIT = 5;
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];
/** Failures that a second attempt at once would meet again. */
const UNREACHABLE =
  /^(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|EHOSTUNREACH|ETIMEDOUT|UND_ERR_CONNECT_TIMEOUT|CERT_|ERR_TLS|ERR_SSL|UNABLE_|SELF_|DEPTH_)/;

/** Thrown inside this module for what a further attempt may mend. */
class Interrupted extends Error {
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

/**
 * Downloads into `target`.
 * @throws EdgeError as `FetchFrom` says; messages name host and path, never query or token.
 */
export async function download(request: HttpRequest, target: PartialFile, context: FetchContext): Promise<void> {
  const what = `cannot download ${request.url.origin}${request.url.pathname}`;
  for (let fruitless = 0; ; ) {
    const before = target.size;
    try {
      return await attempt(request, target, context, what);
    } catch (error) {
      if (context.signal.aborted) throw abortError(context.signal, 'download');
      if (!(error instanceof Interrupted)) throw error;
      fruitless = target.size > before ? 0 : fruitless + 1;
      if (fruitless >= FRUITLESS_ATTEMPTS) throw new EdgeError('E_DOWNLOAD_FAILED', { what, found: error.message, cause: error.cause });
      await sleep(Math.max(error.waitMs, backoffMs(fruitless, { initialMs: 300, maxMs: 3000 })), context.signal);
    }
  }
}

async function attempt(request: HttpRequest, target: PartialFile, context: FetchContext, what: string): Promise<void> {
  using silence = watchSilence(context);
  const etag = await resumableEtag(request, target, context);
  const response = await send(request, rangeHeaders(target.size, etag), silence, what);
  const range = await acceptStatus(response, target, context, what);
  if (range.complete) return;
  if (range.total !== undefined) await context.requireSpace(range.total);
  await rememberEtag(request, target, response.headers.get('etag'));
  context.onBytes(target.size, range.total);
  await copyBody(response, target, context, silence);
  if (range.total !== undefined && target.size < range.total) throw new Interrupted('the connection ended early', 0);
  await rm(target.originPath, { force: true });
}

interface Silence {
  readonly signal: AbortSignal;
  /** True once the source was silent for too long. */
  readonly fired: boolean;
  heard(): void;
  [Symbol.dispose](): void;
}

function watchSilence(context: FetchContext): Silence {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), context.settings.timeoutMs);
  return {
    signal: AbortSignal.any([context.signal, controller.signal]),
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

async function send(request: HttpRequest, headers: Record<string, string>, silence: Silence, what: string): Promise<Response> {
  let url = request.url;
  for (let hop = 0; hop <= REDIRECT_LIMIT; hop++) {
    const authorization = request.token && url.origin === request.url.origin ? { authorization: `Bearer ${request.token}` } : {};
    const response = await fetch(url, { redirect: 'manual', signal: silence.signal, headers: { ...headers, ...authorization } }).catch(
      (error) => rethrowConnection(error, url, silence, what),
    );
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

/** Decides what the status means for the bytes at hand. */
async function acceptStatus(
  response: Response,
  target: PartialFile,
  context: FetchContext,
  what: string,
): Promise<{ readonly total: number | undefined; readonly complete?: boolean }> {
  const { status, headers } = response;
  if (status === 206 && Number(/^bytes (\d+)-/.exec(headers.get('content-range') ?? '')?.[1]) === target.size) {
    return { total: numberOrUndefined(/\/(\d+)$/.exec(headers.get('content-range') ?? '')?.[1]) };
  }
  if (status === 200) {
    const total = numberOrUndefined(headers.get('content-length') ?? undefined);
    requireSize(total, context, what);
    await target.reset();
    return { total };
  }
  await response.body?.cancel();
  if (status === 416 && context.expected.exact && target.size === context.expected.bytes) return { total: target.size, complete: true };
  if (status === 416 || status === 206) {
    await target.reset();
    throw new Interrupted(`HTTP ${status} for a range that the file does not have`, 0);
  }
  if (status === 429 || status >= 500) {
    const seconds = Number(headers.get('retry-after') ?? 0);
    const waitMs = Number.isFinite(seconds) ? Math.min(seconds * 1000, context.settings.timeoutMs) : 0;
    throw new Interrupted(`HTTP ${status}`, waitMs);
  }
  const found = `HTTP ${status}${headers.get('x-error-message') ? `: ${headers.get('x-error-message')}` : ''}`;
  if (status === 401) throw new EdgeError('E_SOURCE_UNAUTHORIZED', { what, found });
  if (status === 403) throw new EdgeError('E_SOURCE_FORBIDDEN', { what, found });
  if (status === 404 || status === 410) throw new EdgeError('E_SOURCE_NOT_FOUND', { what, found });
  throw new EdgeError('E_SOURCE_UNAVAILABLE', { what, expected: 'HTTP 200 or 206', found });
}

/** A login page or another file is told by its length before it is downloaded. */
function requireSize(total: number | undefined, { expected }: FetchContext, what: string): void {
  if (!expected.exact || total === undefined || total === expected.bytes) return;
  throw new EdgeError('E_HASH_MISMATCH', { what, expected: `a file of ${expected.bytes} bytes`, found: `${total} bytes` });
}

async function copyBody(response: Response, target: PartialFile, context: FetchContext, silence: Silence): Promise<void> {
  const reader = response.body?.getReader();
  for (;;) {
    const part = await reader?.read().catch((error: unknown) => {
      throw new Interrupted(silence.fired ? 'the connection went silent' : 'the connection was cut', 0, error);
    });
    if (!part || part.done) return;
    await target.append(part.value);
    silence.heard();
    context.onBytes(target.size);
  }
}

/** The strong validator the bytes at hand belong to. Without one and without a known hash they cannot be trusted, and go. */
async function resumableEtag(request: HttpRequest, target: PartialFile, context: FetchContext): Promise<string | undefined> {
  if (target.size === 0) return undefined;
  const [url, etag] = await readFile(target.originPath, 'utf8').then(
    (text) => text.split('\n'),
    () => [],
  );
  const sameUrl = url === request.url.href;
  if (sameUrl && etag) return etag;
  if (!sameUrl || !context.expected.exact) await target.reset();
  return undefined;
}

async function rememberEtag(request: HttpRequest, target: PartialFile, etag: string | null): Promise<void> {
  const strong = etag && !etag.startsWith('W/') ? etag : '';
  await writeFile(target.originPath, `${request.url.href}\n${strong}`);
}

function rangeHeaders(size: number, etag: string | undefined): Record<string, string> {
  // A compressed answer would make byte ranges meaningless.
  const headers: Record<string, string> = { 'accept-encoding': 'identity' };
  if (size > 0) headers.range = `bytes=${size}-`;
  if (size > 0 && etag) headers['if-range'] = etag;
  return headers;
}

function numberOrUndefined(text: string | undefined): number | undefined {
  const value = Number(text);
  return text !== undefined && Number.isSafeInteger(value) ? value : undefined;
}
