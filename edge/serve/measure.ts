import type { ReplyPart, ResponseEnd } from '#edge/contracts/parts.ts';
import type { Attributes, Recorder } from '#edge/contracts/telemetry.ts';
import { EdgeError } from '#edge/core/errors.ts';

/** What a measured call is: names of OpenTelemetry's GenAI conventions. */
export interface MeasuredCall {
  readonly operation: 'chat' | 'invoke_agent' | 'embeddings';
  readonly model: string;
}

/** Passes a reply on and records its duration, first token, token rate and token counts when it ends, however it ends. */
export async function* measureReply(parts: AsyncIterable<ReplyPart>, recorder: Recorder, call: MeasuredCall): AsyncGenerator<ReplyPart> {
  const started = performance.now();
  let first: number | undefined;
  let last = 0;
  let end: ResponseEnd | undefined;
  let failure: EdgeError | undefined;
  try {
    for await (const part of parts) {
      if (part.type === 'text-delta') {
        last = performance.now();
        first ??= last;
      }
      if (part.type === 'response-end') end = part;
      yield part;
    }
  } catch (error) {
    failure = EdgeError.from(error);
    throw failure;
  } finally {
    const attributes = attributesOf(call, end?.engine?.engine, failure);
    const errorType = failure?.code ?? (end ? undefined : 'E_CANCELLED');
    recordDuration(recorder, started, attributes, errorType);
    if (first !== undefined) recorder.observe('gen_ai.server.time_to_first_token', (first - started) / 1000, attributes);
    const tokens = end?.usage.completionTokens ?? 0;
    if (first !== undefined && tokens > 1) {
      recorder.observe('gen_ai.server.time_per_output_token', (last - first) / 1000 / (tokens - 1), attributes);
    }
    if (end?.engine) recordTokens(recorder, attributes, { input: end.usage.promptTokens, output: tokens });
  }
}

/** Runs an embedding call and records its duration and tokens. */
export async function measureEmbedding<T extends { promptTokens: number; engine: { engine: string } }>(
  work: () => Promise<T>,
  recorder: Recorder,
  model: string,
): Promise<T> {
  const started = performance.now();
  const call: MeasuredCall = { operation: 'embeddings', model };
  try {
    const response = await work();
    const attributes = attributesOf(call, response.engine.engine);
    recordDuration(recorder, started, attributes, undefined);
    recordTokens(recorder, attributes, { input: response.promptTokens });
    return response;
  } catch (error) {
    const failure = EdgeError.from(error);
    recordDuration(recorder, started, attributesOf(call, undefined, failure), failure.code);
    throw error;
  }
}

/** One event for a request that ended with an error; a client that went away is no failure. */
export function recordFailure(recorder: Recorder, error: EdgeError, route: string): void {
  if (error.code === 'E_CANCELLED') return;
  recorder.event({
    lane: 'traces',
    name: 'nearside.request.failed',
    attributes: { 'error.type': error.code, 'http.route': route, 'http.response.status_code': error.status },
  });
}

function attributesOf(call: MeasuredCall, engine: string | undefined, failure?: EdgeError): Attributes {
  return {
    'gen_ai.operation.name': call.operation,
    // A name that is in no catalog is whatever a client wrote: it may hold anything, and no two need be alike.
    'gen_ai.request.model': failure?.code === 'E_MODEL_UNKNOWN' ? 'unknown' : call.model,
    'gen_ai.provider.name': engine?.split('/')[0] ?? 'nearside',
  };
}

function recordDuration(recorder: Recorder, started: number, attributes: Attributes, errorType: string | undefined): void {
  const all = errorType === undefined ? attributes : { ...attributes, 'error.type': errorType };
  recorder.observe('gen_ai.server.request.duration', (performance.now() - started) / 1000, all);
}

function recordTokens(recorder: Recorder, attributes: Attributes, counts: Readonly<Record<string, number>>): void {
  for (const [type, count] of Object.entries(counts)) {
    recorder.observe('gen_ai.client.token.usage', count, { ...attributes, 'gen_ai.token.type': type });
  }
}
