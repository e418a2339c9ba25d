import type { Hono } from 'hono';
import { z } from 'zod';
import type { ReplyPart } from '#edge/contracts/parts.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { newId } from '#edge/core/ids.ts';
import { callSignal, type ServeContext, type ServeDependencies, type ServeEnv } from '../dependencies.ts';
import { measureEmbedding, measureReply, recordFailure } from '../measure.ts';
import { routeOf } from '../middleware/observe.ts';
import { readJson } from '../read-json.ts';
import { begun, sseResponse } from '../sse.ts';
import { fromEmbeddingRequest, toEmbeddingList } from './embeddings.ts';
import { type ChatCall, fromChatRequest } from './from-chat-request.ts';
import { toModelList } from './models.ts';
import { type ReplyMeta, toChunks, toCompletion, toServerTiming } from './to-chunks.ts';

/** OpenAI's API: `/v1/...`. */
export function addOpenAiRoutes(app: Hono<ServeEnv>, deps: ServeDependencies): void {
  const started = Math.floor(Date.now() / 1000);
  const { runtime, recorder, settings } = deps;
  const listModels = async () => toModelList(await runtime.listModels(), started);

  app.get('/v1/models', async (c) => c.json({ object: 'list', data: await listModels() }));

  app.get('/v1/models/:id{.+}', async (c) => {
    const id = c.req.param('id');
    const model = (await listModels()).find((one) => one.id === id);
    if (!model) throw new EdgeError('E_MODEL_UNKNOWN', { what: `there is no model "${id}" on this device` });
    return c.json(model);
  });

  app.post('/v1/chat/completions', async (c) => {
    const body = await readJson(c.req.raw, settings.maxBodyBytes, z.unknown());
    const call = fromChatRequest(body, c.req.header('x-session-id'));
    const meta: ReplyMeta = {
      id: newId('chatcmpl'),
      model: call.model,
      created: Math.floor(Date.now() / 1000),
      includeUsage: call.includeUsage,
    };
    const parts = startReply(deps, call, callSignal(c));
    if (call.stream) return streamReply(c, deps, parts, meta);
    const completion = await toCompletion(parts, meta);
    c.header('server-timing', toServerTiming(completion.nearside.timings ?? { totalMs: 0 }));
    return c.json(completion);
  });

  app.post('/v1/embeddings', async (c) => {
    const call = fromEmbeddingRequest(await readJson(c.req.raw, settings.maxBodyBytes, z.unknown()));
    const signal = callSignal(c);
    const response = await measureEmbedding(() => runtime.embed(call.request, { signal }), recorder, call.request.model);
    return c.json(toEmbeddingList(response, call));
  });
}

function startReply(
  { bots, runtime, recorder }: ServeDependencies,
  { model, target }: ChatCall,
  signal: AbortSignal,
): AsyncIterable<ReplyPart> {
  return target.kind === 'bot'
    ? measureReply(bots.reply(target.request, { signal }), recorder, { operation: 'invoke_agent', model })
    : measureReply(runtime.generate(target.request, { signal }), recorder, { operation: 'chat', model });
}

async function streamReply(c: ServeContext, deps: ServeDependencies, parts: AsyncIterable<ReplyPart>, meta: ReplyMeta): Promise<Response> {
  const reply = await begun(parts, (part) => part.type !== 'text-start');
  const route = routeOf(c);
  return sseResponse(c, toChunks(reply, meta), {
    end: '[DONE]',
    onError: (error) => {
      recordFailure(deps.recorder, error, route);
      deps.log.warn('answer broke off', { route, requestId: c.get('requestId'), code: error.code });
    },
  });
}
