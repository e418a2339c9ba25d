import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';

/** The policy that the chat must live with. */
export const CHAT_CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "connect-src 'self'",
  "img-src 'self' blob:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** In a scripted stream: wait until the test calls `release()`. */
export const HOLD = Symbol('hold');
/** In a scripted stream: break off without the closing event. */
export const CUT = Symbol('cut');

/** A streamed answer as it is sent, or a refusal before any of it. */
export type ScriptedReply = readonly (object | typeof HOLD | typeof CUT)[] | { readonly status: number; readonly error: object };

export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  readonly authorization: string | undefined;
}

/**
 * Serves the built chat under its policy and plays the device's API from a script: a stand-in for the device, so that a
 * test decides when each chunk arrives.
 */
export class ScriptedEndpoint {
  /** Bodies of the JSON routes, or promises of them, by `METHOD /path`; a test may change them. */
  readonly answers: Record<string, unknown>;
  readonly requests: RecordedRequest[] = [];
  readonly replies: ScriptedReply[] = [];
  /** Streams that the client closed before their end. */
  abandoned = 0;
  readonly #folder: string;
  readonly #server: Server;
  #release: (() => void) | undefined;

  constructor(folder: string, answers: Record<string, unknown>) {
    this.#folder = folder;
    this.answers = answers;
    this.#server = createServer((request, response) => void this.#handle(request, response));
  }

  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Lets a stream that stands at `HOLD` go on. */
  release(): void {
    this.#release?.();
  }

  /** Requests of one route, oldest first. */
  sent(method: string, path: string): readonly RecordedRequest[] {
    return this.requests.filter((request) => request.method === method && request.path === path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? '/', 'http://device').pathname;
    const method = request.method ?? 'GET';
    if (!/^\/(api|v1)\//.test(path)) return this.#serveFile(path, response);
    const text = await readText(request);
    this.requests.push({ method, path, body: text === '' ? undefined : JSON.parse(text), authorization: request.headers.authorization });
    if (path === '/v1/chat/completions') return this.#stream(response);
    const answer = await this.answers[`${method} ${path}`];
    if (answer === undefined) return sendJson(response, 404, { error: { code: 'E_NOT_FOUND', message: `no route ${path}`, hint: '' } });
    sendJson(response, 200, answer);
  }

  async #stream(response: ServerResponse): Promise<void> {
    const reply = this.replies.shift();
    if (reply === undefined) return sendJson(response, 500, { error: { code: 'E_INTERNAL', message: 'nothing scripted', hint: '' } });
    if ('error' in reply) return sendJson(response, reply.status, { error: reply.error });
    const closed = new Promise<void>((resolve) => response.once('close', resolve));
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    for (const step of reply) {
      if (step === CUT) return void response.end();
      if (step === HOLD) await Promise.race([closed, new Promise<void>((resolve) => (this.#release = resolve))]);
      else response.write(`data: ${JSON.stringify(step)}\n\n`);
      if (response.closed) {
        this.abandoned += 1;
        return;
      }
    }
    response.end('data: [DONE]\n\n');
  }

  #serveFile(path: string, response: ServerResponse): void {
    const name = normalize(path === '/' ? '/index.html' : path);
    try {
      const body = readFileSync(join(this.#folder, name));
      response.writeHead(200, { 'content-type': TYPES[extname(name)] ?? 'application/octet-stream', 'content-security-policy': CHAT_CSP });
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  }
}

async function readText(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const piece of request.setEncoding('utf8')) text += piece;
  return text;
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
