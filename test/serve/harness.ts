import type { CallOptions } from '#edge/contracts/backend.ts';
import type { BotPort, BotRequest, IngestPart } from '#edge/contracts/bot.ts';
import type { EmbedRequest, EmbedResponse } from '#edge/contracts/embed.ts';
import type { ChatMessage, GenerateRequest } from '#edge/contracts/generate.ts';
import type { Citation, ReplyPart } from '#edge/contracts/parts.ts';
import type { EngineStatus, ModelSummary } from '#edge/contracts/runtime.ts';
import { type Attributes, LANES, type Ledger, type Recorder, type TelemetryEvent } from '#edge/contracts/telemetry.ts';
import { throwIfAborted } from '#edge/core/abort.ts';
import { sleep } from '#edge/core/clock.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { silentLogger } from '#edge/core/log.ts';
import { createApp } from '#edge/serve/app.ts';
import type { ServeDependencies } from '#edge/serve/dependencies.ts';
import { FakeRuntime } from '#test/support/fake-runtime.ts';
import { cardOf } from '#test/support/models.ts';

export const SETTINGS: ServeDependencies['settings'] = {
  host: '127.0.0.1',
  port: 0,
  keys: [],
  allowedHosts: [],
  allowedOrigins: [],
  maxBodyBytes: 1024 * 1024,
};

/** A runtime that knows three models and whose answers can be slow, endless or broken, as the prompt says. */
export class ScriptedRuntime extends FakeRuntime {
  /** Endless answers that were stopped. */
  stopped = 0;
  /** Answers begun. */
  begun = 0;

  override async *generate(request: GenerateRequest, options: CallOptions = {}): AsyncGenerator<ReplyPart> {
    this.begun++;
    const prompt = request.messages?.at(-1)?.content ?? '';
    if (request.model === 'no-such-model') throw new EdgeError('E_MODEL_UNKNOWN', { what: 'there is no model "no-such-model"' });
    if (prompt === 'fail at once') throw new EdgeError('E_ENGINE_BACKOFF', { what: 'the engine rests' });
    if (prompt === 'be broken') throw new TypeError('secret prompt text in a foreign error');
    if (prompt === 'go on for ever') yield* this.#endless(options);
    else if (prompt === 'break off') yield* this.#broken();
    else {
      if (prompt === 'take your time') await sleep(150);
      yield* super.generate(request, options);
    }
  }

  override async embed(request: EmbedRequest, options?: CallOptions): Promise<EmbedResponse> {
    if (request.model === 'no-such-model') throw new EdgeError('E_MODEL_UNKNOWN', { what: 'there is no model "no-such-model"' });
    return super.embed(request, options);
  }

  async *#endless({ signal }: CallOptions): AsyncGenerator<ReplyPart> {
    try {
      yield { type: 'text-start' };
      for (;;) {
        yield { type: 'text-delta', text: 'and ' };
        await sleep(5);
        throwIfAborted(signal, 'generation');
      }
    } finally {
      this.stopped++;
    }
  }

  async *#broken(): AsyncGenerator<ReplyPart> {
    yield { type: 'text-start' };
    yield { type: 'text-delta', text: 'half an' };
    throw new EdgeError('E_ENGINE_CRASHED', { what: 'the engine ended' });
  }

  override listModels(): Promise<readonly ModelSummary[]> {
    const stored = ['smollm2-135m-instruct', 'e5-small-v2'].map((id) => ({
      card: cardOf(id),
      stored: ['main'],
      loaded: id.startsWith('e5'),
    }));
    return Promise.resolve([...stored, { card: cardOf('bge-small-en-v1.5'), stored: [], loaded: false }]);
  }

  override listEngines(): Promise<readonly EngineStatus[]> {
    return Promise.resolve([]);
  }
}

export const CITATION: Citation = {
  number: 1,
  documentId: 'doc_1',
  source: 'demo/policies/returns.md',
  title: 'Returns',
  start: 10,
  end: 21,
  text: 'thirty days',
};

/** Bots that answer from a script and record what they were asked. */
export class ScriptedBots implements BotPort {
  readonly requests: BotRequest[] = [];
  readonly feedback: unknown[] = [];
  readonly #sessions = new Map<string, ChatMessage[]>();

  async listBots() {
    return [{ id: 'qa', name: 'Questions', description: 'Answers from documents.', examples: [] }] as const;
  }

