/** The bots of this device behind one port: sessions, default knowledge, and the three bots on shared parts. */
import { join } from 'node:path';
import type { Bot, BotTurn, KnowledgePort } from '#agent/bot.ts';
import { createQaBot } from '#agent/bots/qa/qa-bot.ts';
import { createRecommendBot } from '#agent/bots/recommend/recommend-bot.ts';
import { createSupportBot } from '#agent/bots/support/support-bot.ts';
import { openSessionStore, type SessionStore } from '#agent/memory/session-store.ts';
import { openSaver, type SqliteSaver } from '#agent/memory/sqlite-saver.ts';
import { threadIdOf } from '#agent/memory/thread-id.ts';
import { type KnowledgeBase, openKnowledgeBase } from '#agent/retrieval/knowledge-base.ts';
import { openShop } from '#agent/shop/shop-database.ts';
import type { Config } from '#edge/config/schema.ts';
import type { CallOptions } from '#edge/contracts/backend.ts';
import {
  type AddDocumentsRequest,
  BOTS,
  type BotId,
  type BotInfo,
  type BotPort,
  type BotRequest,
  type DocumentInfo,
  type FeedbackRequest,
  type IngestPart,
  type SessionInfo,
} from '#edge/contracts/bot.ts';
import type { ChatMessage } from '#edge/contracts/generate.ts';
import type { ReplyPart } from '#edge/contracts/parts.ts';
import type { Progress } from '#edge/contracts/progress.ts';
import type { RuntimePort } from '#edge/contracts/runtime.ts';
import type { Recorder } from '#edge/contracts/telemetry.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { newId } from '#edge/core/ids.ts';
import type { Logger } from '#edge/core/log.ts';
import { DOCUMENTATION_SOURCES, seedDefaultKnowledge } from './default-knowledge.ts';

export interface AgentHostDependencies {
  readonly config: Config;
  readonly runtime: RuntimePort;
  readonly recorder: Recorder;
  readonly log: Logger;
}

/** Opens the stores, seeds what a first start needs, and makes the bots. */
export function openAgentHost(dependencies: AgentHostDependencies): AgentHost {
  const { config, runtime, log } = dependencies;
  const shop = openShop(join(config.paths.data, 'shop.db'));
  const knowledge = openKnowledgeBase({ path: config.paths.knowledge, runtime, log });
  const sessions = openSessionStore(config.paths.sessions);
  const checkpoints = openSaver(join(config.paths.data, 'checkpoints.db'));
  const { saver } = checkpoints;
  const qa = createQaBot({ runtime, knowledge, strictness: config.agent.strictness, log });
  // A customer of the shop is not answered out of Nearside's own manual.
  const shopKnowledge: KnowledgePort = {
    ask: (question, options) => qa.ask(question, { ...options, excludeDocuments: documentsOf(knowledge, DOCUMENTATION_SOURCES) }),
  };
  const bots: Record<BotId, Bot> = {
    qa,
    recommend: createRecommendBot({ runtime, shop, saver, log }),
    support: createSupportBot({ runtime, shop, saver, knowledge: shopKnowledge, log }),
  };
  return new AgentHost({
    ...dependencies,
    bots,
    knowledge,
    sessions,
    seed: (signal) => seedDefaultKnowledge({ config, shop, knowledge, log }, signal),
    close: () => {
      sessions[Symbol.dispose]();
      checkpoints[Symbol.dispose]();
      knowledge[Symbol.dispose]();
      shop[Symbol.dispose]();
    },
    saver,
  });
}

function documentsOf(knowledge: KnowledgeBase, sources: string): string[] {
  return knowledge.listDocuments().flatMap(({ id, source }) => (source.startsWith(sources) ? [id] : []));
}

interface AgentHostParts extends AgentHostDependencies {
  readonly bots: Readonly<Record<BotId, Bot>>;
  readonly knowledge: KnowledgeBase;
  readonly sessions: SessionStore;
  readonly saver: SqliteSaver;
  /** Brings the default knowledge in, if it is not there yet. */
  readonly seed: (signal: AbortSignal) => Promise<void>;
  readonly close: () => void;
}

