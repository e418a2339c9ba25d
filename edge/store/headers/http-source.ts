/** A file on a server, read by byte ranges (RFC 9110 section 14). */
import { EdgeError } from '#edge/core/errors.ts';
import { formatBytes } from '#edge/core/format.ts';
import {
  addressOf,
  bodyOf,
  contentLength,
  contentRange,
  type HttpRequest,
  Interrupted,
  persist,
  refuse,
  type Silence,
  send,
  watchSilence,
} from '../sources/http-exchange.ts';
import { HEADER_LIMIT_BYTES } from './bounded-reader.ts';
import type { ByteSource } from './byte-source.ts';
import type { ModelHeader } from './model-header.ts';
import { readHeader } from './read-header.ts';

/** Enough for the fixed part of every format. */
const FIRST_BYTES = 64 * 1024;

export interface RemoteOptions {
  /** A server that stays silent this long is given up, in ms. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Reads the header of a file on a server without downloading the file. A server without ranges sends the file from its beginning, and is
 * stopped once a header cannot be longer.
 * @throws EdgeError `E_SOURCE_*`, `E_DOWNLOAD_FAILED`, `E_CANCELLED`, and as {@link readHeader}.
 */
export async function readRemoteHeader(request: HttpRequest, options: RemoteOptions): Promise<ModelHeader> {
  return readHeader(await openRemote(request, options));
}

/** @throws EdgeError as {@link readRemoteHeader}. */
export async function openRemote(request: HttpRequest, options: RemoteOptions): Promise<ByteSource> {
  const what = `cannot read ${addressOf(request)}`;
  let received = 0;
  const attempt = async (): Promise<ByteSource> => {
    using silence = watchSilence(options.signal, options.timeoutMs);
    const response = await send(request, rangeHeader(0, FIRST_BYTES), silence, what);
    const { start, total } = contentRange(response);
    if (response.status === 416 && total === 0) return inMemory(addressOf(request), Buffer.alloc(0), 0);
    if (response.status === 200) return await readFromStart(request, response, silence);
    if (response.status !== 206 || start !== 0) return await refuse(response, options.timeoutMs, what);
    if (total === undefined) throw noSize(what);
    const first = await readBody(response, silence, Math.min(FIRST_BYTES, total));
    received += first.length;
    return ranged(request, placeOf(request, response), first, total, options);
  };
  return persist(attempt, () => received, what, options.signal);
}

/** @param redirected Where the hub sent the first request, so that its delivery network is asked for the rest. */
function ranged(request: HttpRequest, redirected: HttpRequest, first: Buffer, size: number, options: RemoteOptions): ByteSource {
  const name = addressOf(request);
  let place = redirected;
  let received = 0;
  const fetchRange = async (offset: number, length: number): Promise<Buffer> => {
    using silence = watchSilence(options.signal, options.timeoutMs);
    const response = await send(place, rangeHeader(offset, length), silence, `cannot read ${name}`);
    const { start, total } = contentRange(response);
    if (response.status !== 206) {
      // The address that a redirect gave may be valid for a while only.
      if (place === request) return await refuse(response, options.timeoutMs, `cannot read ${name}`);
      await response.body?.cancel();
      place = request;
      throw new Interrupted(`HTTP ${response.status} after a redirect`, 0);
    }
    if (start !== offset || total !== size) throw changed(name, size, total);
    place = placeOf(request, response);
    const bytes = await readBody(response, silence, length);
    received += bytes.length;
    return bytes;
  };
  return {
    name,
    size,
    read: (offset, length) =>
      offset + length <= first.length
        ? Promise.resolve(first.subarray(offset, offset + length))
        : persist(
            () => fetchRange(offset, length),
            () => received,
            `cannot read ${name}`,
            options.signal,
          ),
  };
}

/** For a server that sends all: as much of it as a header may take. */
async function readFromStart(request: HttpRequest, response: Response, silence: Silence): Promise<ByteSource> {
  const name = addressOf(request);
  const stated = contentLength(response);
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of bodyOf(response, silence)) {
    parts.push(part);
    length += part.length;
    if (length >= HEADER_LIMIT_BYTES) break;
  }
  if (stated === undefined && length >= HEADER_LIMIT_BYTES) throw noSize(`cannot read ${name}`);
  if (stated !== undefined && length < Math.min(stated, HEADER_LIMIT_BYTES)) throw new Interrupted('the connection ended early', 0);
  return inMemory(name, Buffer.concat(parts), stated ?? length);
}

function inMemory(name: string, bytes: Buffer, size: number): ByteSource {
  return {
    name,
    size,
    read: (offset, length) =>
      offset + length <= bytes.length ? Promise.resolve(bytes.subarray(offset, offset + length)) : Promise.reject(noRanges(name)),
  };
}

async function readBody(response: Response, silence: Silence, length: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let received = 0;
  for await (const part of bodyOf(response, silence)) {
    parts.push(part);
    received += part.length;
    if (received >= length) break;
  }
  if (received < length) throw new Interrupted('the connection ended early', 0);
  return Buffer.concat(parts, length);
}

/** Where the next range is asked for; a token stays with the host that it is for. */
function placeOf(request: HttpRequest, response: Response): HttpRequest {
  return response.url === '' || response.url === request.url.href
    ? request
    : { url: new URL(response.url), ...tokenFor(request, response.url) };
}

function tokenFor({ url, token }: HttpRequest, target: string): Pick<HttpRequest, 'token'> {
  return new URL(target).origin === url.origin ? { token } : {};
}

function rangeHeader(offset: number, length: number): Record<string, string> {
  return { range: `bytes=${offset}-${offset + length - 1}` };
}

function noSize(what: string): EdgeError {
  return new EdgeError('E_SOURCE_UNAVAILABLE', {
    what,
    expected: 'the size of the file (Content-Length or Content-Range)',
    found: 'none',
    hint: 'Download the file and name its path.',
  });
}

function noRanges(name: string): EdgeError {
  return new EdgeError('E_SOURCE_UNAVAILABLE', {
    what: `cannot read the header of ${name}`,
    expected: `a server that answers byte ranges, or a header within the first ${formatBytes(HEADER_LIMIT_BYTES)}`,
    found: 'neither',
    hint: 'Download the file and name its path.',
  });
}

function changed(name: string, size: number, total: number | undefined): EdgeError {
  return new EdgeError('E_SOURCE_UNAVAILABLE', {
    what: `${name} changed while it was read`,
    expected: `${size} bytes`,
    found: `${total ?? 'another range'}`,
  });
}
