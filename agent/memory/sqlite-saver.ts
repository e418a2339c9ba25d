import {
  BaseCheckpointSaver,
  type ChannelVersions,
  type Checkpoint,
  type CheckpointListOptions,
  type CheckpointMetadata,
  type CheckpointPendingWrite,
  type CheckpointTuple,
  compareWritesSortKeys,
  getCheckpointId,
  maxChannelVersion,
  type PendingWrite,
  TASKS,
  WRITES_IDX_MAP,
  writesSortKey,
} from '@langchain/langgraph-checkpoint';
import { EdgeError } from '#edge/core/errors.ts';
import { openDatabase, type SqliteDatabase } from '#edge/storage/sqlite.ts';
import { CHECKPOINT_MIGRATIONS } from './checkpoint-schema.ts';

type Config = CheckpointTuple['config'];

/** Where a checkpoint stands: `thread_id`, `checkpoint_ns`, `checkpoint_id`. */
interface Key {
  readonly thread: string;
  readonly namespace: string;
  readonly id: string;
}

interface CheckpointRow {
  readonly thread_id: string;
  readonly checkpoint_ns: string;
  readonly checkpoint_id: string;
  readonly parent_id: string | null;
  readonly checkpoint_type: string;
  readonly checkpoint: Uint8Array;
  readonly metadata_type: string;
  readonly metadata: Uint8Array;
  /** JSON: channel name to the id of the checkpoint that wrote its value. */
  readonly writers: string;
}

interface WriteRow {
  readonly task_id: string;
  readonly task_path: string;
  readonly idx: number;
  readonly channel: string;
  readonly type: string;
  readonly value: Uint8Array;
}

/**
 * LangGraph's memory in SQLite. A checkpoint stores only the channels it changed and, for the others, which ancestor wrote
 * them: a long conversation costs the bytes of its changes, and forks of one checkpoint cannot mix their values.
 * Calls may overlap in a process: every change is serialised first and then written in one synchronous transaction.
 */
export class SqliteSaver extends BaseCheckpointSaver {
  readonly #database: SqliteDatabase;

  /** @param database opened by {@link openSaver}, or with {@link CHECKPOINT_MIGRATIONS}; it stays the caller's to close. */
  constructor(database: SqliteDatabase) {
    super();
    this.#database = database;
  }

  override async getTuple(config: Config): Promise<CheckpointTuple | undefined> {
    const thread = config.configurable?.thread_id as string | undefined;
    if (thread === undefined) return undefined;
    const namespace = namespaceOf(config);
    const id = getCheckpointId(config);
    const row = this.#database
      .prepare(
        `SELECT * FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = ? ${id ? 'AND checkpoint_id = ?' : ''}
         ORDER BY checkpoint_id DESC LIMIT 1`,
      )
      .get(thread, namespace, ...(id ? [id] : [])) as CheckpointRow | undefined;
    return row && this.#toTuple(row);
  }

  override async *list(config: Config, options: CheckpointListOptions = {}): AsyncGenerator<CheckpointTuple> {
    const { limit = Number.POSITIVE_INFINITY, filter = {} } = options;
    const conditions = {
      'thread_id = ?': config.configurable?.thread_id,
      'checkpoint_ns = ?': config.configurable?.checkpoint_ns,
      'checkpoint_id = ?': config.configurable?.checkpoint_id,
      'checkpoint_id < ?': options.before?.configurable?.checkpoint_id,
    };
    const given = Object.entries(conditions).filter(([, value]) => value !== undefined);
    const where = given.length > 0 ? `WHERE ${given.map(([condition]) => condition).join(' AND ')}` : '';
    // Read at once: an open cursor would bar other statements while the consumer of this generator pauses.
    const rows = this.#database
      .prepare(`SELECT * FROM checkpoints ${where} ORDER BY checkpoint_id DESC`)
      .all(...given.map(([, value]) => value)) as CheckpointRow[];
    let listed = 0;
    for (const row of rows) {
      if (listed >= limit) return;
      const metadata = (await this.serde.loadsTyped(row.metadata_type, row.metadata)) as Record<string, unknown>;
      if (!Object.entries(filter).every(([name, value]) => metadata[name] === value)) continue;
      listed++;
      yield await this.#toTuple(row);
    }
  }

