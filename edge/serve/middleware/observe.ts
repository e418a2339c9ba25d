import type { MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import { EdgeError } from '#edge/core/errors.ts';
import type { ServeContext, ServeDependencies, ServeEnv } from '../dependencies.ts';
import { recordFailure } from '../measure.ts';

/** The pattern of the route that answers, such as `/api/v1/sessions/:id`: never a path, which may hold anything. */
export function routeOf(c: ServeContext): string {
  return matchedRoutes(c).findLast((route) => route.method !== 'ALL')?.path ?? 'other';
}

/** Counts and logs every request, adds the headers that every reply carries, and records failures. */
export function observeRequests({ recorder, log }: Pick<ServeDependencies, 'recorder' | 'log'>): MiddlewareHandler<ServeEnv> {
  return async (c, next) => {
    const started = performance.now();
    await next();
    const ms = performance.now() - started;
    c.header('x-content-type-options', 'nosniff');
    c.header('referrer-policy', 'no-referrer');
    if (!isStream(c.res)) c.header('server-timing', `handler;dur=${ms.toFixed(1)}`, { append: true });
    const facts = { method: c.req.method, route: routeOf(c), status: c.res.status, requestId: c.get('requestId') };
    recorder.observe('nearside.http.requests', 1, { 'http.route': facts.route, 'http.response.status_code': facts.status });
    if (!isStream(c.res)) recorder.observe('nearside.http.request.duration', ms / 1000, { 'http.route': facts.route });
    if (!c.error) {
      log.debug('request answered', { ...facts, ms: Math.round(ms) });
      return;
    }
    const error = EdgeError.from(c.error);
    recordFailure(recorder, error, facts.route);
    if (error.status >= 500) log.error('request failed', { ...facts, error, cause: error.cause });
    else log.debug('request refused', { ...facts, code: error.code });
  };
}

function isStream(response: Response): boolean {
  return response.headers.get('content-type')?.startsWith('text/event-stream') ?? false;
}
