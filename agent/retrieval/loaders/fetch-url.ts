import { abortError, withDeadline } from '#edge/core/abort.ts';
import { EdgeError } from '#edge/core/errors.ts';

/** What a URL gave. */
export interface FetchedBytes {
  readonly bytes: Uint8Array;
  readonly contentType: string | undefined;
}

const MAX_BYTES = 32 * 1024 * 1024;
const MAX_REDIRECTS = 5;
const DEADLINE_MS = 30_000;

/** True for what {@link fetchUrl} takes. */
export function isUrl(path: string): boolean {
  return /^https?:\/\//i.test(path);
}

/**
 * Fetches a page within 30 s, 32 MiB and 5 redirects, none of which may leave http(s).
 * @throws EdgeError `E_SOURCE_UNAVAILABLE`, `E_DOCUMENT_UNREADABLE`, `E_DEADLINE` or `E_CANCELLED`
 */
export async function fetchUrl(url: string, signal?: AbortSignal): Promise<FetchedBytes> {
  using deadline = withDeadline(DEADLINE_MS, `fetching ${url}`, signal);
  try {
    return await readBody(await follow(url, deadline.signal), url);
  } catch (error) {
    if (deadline.signal.aborted) throw abortError(deadline.signal, `fetching ${url}`);
    if (EdgeError.is(error)) throw error;
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    throw unavailable(url, 'an answer', cause, error);
  }
}

async function follow(url: string, signal: AbortSignal): Promise<Response> {
  let target = url;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const response = await fetch(target, { redirect: 'manual', signal });
    const location = response.headers.get('location');
    if (response.status < 300 || response.status > 399 || location === null) return response;
    await response.body?.cancel();
    target = new URL(location, target).href;
    if (!isUrl(target)) throw unavailable(url, 'a redirect within http(s)', new URL(target).protocol);
  }
  throw unavailable(url, `at most ${MAX_REDIRECTS} redirects`, 'more');
}

async function readBody(response: Response, url: string): Promise<FetchedBytes> {
  if (!response.ok) {
    await response.body?.cancel();
    throw unavailable(url, 'status 200', `status ${response.status}`);
  }
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body ?? []) {
    size += part.byteLength;
    if (size > MAX_BYTES) {
      throw new EdgeError('E_DOCUMENT_UNREADABLE', { what: `cannot read ${url}`, expected: `at most ${MAX_BYTES} bytes`, found: 'more' });
    }
    parts.push(part);
  }
  return { bytes: Buffer.concat(parts), contentType: response.headers.get('content-type') ?? undefined };
}

function unavailable(url: string, expected: string, found: string, cause?: unknown): EdgeError {
  return new EdgeError('E_SOURCE_UNAVAILABLE', {
    what: `cannot fetch ${url}`,
    expected,
    found,
    hint: 'Check the address and the network.',
    cause,
  });
}
