import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { serveStatic } from '@hono/node-server/serve-static';
import type { MiddlewareHandler } from 'hono';
import type { ServeEnv } from '../dependencies.ts';

/** Everything from this device, nothing inline, no code from strings, never inside another page. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "connect-src 'self'",
  "worker-src 'self'",
  "img-src 'self' blob:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

/** Serves the built web chat; undefined when it was not built. Paths that climb out of the folder find nothing. */
export function webChat(root: string | undefined): MiddlewareHandler<ServeEnv> | undefined {
  if (root === undefined || !existsSync(join(root, 'index.html'))) return undefined;
  const files = serveStatic<ServeEnv>({ root, precompressed: true });
  return async (c, next) => {
    const response = await files(c, async () => void (await next()));
    if (!response) return;
    response.headers.set('content-security-policy', CONTENT_SECURITY_POLICY);
    // Names under assets/ change with their content.
    const hashed = c.req.path.startsWith('/assets/');
    response.headers.set('cache-control', hashed ? 'public, max-age=31536000, immutable' : 'no-cache');
    return response;
  };
}
