/** Downloads one file over HTTP, going on where an earlier attempt stopped (RFC 9110 sections 13.1.5 and 14). */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { EdgeError } from '#edge/core/errors.ts';
import type { PartialFile } from '../partial-file.ts';
import {
  addressOf,
  bodyOf,
  contentLength,
  contentRange,
  type HttpRequest,
  Interrupted,
  persist,
  refuse,
  send,
  watchSilence,
} from './http-exchange.ts';
import type { FetchContext } from './source.ts';

/**
 * Downloads into `target`.
 * @throws EdgeError as `FetchFrom` says; messages name host and path, never query or token.
 */
export function download(request: HttpRequest, target: PartialFile, context: FetchContext): Promise<void> {
  const what = `cannot download ${addressOf(request)}`;
  return persist(
    () => attempt(request, target, context, what),
    () => target.size,
    what,
    context.signal,
  );
}

async function attempt(request: HttpRequest, target: PartialFile, context: FetchContext, what: string): Promise<void> {
  using silence = watchSilence(context.signal, context.settings.timeoutMs);
  const etag = await resumableEtag(request, target, context);
  const response = await send(request, rangeHeaders(target.size, etag), silence, what);
  const range = await acceptStatus(response, target, context, what);
  if (range.complete) return;
  if (range.total !== undefined) await context.requireSpace(range.total);
  await rememberEtag(request, target, response.headers.get('etag'));
  context.onBytes(target.size, range.total);
  for await (const part of bodyOf(response, silence)) {
    await target.append(part);
    context.onBytes(target.size);
  }
  if (range.total !== undefined && target.size < range.total) throw new Interrupted('the connection ended early', 0);
  await rm(target.originPath, { force: true });
}

/** Decides what the status means for the bytes at hand. */
async function acceptStatus(
  response: Response,
  target: PartialFile,
  context: FetchContext,
  what: string,
): Promise<{ readonly total: number | undefined; readonly complete?: boolean }> {
  const { status } = response;
  const { start, total } = contentRange(response);
  if (status === 206 && start === target.size) return { total };
  if (status === 200) {
    const length = contentLength(response);
    requireSize(length, context, what);
    await target.reset();
    return { total: length };
  }
  if (status === 416 && context.expected.exact && target.size === context.expected.bytes) {
    await response.body?.cancel();
    return { total: target.size, complete: true };
  }
  if (status === 416 || status === 206) {
    await response.body?.cancel();
    await target.reset();
    throw new Interrupted(`HTTP ${status} for a range that the file does not have`, 0);
  }
  return refuse(response, context.settings.timeoutMs, what);
}

/** A login page or another file is told by its length before it is downloaded. */
function requireSize(total: number | undefined, { expected }: FetchContext, what: string): void {
  if (!expected.exact || total === undefined || total === expected.bytes) return;
  throw new EdgeError('E_HASH_MISMATCH', { what, expected: `a file of ${expected.bytes} bytes`, found: `${total} bytes` });
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
  if (size === 0) return {};
  return { range: `bytes=${size}-`, ...(etag ? { 'if-range': etag } : {}) };
}
