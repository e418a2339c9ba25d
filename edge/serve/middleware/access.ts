import { createHash, timingSafeEqual } from 'node:crypto';
import type { MiddlewareHandler } from 'hono';
import type { Config } from '#edge/config/schema.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { ServeContext, ServeEnv } from '../dependencies.ts';

/** True for an address or name that only this machine can reach. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '').toLowerCase();
  return name === 'localhost' || name.endsWith('.localhost') || name === '::1' || /^127(\.\d{1,3}){3}$/.test(name);
}

/**
 * Refuses to be reachable from other machines without keys.
 * @throws EdgeError `E_KEYS_REQUIRED`.
 */
export function assertSafeBinding(settings: Pick<Config['serve'], 'host' | 'keys'>): void {
  if (isLoopback(settings.host) || settings.keys.length > 0) return;
  throw new EdgeError('E_KEYS_REQUIRED', {
    what: `will not listen on ${settings.host} without API keys`,
    expected: 'a loopback address, or at least one key',
    found: 'no key',
  });
}

/**
 * On loopback the Host must name this machine: a page of another site whose name was made to resolve to 127.0.0.1 (DNS
 * rebinding) still sends its own name. A request out of a browser must come from a page of this device or of an allowed
 * origin. Requests from other machines are told apart by their key instead.
 */
export function guardHostAndOrigin(settings: Config['serve']): MiddlewareHandler<ServeEnv> {
  return async (c, next) => {
    const host = c.req.header('host') ?? new URL(c.req.url).host;
    const name = hostName(host);
    if (isLoopback(settings.host) && !isLoopback(name) && !settings.allowedHosts.includes(name)) {
      throw new EdgeError('E_HOST_REFUSED', { what: 'the Host header names another machine', expected: 'a loopback name', found: name });
    }
    const origin = c.req.header('origin');
    if (origin !== undefined && !isSameOrigin(origin, host) && !settings.allowedOrigins.includes(origin)) {
      throw new EdgeError('E_ORIGIN_REFUSED', { what: 'a page of another site called the device', found: origin });
    }
    await next();
  };
}

/** With keys configured, every call needs one of them, on loopback too. */
export function requireKey(keys: readonly string[]): MiddlewareHandler<ServeEnv> {
  const known = keys.map(digest);
  return async (c, next) => {
    if (known.length > 0 && !isKnown(bearerOf(c), known)) {
      c.header('www-authenticate', 'Bearer');
      throw new EdgeError('E_UNAUTHORIZED', {
        what: 'the request carries no valid key',
        found: c.req.header('authorization') === undefined ? 'no Authorization header' : 'another key',
      });
    }
    await next();
  };
}

/** Digests have one length, and all of them are compared, so the time tells nothing about a key. */
function isKnown(key: string, known: readonly Buffer[]): boolean {
  const given = digest(key);
  return known.reduce((found, one) => timingSafeEqual(one, given) || found, false);
}

function bearerOf(c: ServeContext): string {
  return /^Bearer +(.+)$/i.exec(c.req.header('authorization') ?? '')?.[1] ?? '';
}

function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

function hostName(host: string): string {
  return host.replace(/:\d+$/, '').toLowerCase();
}

function isSameOrigin(origin: string, host: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
}
