import { createHash } from 'node:crypto';
import type { BotId, FeedbackRequest, SessionInfo } from '#edge/contracts/bot.ts';
import type { ChatMessage } from '#edge/contracts/generate.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { openDatabase, type SqliteDatabase } from '#edge/storage/sqlite.ts';

const MIGRATIONS = [
  `
  CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    bot TEXT NOT NULL,
    title TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    transcript_hash TEXT NOT NULL
  ) STRICT;
  CREATE INDEX sessions_transcript ON sessions (transcript_hash);
  CREATE TABLE messages (
    id INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    content TEXT NOT NULL
  ) STRICT;
  CREATE INDEX messages_session ON messages (session_id);
  CREATE TABLE feedback (
    id INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    vote TEXT NOT NULL CHECK (vote IN ('up', 'down')),
    comment TEXT,
    given_at TEXT NOT NULL
  ) STRICT;
  CREATE INDEX feedback_session ON feedback (session_id);
  `,
];

/** Characters of the first message that name a session. */
const TITLE_CHARACTERS = 60;

/**
 * Opens or makes the file of remembered conversations.
 * @throws EdgeError `E_DATABASE_CORRUPT`, `E_DATABASE`, `E_DISK_FULL`
 */
export function openSessionStore(path: string): SessionStore {
  const database = openDatabase({ path, migrations: MIGRATIONS });
  database.pragma('secure_delete = ON');
  return new SessionStore(database);
}

/** Conversations and what people thought of them; a written turn survives a power cut. */
export class SessionStore implements Disposable {
  readonly #database: SqliteDatabase;

  constructor(database: SqliteDatabase) {
    this.#database = database;
  }

  /**
   * Adds messages to a session, which begins with its first ones and keeps its bot.
   * @param options `isNamed`: the caller went on by its id, so {@link findByTranscript} must not hand it to another who said the same.
   * @throws EdgeError `E_BAD_REQUEST` when the session belongs to another bot.
   */
  append(sessionId: string, bot: BotId, messages: readonly ChatMessage[], { isNamed = false }: { readonly isNamed?: boolean } = {}): void {
    const now = new Date().toISOString();
    const title = titleOf(messages);
    this.#database.transaction(() => {
      const owner = this.botOf(sessionId);
      if (owner !== undefined && owner !== bot) {
        throw new EdgeError('E_BAD_REQUEST', {
          what: `session "${sessionId}" cannot go on`,
          expected: `bot "${owner}"`,
          found: `bot "${bot}"`,
          hint: 'Begin a new session for another bot.',
        });
      }
      const transcript = isNamed ? '' : hashOf([...(owner === undefined ? [] : this.read(sessionId)), ...messages]);
      this.#database
        .prepare(
          `INSERT INTO sessions (id, bot, title, updated_at, transcript_hash) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT (id) DO UPDATE SET updated_at = excluded.updated_at, transcript_hash = excluded.transcript_hash`,
        )
        .run(sessionId, bot, title, now, transcript);
      const insert = this.#database.prepare('INSERT INTO messages (session_id, role, content) VALUES (?, ?, ?)');
      for (const { role, content } of messages) insert.run(sessionId, role, content);
    })();
  }

  /** The bot of a session; `undefined` for an unknown one. */
  botOf(sessionId: string): BotId | undefined {
    const row = this.#database.prepare('SELECT bot FROM sessions WHERE id = ?').get(sessionId) as { bot: BotId } | undefined;
    return row?.bot;
  }

  /**
   * The session of a bot whose whole conversation is this one: how a client that sends the history instead of a session
   * id, as every OpenAI client does, goes on with what the bot remembers. Sessions called by their id are left out.
   */
  findByTranscript(bot: BotId, messages: readonly ChatMessage[]): string | undefined {
    const row = this.#database
      .prepare('SELECT id FROM sessions WHERE bot = ? AND transcript_hash = ? ORDER BY updated_at DESC LIMIT 1')
      .get(bot, hashOf(messages)) as { id: string } | undefined;
    return row?.id;
  }

  /** All sessions, the latest first. */
  list(): SessionInfo[] {
    return this.#database
      .prepare(
        `SELECT s.id, s.bot, s.title, s.updated_at AS updatedAt,
           (SELECT count(*) FROM messages m WHERE m.session_id = s.id AND m.role = 'user') AS turns
         FROM sessions s ORDER BY s.updated_at DESC, s.rowid DESC`,
      )
      .all() as SessionInfo[];
  }

  /** The messages of a session, oldest first. Throws `E_SESSION_UNKNOWN`. */
  read(id: string): ChatMessage[] {
    this.#require(id);
    return this.#database.prepare('SELECT role, content FROM messages WHERE session_id = ? ORDER BY id').all(id) as ChatMessage[];
  }

  /** Forgets a session with all its messages and feedback. Throws `E_SESSION_UNKNOWN`. */
  delete(id: string): void {
    this.#require(id);
    this.#database.prepare('DELETE FROM sessions WHERE id = ?').run(id);
    this.#database.pragma('wal_checkpoint(TRUNCATE)');
  }

  /** Keeps a vote on a session. Throws `E_SESSION_UNKNOWN`. */
  addFeedback({ sessionId, vote, comment }: FeedbackRequest): void {
    this.#require(sessionId);
    this.#database
      .prepare('INSERT INTO feedback (session_id, vote, comment, given_at) VALUES (?, ?, ?, ?)')
      .run(sessionId, vote, comment ?? null, new Date().toISOString());
  }

  /** Votes on a session, oldest first. Throws `E_SESSION_UNKNOWN`. */
  readFeedback(sessionId: string): { readonly vote: 'up' | 'down'; readonly comment?: string }[] {
    this.#require(sessionId);
    const rows = this.#database.prepare('SELECT vote, comment FROM feedback WHERE session_id = ? ORDER BY id').all(sessionId);
    return (rows as { vote: 'up' | 'down'; comment: string | null }[]).map(({ vote, comment }) => ({
      vote,
      ...(comment === null ? {} : { comment }),
    }));
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  #require(id: string): void {
    if (this.botOf(id) === undefined) throw new EdgeError('E_SESSION_UNKNOWN', { what: `there is no session "${id}"` });
  }
}

/** SHA-256 over what user and assistant said. */
function hashOf(messages: readonly ChatMessage[]): string {
  const said = messages.filter(({ role }) => role === 'user' || role === 'assistant').map(({ role, content }) => [role, content]);
  return createHash('sha256').update(JSON.stringify(said)).digest('hex');
}

function titleOf(messages: readonly ChatMessage[]): string {
  const text = (messages.find((message) => message.role === 'user')?.content ?? 'Conversation').trim().replace(/\s+/g, ' ');
  return text.length <= TITLE_CHARACTERS ? text : `${text.slice(0, TITLE_CHARACTERS - 1)}…`;
}