/** Between two looks at the device's choice of engine. */
const FOLLOW_MS = 60_000;

export class AgentHost implements BotPort {
  readonly #parts: AgentHostParts;
  /** Turns of one session run one after the other. */
  readonly #turns = new Map<string, Promise<void>>();
  readonly #closing = new AbortController();
  #seeding: Promise<void> | undefined;
  #following: Promise<void> | undefined;
  /** By `performance.now()`. */
  #followedAt = Number.NEGATIVE_INFINITY;

  constructor(parts: AgentHostParts) {
    this.#parts = parts;
  }

  /** Begins to bring the default knowledge in, ahead of the first question. */
  start(): void {
    void this.#trySeeding();
  }

  async listBots(): Promise<readonly BotInfo[]> {
    return BOTS.map((id) => this.#parts.bots[id].info);
  }

  async *reply(request: BotRequest, options?: CallOptions): AsyncGenerator<ReplyPart, void, undefined> {
    const bot = this.#parts.bots[request.bot];
    if (!bot) throw new EdgeError('E_BOT_UNKNOWN', { what: `there is no bot "${request.bot}"`, expected: BOTS.join(', ') });
    const message = request.messages.at(-1);
    if (message?.role !== 'user' || message.content.trim() === '') {
      throw new EdgeError('E_PROMPT_EMPTY', {
        what: `cannot ask ${bot.info.id}`,
        expected: 'a last message of the user with text',
        found: message ? `an empty or ${message.role} message` : 'no message',
      });
    }
    // Only the answers from documents need them; the other bots do without while their engine fails.
    await (bot.info.id === 'qa' ? this.#seed() : this.#trySeeding());
    const earlier = request.messages.slice(0, -1);
    const sessionId = request.sessionId ?? this.#continued(bot, earlier) ?? newId('session');
    const release = await this.#lockSession(sessionId);
    try {
      const history = this.#history(bot, sessionId) ?? earlier;
      const isNamed = request.sessionId !== undefined;
      yield* this.#answer(bot, { sessionId, isNamed, text: message.content, history }, options);
    } finally {
      release();
      this.#followEngine();
    }
  }

  async *#answer(
    bot: Bot,
    turn: BotTurn & { readonly isNamed: boolean },
    options?: CallOptions,
  ): AsyncGenerator<ReplyPart, void, undefined> {
    const { recorder, sessions } = this.#parts;
    let answer = '';
    for await (const part of bot.reply(turn, options)) {
      if (part.type === 'text-delta') answer += part.text;
      if (part.type === 'response-end') {
        const said: ChatMessage[] = [
          { role: 'user', content: turn.text },
          { role: 'assistant', content: answer },
        ];
        sessions.append(turn.sessionId, bot.info.id, said, { isNamed: turn.isNamed });
        recorder.observe('nearside.bot.answers', 1, { 'nearside.bot': bot.info.id, 'nearside.rung': part.rung ?? 'none' });
        if (part.timings.retrievalMs !== undefined)
          recorder.observe('nearside.retrieval.duration', part.timings.retrievalMs / 1000, { 'nearside.bot': bot.info.id });
        yield { ...part, sessionId: turn.sessionId };
      } else {
        yield part;
      }
    }
  }

  async *addDocuments(request: AddDocumentsRequest, options?: CallOptions): AsyncGenerator<IngestPart, void, undefined> {
    await this.#trySeeding();
    yield* this.#parts.knowledge.addDocuments(request, options);
  }

  async listDocuments(): Promise<readonly DocumentInfo[]> {
    await this.#trySeeding();
    return this.#parts.knowledge.listDocuments();
  }

  async removeDocuments(idsOrSources: readonly string[]): Promise<{ readonly removed: number }> {
    await this.#trySeeding();
    return { removed: this.#parts.knowledge.removeDocuments(idsOrSources) };
  }

  async *reindexDocuments(options?: CallOptions): AsyncGenerator<Progress, void, undefined> {
    await this.#trySeeding();
    yield* this.#parts.knowledge.reindex(options);
  }

  async listSessions(): Promise<readonly SessionInfo[]> {
    return this.#parts.sessions.list();
  }

  async readSession(id: string): Promise<readonly ChatMessage[]> {
    return this.#parts.sessions.read(id);
  }

  async deleteSession(id: string): Promise<void> {
    const { sessions, saver } = this.#parts;
    const release = await this.#lockSession(id);
    try {
      const bot = sessions.botOf(id);
      sessions.delete(id);
      if (bot) await saver.deleteThread(threadIdOf(bot, id));
    } finally {
      release();
    }
  }

  async addFeedback(request: FeedbackRequest): Promise<void> {
    this.#parts.sessions.addFeedback(request);
    this.#parts.recorder.observe('nearside.bot.feedback', 1, { 'nearside.vote': request.vote });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled([...this.#turns.values(), this.#seeding, this.#following]);
    this.#parts.close();
  }

  /** Resolves when the default knowledge is in. After a failure the next call tries again. */
  #seed(): Promise<void> {
    this.#seeding ??= this.#parts.seed(this.#closing.signal).catch((error: unknown) => {
      this.#seeding = undefined;
      throw error;
    });
    return this.#seeding;
  }

  /**
   * Embeds the documents anew in the background when measurements made the device choose another engine for it; looked at seldom, and
   * never waited for: the old vectors serve meanwhile.
   */
  #followEngine(): void {
    if (this.#closing.signal.aborted || this.#following || performance.now() - this.#followedAt < FOLLOW_MS) return;
    const { knowledge, log } = this.#parts;
    this.#following = knowledge
      .followEngine({ signal: this.#closing.signal })
      .then(
        () => undefined,
        (error: unknown) => {
          if (!this.#closing.signal.aborted) log.warn('documents keep their vectors', { error: EdgeError.from(error, 'embedding anew') });
        },
      )
      .finally(() => {
        this.#following = undefined;
        this.#followedAt = performance.now();
      });
  }

  /** For what works without the default knowledge, and for what mends it. */
  async #trySeeding(): Promise<void> {
    try {
      await this.#seed();
    } catch (error) {
      const { code, message } = EdgeError.from(error, 'default knowledge');
      if (!this.#closing.signal.aborted) this.#parts.log.warn('default knowledge is not complete', { code, message });
    }
  }

  /** The session of a client that sends its history and no session id. */
  #continued(bot: Bot, earlier: readonly ChatMessage[]): string | undefined {
    return earlier.length > 0 ? this.#parts.sessions.findByTranscript(bot.info.id, earlier) : undefined;
  }

  /** What a session remembers; `undefined` for one that begins. A session stays with its bot. */
  #history(bot: Bot, sessionId: string): readonly ChatMessage[] | undefined {
    const owner = this.#parts.sessions.botOf(sessionId);
    if (owner !== undefined && owner !== bot.info.id) {
      throw new EdgeError('E_BAD_REQUEST', {
        what: `session "${sessionId}" cannot go on`,
        expected: `bot "${owner}"`,
        found: `bot "${bot.info.id}"`,
        hint: 'Begin a new session for another bot.',
      });
    }
    return owner === undefined ? undefined : this.#parts.sessions.read(sessionId);
  }

  async #lockSession(sessionId: string): Promise<() => void> {
    const before = this.#turns.get(sessionId);
    const { promise, resolve } = Promise.withResolvers<void>();
    const turn = Promise.resolve(before).then(() => promise);
    this.#turns.set(sessionId, turn);
    await before;
    return () => {
      resolve();
      if (this.#turns.get(sessionId) === turn) this.#turns.delete(sessionId);
    };
  }
}
