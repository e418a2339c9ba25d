import { Hono } from 'hono';
import { cors } from 'hono/cors';
import { methodNotAllowed } from 'hono/method-not-allowed';
import { requestId } from 'hono/request-id';
import { EdgeError } from '#edge/core/errors.ts';
import { newId } from '#edge/core/ids.ts';
import { addAdminRoutes } from './admin/admin-routes.ts';
import type { ServeContext, ServeDependencies, ServeEnv } from './dependencies.ts';
import { errorResponse } from './error-body.ts';
import { guardHostAndOrigin, requireKey } from './middleware/access.ts';
import { observeRequests } from './middleware/observe.ts';
import { webChat } from './middleware/web-chat.ts';
import { addOpenAiRoutes } from './openai/openai-routes.ts';

/** The endpoint as a value: `app.request(...)` answers without a port; `listen` gives it one. */
export function createApp(deps: ServeDependencies): Hono<ServeEnv> {
  const { settings } = deps;
  const app = new Hono<ServeEnv>();
  app.onError((error, c) => errorResponse(c, error));
  app.notFound((c) => errorResponse(c, new EdgeError('E_NOT_FOUND', { what: 'there is nothing at this path' })));
  app.use(requestId({ limitLength: 128, generator: () => newId('req') }));
  app.use(observeRequests(deps));
  app.use(guardHostAndOrigin(settings));
  if (settings.allowedOrigins.length > 0) app.use(cors({ origin: [...settings.allowedOrigins] }));
  for (const path of ['/v1/*', '/api/*', '/metrics']) app.use(path, requireKey(settings.keys));
  app.use(methodNotAllowed({ app, onMethodNotAllowed: refuseMethod }));
  addOpenAiRoutes(app, deps);
  addAdminRoutes(app, deps);
  app.get('/api/v1', (c) => c.json(describeApi(app, deps.version)));
  const chat = webChat(deps.webRoot);
  if (chat) app.use(chat);
  else app.get('/', (c) => c.json(describeApi(app, deps.version)));
  return app;
}

function refuseMethod(c: ServeContext, methods: readonly string[]): Response {
  c.header('allow', methods.join(', '));
  return errorResponse(
    c,
    new EdgeError('E_METHOD_NOT_ALLOWED', { what: 'this path has no such method', expected: methods.join(', '), found: c.req.method }),
  );
}

function describeApi(app: Hono<ServeEnv>, version: string): { name: string; version: string; routes: string[] } {
  const routes = app.routes.filter((route) => route.method !== 'ALL').map((route) => `${route.method} ${route.path.replace('{.+}', '')}`);
  return { name: 'nearside', version, routes };
}
