/** `POST /v1/chat/completions` to what the runtime and the bots take: a pure function of the body. */
import { z } from 'zod';
import { BOTS, type BotId, type BotRequest } from '#edge/contracts/bot.ts';
import type { ChatMessage, GenerateRequest, SamplingOptions } from '#edge/contracts/generate.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { checkBody } from '../read-json.ts';

/** A parsed chat request. */
export interface ChatCall {
  readonly model: string;
  readonly stream: boolean;
  /** True when a stream shall end with a chunk of token counts. */
  readonly includeUsage: boolean;
  readonly target: { readonly kind: 'bot'; readonly request: BotRequest } | { readonly kind: 'model'; readonly request: GenerateRequest };
}

const textPart = z.object({ type: z.literal('text', 'only text parts are supported'), text: z.string() });
const content = z.union([z.string(), z.array(textPart)], 'expected a string or an array of text parts');
const message = z.object({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
  content: content.nullish(),
  tool_calls: z.array(z.unknown()).max(0, 'tool calls are not supported').nullish(),
});

const responseFormat = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text') }),
  z.object({ type: z.literal('json_object') }),
  z.object({ type: z.literal('json_schema'), json_schema: z.object({ schema: z.record(z.string(), z.unknown()) }) }),
]);

const tokenLimit = z.int().positive().nullish();

/** Lenient: fields that change nothing here (`user`, `metadata`, `store` ...) are ignored; those that would are in {@link REFUSED}. */
const chatRequest = z.object({
  model: z.string().min(1),
  messages: z.array(message),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  max_tokens: tokenLimit,
  max_completion_tokens: tokenLimit,
  stop: z.union([z.string().min(1), z.array(z.string().min(1)).max(16)], 'expected up to 16 strings of at least one character').nullish(),
  seed: z.int().nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.int().min(0).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  repeat_penalty: z.number().positive().nullish(),
  response_format: responseFormat.nullish(),
  nearside: z.object({ session_id: sessionId().nullish() }).nullish(),
});

type ChatBody = z.output<typeof chatRequest>;

/** Fields whose silent loss would change the answer, with the values that ask for nothing. */
const REFUSED: Readonly<Record<string, (value: unknown) => boolean>> = {
  tools: isEmpty,
  tool_choice: (value) => value === 'none' || value === 'auto',
  functions: isEmpty,
  function_call: (value) => value === 'none' || value === 'auto',
  n: (value) => value === 1,
  logprobs: (value) => value === false,
  top_logprobs: (value) => value === 0,
  logit_bias: isEmpty,
  presence_penalty: (value) => value === 0,
  frequency_penalty: (value) => value === 0,
  modalities: (value) => Array.isArray(value) && value.every((one) => one === 'text'),
  audio: () => false,
  prediction: () => false,
  web_search_options: () => false,
};

/**
 * @param sessionHeader - value of `x-session-id`; the body's `nearside.session_id` goes before it
 * @throws EdgeError `E_BAD_REQUEST`, `E_PROMPT_EMPTY`, `E_BOT_UNKNOWN`, `E_UNSUPPORTED`, each naming the field.
 */
export function fromChatRequest(body: unknown, sessionHeader: string | undefined): ChatCall {
  refuseUnsupported(body);
  const request = checkBody(body, chatRequest);
  const messages = request.messages.map(toMessage);
  if ((messages.at(-1)?.content ?? '').trim() === '') {
    throw new EdgeError('E_PROMPT_EMPTY', {
      what: 'there is nothing to answer',
      expected: 'a last message with text',
      found: messages.length === 0 ? 'no message' : 'an empty one',
      details: { param: 'messages' },
    });
  }
  const session = request.nearside?.session_id ?? (sessionHeader === undefined ? undefined : checkBody(sessionHeader, sessionId()));
  return {
    model: request.model,
    stream: request.stream ?? false,
    includeUsage: request.stream_options?.include_usage ?? false,
    target: request.model.startsWith('bot/')
      ? { kind: 'bot', request: toBotRequest(request, messages, session) }
      : { kind: 'model', request: toGenerateRequest(request, messages, session) },
  };
}

function toBotRequest(request: ChatBody, messages: readonly ChatMessage[], session: string | undefined): BotRequest {
  const bot = request.model.slice('bot/'.length);
  if (!(BOTS as readonly string[]).includes(bot)) {
    throw new EdgeError('E_BOT_UNKNOWN', { what: `there is no bot "${bot}"`, expected: BOTS.join(', '), details: { param: 'model' } });
  }
  if (request.response_format && request.response_format.type !== 'text') throw unsupported('response_format', 'bots answer in text only');
  return { bot: bot as BotId, messages, ...(session === undefined ? {} : { sessionId: session }) };
}

function toGenerateRequest(request: ChatBody, messages: readonly ChatMessage[], session: string | undefined): GenerateRequest {
  if (session !== undefined) throw unsupported('nearside.session_id', 'only bots remember conversations; send all messages to a model');
  const maxTokens = request.max_completion_tokens ?? request.max_tokens;
  const jsonSchema = toJsonSchema(request.response_format);
  const sampling = toSampling(request);
  return {
    model: request.model,
    messages,
    ...(maxTokens == null ? {} : { maxTokens }),
    ...(request.stop == null ? {} : { stop: [request.stop].flat() }),
    ...(Object.keys(sampling).length === 0 ? {} : { sampling }),
    ...(jsonSchema ? { jsonSchema } : {}),
  };
}

function toSampling(request: ChatBody): SamplingOptions {
  const { temperature, top_p, top_k, min_p, seed, repeat_penalty } = request;
  const given = { temperature, topP: top_p, topK: top_k, minP: min_p, seed, repeatPenalty: repeat_penalty };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value != null)) as SamplingOptions;
}

function toJsonSchema(format: ChatBody['response_format']): GenerateRequest['jsonSchema'] {
  if (format?.type === 'json_object') return { type: 'object' };
  return format?.type === 'json_schema' ? format.json_schema.schema : undefined;
}

function toMessage({ role, content }: z.output<typeof message>): ChatMessage {
  const text = typeof content === 'string' ? content : (content ?? []).map((part) => part.text).join('');
  return { role: role === 'developer' ? 'system' : role, content: text };
}

function refuseUnsupported(body: unknown): void {
  if (typeof body !== 'object' || body === null) return;
  for (const [field, asksForNothing] of Object.entries(REFUSED)) {
    const value = (body as Record<string, unknown>)[field];
    if (value !== undefined && value !== null && !asksForNothing(value)) throw unsupported(field, 'it would be ignored');
  }
}

function unsupported(field: string, why: string): EdgeError {
  return new EdgeError('E_UNSUPPORTED', {
    what: `field "${field}" is not supported: ${why}`,
    hint: `Leave "${field}" out.`,
    details: { param: field },
  });
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

function sessionId() {
  return z.string().regex(/^[\w-]{1,128}$/, 'expected 1 to 128 letters, digits, "_" or "-"');
}