  override async put(config: Config, checkpoint: Checkpoint, metadata: CheckpointMetadata, newVersions: ChannelVersions): Promise<Config> {
    const key: Key = { thread: requireKey(config, 'thread_id'), namespace: namespaceOf(config), id: checkpoint.id };
    const parent = getCheckpointId(config) || null;
    const changed = Object.keys(newVersions).filter((channel) => checkpoint.channel_values[channel] !== undefined);
    const [[checkpointType, body], [metadataType, metadataBody], ...values] = await Promise.all([
      this.serde.dumpsTyped({ ...checkpoint, channel_values: {} }),
      this.serde.dumpsTyped(metadata),
      ...changed.map((channel) => this.serde.dumpsTyped(checkpoint.channel_values[channel])),
    ]);
    this.#database.transaction(() => {
      const inherited = Object.entries(this.#writersOf({ ...key, id: parent ?? '' })).filter(
        ([channel]) => channel in checkpoint.channel_versions && !(channel in newVersions),
      );
      const writers = Object.fromEntries([...inherited, ...changed.map((channel) => [channel, key.id])]);
      this.#database
        .prepare('INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)')
        .run(key.thread, key.namespace, key.id, parent, checkpointType, body, metadataType, metadataBody, JSON.stringify(writers));
      const insert = this.#database.prepare('INSERT OR REPLACE INTO channel_values VALUES (?, ?, ?, ?, ?, ?)');
      for (const [index, [type, value]] of values.entries()) {
        insert.run(key.thread, key.namespace, key.id, changed[index], type, value);
      }
    })();
    return toConfig(key);
  }

  override async putWrites(config: Config, writes: PendingWrite[], taskId: string, taskPath = ''): Promise<void> {
    const key: Key = {
      thread: requireKey(config, 'thread_id'),
      namespace: namespaceOf(config),
      id: requireKey(config, 'checkpoint_id'),
    };
    const values = await Promise.all(writes.map(([, value]) => this.serde.dumpsTyped(value)));
    this.#database.transaction(() => {
      for (const [position, [channel]] of writes.entries()) {
        const [type, value] = values[position] as [string, Uint8Array];
        const index = WRITES_IDX_MAP[channel] ?? position;
        // A task that ran before keeps its first result; special writes (negative) are replaced by the newest.
        this.#database
          .prepare(`INSERT OR ${index < 0 ? 'REPLACE' : 'IGNORE'} INTO writes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`)
          .run(key.thread, key.namespace, key.id, taskId, index, taskPath, channel, type, value);
      }
    })();
  }

  override async deleteThread(threadId: string): Promise<void> {
    this.#database.transaction(() => {
      for (const table of ['checkpoints', 'channel_values', 'writes']) {
        this.#database.prepare(`DELETE FROM ${table} WHERE thread_id = ?`).run(threadId);
      }
    })();
    // The write-ahead log holds what was deleted until it is emptied.
    this.#database.pragma('wal_checkpoint(TRUNCATE)');
  }

  async #toTuple(row: CheckpointRow): Promise<CheckpointTuple> {
    const key: Key = { thread: row.thread_id, namespace: row.checkpoint_ns, id: row.checkpoint_id };
    const writes = this.#readWrites(key);
    const values = this.#readValues(key, JSON.parse(row.writers) as Record<string, string>);
    const [checkpoint, metadata] = await Promise.all([
      this.serde.loadsTyped(row.checkpoint_type, row.checkpoint) as Promise<Checkpoint>,
      this.serde.loadsTyped(row.metadata_type, row.metadata) as Promise<CheckpointMetadata>,
    ]);
    for (const { channel, type, value } of values) checkpoint.channel_values[channel] = await this.serde.loadsTyped(type, value);
    if (checkpoint.v < 4 && row.parent_id !== null) await this.#migratePendingSends(checkpoint, { ...key, id: row.parent_id });
    return {
      config: toConfig(key),
      checkpoint,
      metadata,
      pendingWrites: await this.#decode(writes),
      ...(row.parent_id === null ? {} : { parentConfig: toConfig({ ...key, id: row.parent_id }) }),
    };
  }

  #writersOf(key: Key): Record<string, string> {
    const row = this.#database
      .prepare('SELECT writers FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = ? AND checkpoint_id = ?')
      .get(key.thread, key.namespace, key.id) as Pick<CheckpointRow, 'writers'> | undefined;
    return row ? (JSON.parse(row.writers) as Record<string, string>) : {};
  }

  #readValues(key: Key, writers: Readonly<Record<string, string>>): { channel: string; type: string; value: Uint8Array }[] {
    const select = this.#database.prepare(
      `SELECT channel, type, value FROM channel_values
       WHERE thread_id = ? AND checkpoint_ns = ? AND checkpoint_id = ? AND channel = ?`,
    );
    return Object.entries(writers).flatMap(([channel, writer]) => select.all(key.thread, key.namespace, writer, channel)) as {
      channel: string;
      type: string;
      value: Uint8Array;
    }[];
  }

  /** Pending writes in LangGraph's replay order. */
  #readWrites(key: Key): WriteRow[] {
    const rows = this.#database
      .prepare('SELECT * FROM writes WHERE thread_id = ? AND checkpoint_ns = ? AND checkpoint_id = ?')
      .all(key.thread, key.namespace, key.id) as WriteRow[];
    const sortKey = (row: WriteRow): ReturnType<typeof writesSortKey> => writesSortKey(row.task_path, row.task_id, row.idx);
    return rows.sort((a, b) => compareWritesSortKeys(sortKey(a), sortKey(b)));
  }

  #decode(rows: readonly WriteRow[]): Promise<CheckpointPendingWrite[]> {
    return Promise.all(
      rows.map(
        async (row): Promise<CheckpointPendingWrite> => [row.task_id, row.channel, await this.serde.loadsTyped(row.type, row.value)],
      ),
    );
  }

  /** Checkpoints before format 4 kept the sends of a step in the writes of their parent. */
  async #migratePendingSends(checkpoint: Checkpoint, parent: Key): Promise<void> {
    const writes = await this.#decode(this.#readWrites(parent).filter((row) => row.channel === TASKS));
    checkpoint.channel_values[TASKS] = writes.map(([, , value]) => value);
    const versions = Object.values(checkpoint.channel_versions);
    checkpoint.channel_versions[TASKS] = versions.length > 0 ? maxChannelVersion(...versions) : this.getNextVersion(undefined);
  }
}

/**
 * Opens (or makes) the file of the bots' memory.
 * @throws EdgeError as `openDatabase` does.
 */
export function openSaver(path: string): { readonly saver: SqliteSaver; [Symbol.dispose](): void } {
  const database = openDatabase({ path, migrations: CHECKPOINT_MIGRATIONS });
  database.pragma('secure_delete = ON');
  return { saver: new SqliteSaver(database), [Symbol.dispose]: () => database.close() };
}

function namespaceOf(config: Config): string {
  return (config.configurable?.checkpoint_ns as string | undefined) ?? '';
}

function requireKey(config: Config, name: 'thread_id' | 'checkpoint_id'): string {
  const value: unknown = config.configurable?.[name];
  if (typeof value === 'string' && value !== '') return value;
  throw new EdgeError('E_BAD_REQUEST', {
    what: 'cannot store a checkpoint',
    expected: `configurable.${name}`,
    found: value === undefined ? 'none' : typeof value,
  });
}

function toConfig(key: Key): Config {
  return { configurable: { thread_id: key.thread, checkpoint_ns: key.namespace, checkpoint_id: key.id } };
}