  async *reply(request: BotRequest): AsyncGenerator<ReplyPart> {
    this.requests.push(request);
    const sessionId = request.sessionId ?? 'session_new';
    this.#sessions.set(sessionId, [...request.messages, { role: 'assistant', content: 'Within thirty days [1].' }]);
    yield { type: 'status', text: 'searching' };
    yield { type: 'text-start' };
    yield { type: 'text-delta', text: 'Within thirty days ' };
    yield { type: 'citation', citation: CITATION };
    yield { type: 'text-delta', text: '[1].' };
    yield { type: 'text-end' };
    const items = [{ kind: 'product', id: 'p1', title: 'Tent', fields: { price: 120 } }] as const;
    const usage = { promptTokens: 0, completionTokens: 0, cachedTokens: 0 };
    yield { type: 'response-end', finishReason: 'stop', usage, timings: { totalMs: 3, retrievalMs: 2 }, rung: 'quote', sessionId, items };
  }

  async *addDocuments({ paths }: { readonly paths: readonly string[] }): AsyncGenerator<IngestPart> {
    if (paths[0] === 'crash') throw new EdgeError('E_DISK_FULL', { what: 'no space' });
    for (const [done] of paths.entries())
      yield { type: 'progress', progress: { label: 'reading', done, total: paths.length, unit: 'documents' } };
    if (paths[1] === 'crash') throw new EdgeError('E_DISK_FULL', { what: 'no space' });
    yield { type: 'report', report: { added: [], unchanged: [...paths], failed: [] } };
  }

  async listDocuments() {
    return [];
  }

  async removeDocuments(names: readonly string[]) {
    if (names[0] !== 'demo/policies/returns.md') throw new EdgeError('E_DOCUMENT_UNKNOWN', { what: `no document "${names[0]}"` });
    return { removed: 1 };
  }

  async *reindexDocuments() {
    yield { label: 'embedding anew', done: 1, total: 1, unit: 'chunks' } as const;
  }

  async listSessions() {
    return [...this.#sessions].map(([id, messages]) => ({
      id,
      bot: 'qa' as const,
      title: 'A question',
      updatedAt: '2026-01-01T00:00:00.000Z',
      turns: messages.length / 2,
    }));
  }

  async readSession(id: string) {
    const messages = this.#sessions.get(id);
    if (!messages) throw new EdgeError('E_SESSION_UNKNOWN', { what: `no session "${id}"` });
    return messages;
  }

  async deleteSession(id: string) {
    await this.readSession(id);
    this.#sessions.delete(id);
  }

  async addFeedback(request: unknown) {
    this.feedback.push(request);
  }
}

/** Keeps what it is told. */
export class ListRecorder implements Recorder {
  readonly events: TelemetryEvent[] = [];
  readonly observations: { metric: string; value: number; attributes: Attributes }[] = [];

  event(event: TelemetryEvent): void {
    this.events.push(event);
  }

  observe(metric: string, value: number, attributes: Attributes = {}): void {
    this.observations.push({ metric, value, attributes });
  }

  of(metric: string): { value: number; attributes: Attributes }[] {
    return this.observations.filter((one) => one.metric === metric);
  }
}

const COUNTS = { produced: 3, stored: 2, dropped: 0, pending: 1 };
const LEDGER: Ledger & { connected: boolean } = {
  tenant: 'default',
  device: 'test',
  boot: 'b',
  ...COUNTS,
  droppedByReason: {},
  lanes: Object.fromEntries(LANES.map((lane) => [lane, COUNTS])) as Ledger['lanes'],
  connected: true,
};

export function makeEndpoint(over: Partial<ServeDependencies> = {}) {
  const runtime = new ScriptedRuntime();
  const bots = new ScriptedBots();
  const recorder = new ListRecorder();
  const app = createApp({
    runtime,
    bots,
    recorder,
    telemetry: { status: () => LEDGER, metricsText: () => 'nearside_up 1\n' },
    settings: SETTINGS,
    version: '1.2.3',
    log: silentLogger,
    ...over,
  });
  return { app, runtime, bots, recorder };
}

/** A chat request as `app.request` takes it. */
export function post(body: unknown, headers: Record<string, string> = {}): RequestInit {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  };
}

/** The `data:` payloads of an event stream. */
export function dataOf(text: string): string[] {
  return text
    .split('\n\n')
    .filter((event) => event.startsWith('data: '))
    .map((event) => event.slice(6));
}
