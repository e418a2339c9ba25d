import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import type { Config } from '#edge/config/schema.ts';
import { EdgeError, systemErrorCode } from '#edge/core/errors.ts';
import type { ServeEnv } from './dependencies.ts';
import { toErrorBody } from './error-body.ts';
import { assertSafeBinding } from './middleware/access.ts';

/** An open endpoint. */
export interface Listener {
  readonly url: string;
  readonly port: number;
  /**
   * Accepts no new connection, answers 503 on open ones, and waits for the answers under way; after `deadlineMs` those
   * still open end with `E_SHUTTING_DOWN`. Resolves when every connection is closed.
   */
  drain(deadlineMs: number): Promise<void>;
}

/** What can be served: a Hono app. */
interface Served {
  fetch(request: Request, env: ServeEnv['Bindings']): Response | Promise<Response>;
}

/** A connection kept alive after its last answer would hold the drain up for seconds. */
const CLOSE_IDLE_EVERY_MS = 50;

/** Time that cut answers get to send their error event. */
const FAREWELL_MS = 500;

/**
 * Binds and serves. Port 0 takes a free one.
 * @throws EdgeError `E_KEYS_REQUIRED`, `E_PORT_IN_USE`, `E_CONFIG_INVALID` (no such address).
 */
export async function listen(app: Served, settings: Pick<Config['serve'], 'host' | 'port' | 'keys'>): Promise<Listener> {
  assertSafeBinding(settings);
  const shutdown = new AbortController();
  let draining = false;
  const server = createAdaptorServer({
    fetch: (request, env) => (draining ? refuseStraggler() : app.fetch(request, { ...env, shutdown: shutdown.signal })),
  }) as Server;
  await bind(server, settings.host, settings.port);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${displayHost(settings.host)}:${port}`,
    port,
    async drain(deadlineMs) {
      draining = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      const idle = setInterval(() => server.closeIdleConnections(), CLOSE_IDLE_EVERY_MS);
      const cut = setTimeout(() => {
        shutdown.abort(new EdgeError('E_SHUTTING_DOWN', { what: 'the device stops before the answer is complete' }));
        setTimeout(() => server.closeAllConnections(), FAREWELL_MS).unref();
      }, deadlineMs);
      await closed;
      clearInterval(idle);
      clearTimeout(cut);
    },
  };
}

function bind(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(bindFailure(error, host, port)));
    server.listen(port, host, resolve);
  });
}

function bindFailure(cause: Error, host: string, port: number): EdgeError {
  const code = systemErrorCode(cause);
  if (code === 'EADDRINUSE') {
    return new EdgeError('E_PORT_IN_USE', { what: `cannot listen on ${host}:${port}`, found: 'another program on this port', cause });
  }
  return new EdgeError('E_CONFIG_INVALID', {
    what: `cannot listen on ${host}:${port}`,
    expected: 'an address of this machine and a port that this user may open',
    found: code ?? cause.message,
    hint: 'Correct serve.host or serve.port; ports below 1024 need special rights.',
    cause,
  });
}

function refuseStraggler(): Response {
  const error = new EdgeError('E_SHUTTING_DOWN', { what: 'the device is stopping' });
  return Response.json(toErrorBody(error), { status: error.status, headers: { connection: 'close', 'retry-after': '1' } });
}

function displayHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost';
  return host.includes(':') ? `[${host.replace(/^\[|\]$/g, '')}]` : host;
}
