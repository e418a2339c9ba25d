import type { Hono } from 'hono';
import { z } from 'zod';
import type { AddDocumentsRequest, FeedbackRequest } from '#edge/contracts/bot.ts';
import { TASKS } from '#edge/contracts/model.ts';
import { callSignal, type ServeDependencies, type ServeEnv } from '../dependencies.ts';
import { recordFailure } from '../measure.ts';
import { routeOf } from '../middleware/observe.ts';
import { checkBody, readJson } from '../read-json.ts';
import { begun, sseResponse } from '../sse.ts';

const addDocuments = z.strictObject({
  paths: z.array(z.string().min(1)).min(1),
  format: z.enum(['auto', 'markdown', 'text', 'html', 'pdf', 'docx', 'jsonl']).default('auto'),
  fields: z
    .strictObject({ text: z.string().min(1), id: z.string().min(1).exactOptional(), title: z.string().min(1).exactOptional() })
    .exactOptional(),
}) satisfies z.ZodType<AddDocumentsRequest>;

const feedback = z.strictObject({
  sessionId: z.string().min(1).max(128),
  vote: z.enum(['up', 'down']),
  comment: z.string().max(4000).exactOptional(),
}) satisfies z.ZodType<FeedbackRequest>;

/** The device's own API: `/api/v1/...`, `/healthz` and `/metrics`. */
export function addAdminRoutes(app: Hono<ServeEnv>, deps: ServeDependencies): void {
  const { runtime, telemetry, version } = deps;
  app.get('/healthz', (c) => c.json({ status: 'ok', version }));
  app.get('/metrics', (c) => c.text(telemetry.metricsText(), 200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }));
  app.get('/api/v1/telemetry', (c) => c.json(telemetry.status()));
  app.get('/api/v1/engines', async (c) => c.json({ engines: await runtime.listEngines() }));
  app.get('/api/v1/plan/:task', async (c) => c.json(await runtime.plan(checkBody(c.req.param('task'), z.enum(TASKS)))));
  addBotRoutes(app, deps);
  addDocumentRoutes(app, deps);
}

function addBotRoutes(app: Hono<ServeEnv>, { bots, settings }: ServeDependencies): void {
  app.get('/api/v1/bots', async (c) => c.json({ bots: await bots.listBots() }));
  app.get('/api/v1/sessions', async (c) => c.json({ sessions: await bots.listSessions() }));
  app.get('/api/v1/sessions/:id', async (c) => {
    const id = c.req.param('id');
    const messages = await bots.readSession(id);
    return c.json({ session: (await bots.listSessions()).find((session) => session.id === id), messages });
  });
  app.delete('/api/v1/sessions/:id', async (c) => {
    await bots.deleteSession(c.req.param('id'));
    return c.body(null, 204);
  });
  app.post('/api/v1/feedback', async (c) => {
    await bots.addFeedback(await readJson(c.req.raw, settings.maxBodyBytes, feedback));
    return c.body(null, 204);
  });
}

function addDocumentRoutes(app: Hono<ServeEnv>, { bots, recorder, settings }: ServeDependencies): void {
  app.get('/api/v1/documents', async (c) => c.json({ documents: await bots.listDocuments() }));
  app.post('/api/v1/documents', async (c) => {
    const request = await readJson(c.req.raw, settings.maxBodyBytes, addDocuments);
    const parts = await begun(bots.addDocuments(request, { signal: callSignal(c) }), () => true);
    const route = routeOf(c);
    return sseResponse(c, parts, { onError: (error) => recordFailure(recorder, error, route) });
  });
  app.post('/api/v1/documents/reindex', async (c) => {
    const parts = await begun(bots.reindexDocuments({ signal: callSignal(c) }), () => true);
    const route = routeOf(c);
    return sseResponse(c, parts, { onError: (error) => recordFailure(recorder, error, route) });
  });
  // The rest of the path is an id or a source; a source (a path, a URL) holds slashes.
  app.delete('/api/v1/documents/:name{.+}', async (c) => c.json(await bots.removeDocuments([c.req.param('name')])));
}
