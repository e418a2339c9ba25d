import { createHash } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { sleep } from '#edge/core/clock.ts';

/** What a served file does besides being served. */
export interface Served {
  content: Buffer;
  /** Cuts the connection after so many bytes of each answer in turn; an answer beyond the list is whole. */
  cuts?: number[];
  /** Answers these statuses first, one a request; `0` never answers. */
  statuses?: number[];
  /** Sends everyone elsewhere. */
  redirect?: string;
  /** Pause between pieces of 64 KiB, in ms. */
  slowMs?: number;
  /** False sends no ETag. */
  etag?: boolean;
  /** False answers every range with the whole file. */
  ranges?: boolean;
  /** False tells no size: neither Content-Length nor the total of Content-Range. */
  sized?: boolean;
}

export interface SeenRequest {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Set when the client went away before the end. */
  aborted: boolean;
}

/** An address on this machine that refuses connections. */
export async function closedUrl(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

/** A hub on a local port: ranges, validators, and every failure a real one has. */
export class HubServer {
  readonly files = new Map<string, Served>();
  readonly requests: SeenRequest[] = [];
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  serve(path: string, served: Served): void {
    this.files.set(path, served);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '').replace(/\?.*/, '');
    const seen: SeenRequest = { path, headers: request.headers, aborted: false };
    this.requests.push(seen);
    response.on('close', () => {
      seen.aborted = !response.writableFinished;
    });
    const served = this.files.get(path);
    const status = served?.statuses?.shift() ?? (served ? 200 : 404);
    if (status === 0) return;
    if (served?.redirect) return void response.writeHead(302, { location: served.redirect }).end();
    if (!served || status >= 400) return void response.writeHead(status).end();
    await this.#send(request, response, served);
  }

  async #send(request: IncomingMessage, response: ServerResponse, served: Served): Promise<void> {
    const { content, sized = true, ranges = true } = served;
    const etag = `"${createHash('sha256').update(content).digest('hex')}"`;
    const condition = request.headers['if-range'];
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const isPartial = range !== null && ranges && (condition === undefined || condition === etag);
    const from = isPartial ? Number(range[1]) : 0;
    const end = isPartial && range[2] ? Math.min(Number(range[2]) + 1, content.length) : content.length;
    if (isPartial && from >= content.length) {
      return void response.writeHead(416, { 'content-range': `bytes */${content.length}` }).end();
    }
    response.writeHead(isPartial ? 206 : 200, {
      ...(sized ? { 'content-length': end - from } : {}),
      ...(served.etag === false ? {} : { etag }),
      ...(isPartial ? { 'content-range': `bytes ${from}-${end - 1}/${sized ? content.length : '*'}` } : {}),
    });
    const cut = served.cuts?.shift();
    const until = cut === undefined ? end : Math.min(end, from + cut);
    response.flushHeaders();
    for (let at = from; at < until && !response.destroyed; at += 65_536) {
      response.write(content.subarray(at, Math.min(until, at + 65_536)));
      do await sleep(served.slowMs ?? 0);
      while (response.writableNeedDrain && !response.destroyed);
    }
    if (until < end) setTimeout(() => response.destroy(), 50);
    else response.end();
  }
}
