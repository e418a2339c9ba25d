import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Annotation, END, START, StateGraph } from '@langchain/langgraph';
import { emptyCheckpoint, uuid6 } from '@langchain/langgraph-checkpoint';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CHECKPOINT_MIGRATIONS } from '#agent/memory/checkpoint-schema.ts';
import { openSaver, SqliteSaver } from '#agent/memory/sqlite-saver.ts';
import { openDatabase, type SqliteDatabase } from '#edge/storage/sqlite.ts';

const databases = new Map<SqliteSaver, SqliteDatabase>();

function createSaver(): SqliteSaver {
  const database = openDatabase({ path: ':memory:', migrations: CHECKPOINT_MIGRATIONS });
  const saver = new SqliteSaver(database);
  databases.set(saver, database);
  return saver;
}

function destroySaver(saver: SqliteSaver): void {
  databases.get(saver)?.close();
  databases.delete(saver);
}

// LangGraph's suite takes the test functions from the global scope.
Object.assign(globalThis, { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it });
const { deltaChannelHistoryTests, validate } = await import('@langchain/langgraph-checkpoint-validation');
const initializer = {
  checkpointerName: 'SqliteSaver',
  createCheckpointer: createSaver,
  destroyCheckpointer: destroySaver,
};
validate(initializer);
deltaChannelHistoryTests(initializer);

const metadata = { source: 'loop', step: 0, parents: {} } as const;

describe('SqliteSaver beyond the suite', () => {
  let saver: SqliteSaver;
  beforeEach(() => {
    saver = createSaver();
  });
  afterEach(() => destroySaver(saver));

  const put = (parent: string | undefined, value: string): Promise<{ configurable?: Record<string, unknown> }> =>
    saver.put(
      { configurable: { thread_id: 't', checkpoint_ns: '', checkpoint_id: parent } },
      { ...emptyCheckpoint(), id: uuid6(0), channel_values: { topic: value }, channel_versions: { topic: parent ? 2 : 1 } },
      metadata,
      { topic: parent ? 2 : 1 },
    );

  it('keeps two forks of one checkpoint apart, though their channel versions are equal', async () => {
    const root = await put(undefined, 'root');
    const parent = root.configurable?.checkpoint_id as string;
    const [left, right] = [await put(parent, 'left'), await put(parent, 'right')];
    expect((await saver.getTuple(left))?.checkpoint.channel_values).toEqual({ topic: 'left' });
    expect((await saver.getTuple(right))?.checkpoint.channel_values).toEqual({ topic: 'right' });
    expect((await saver.getTuple(root))?.checkpoint.channel_values).toEqual({ topic: 'root' });
  });

  it('forgets a channel that became empty', async () => {
    const root = await put(undefined, 'root');
    const child = await saver.put(
      root,
      { ...emptyCheckpoint(), id: uuid6(0), channel_values: {}, channel_versions: { topic: 2 } },
      metadata,
      { topic: 2 },
    );
    expect((await saver.getTuple(child))?.checkpoint.channel_values).toEqual({});
  });

  it('replays writes by task path before task id, and keeps the first result of a task', async () => {
    const config = await put(undefined, 'root');
    await saver.putWrites(config, [['c', 'second']], 'a-task', '~2');
    await saver.putWrites(config, [['c', 'first']], 'z-task', '~1');
    await saver.putWrites(config, [['c', 'again']], 'z-task', '~1');
    const tuple = await saver.getTuple(config);
    expect(tuple?.pendingWrites?.map(([, , value]) => value)).toEqual(['first', 'second']);
  });

  it('takes thread ids that would poison an object', async () => {
    const config = await saver.put({ configurable: { thread_id: '__proto__' } }, emptyCheckpoint(), metadata, {});
    expect(await saver.getTuple(config)).toBeDefined();
    expect(({} as Record<string, unknown>).checkpoint_id).toBeUndefined();
  });

  it('writes overlapping turns of many threads without mixing them', async () => {
    const State = Annotation.Root({ sum: Annotation<number>({ reducer: (a, b) => a + b, default: () => 0 }) });
    const graph = new StateGraph(State)
      .addNode('add', () => ({ sum: 1 }))
      .addEdge(START, 'add')
      .addEdge('add', END)
      .compile({ checkpointer: saver });
    const threads = Array.from({ length: 8 }, (_, index) => `thread-${index}`);
    for (let turn = 0; turn < 3; turn++) {
      await Promise.all(threads.map((thread_id, index) => graph.invoke({ sum: index }, { configurable: { thread_id } })));
    }
    const states = await Promise.all(threads.map((thread_id) => graph.getState({ configurable: { thread_id } })));
    expect(states.map((state) => state.values.sum)).toEqual(threads.map((_, index) => 3 * (index + 1)));
  });

  it('stores a large unchanged channel once, not once a step', async () => {
    const database = databases.get(saver) as SqliteDatabase;
    const large = 'x'.repeat(10_000);
    let config: { configurable?: Record<string, unknown> } = { configurable: { thread_id: 't', checkpoint_ns: '' } };
    for (let step = 1; step <= 20; step++) {
      const versions = { document: 1, step };
      const checkpoint = {
        ...emptyCheckpoint(),
        id: uuid6(step),
        channel_values: { document: large, step },
        channel_versions: versions,
      };
      config = await saver.put(config, checkpoint, metadata, step === 1 ? versions : { step });
    }
    const { bytes } = database
      .prepare('SELECT (SELECT sum(length(value)) FROM channel_values) + (SELECT sum(length(checkpoint)) FROM checkpoints) AS bytes')
      .get() as { bytes: number };
    expect(bytes).toBeLessThan(2 * large.length);
    expect((await saver.getTuple(config))?.checkpoint.channel_values).toEqual({ document: large, step: 20 });
  });

  it('refuses to store without a thread', async () => {
    await expect(saver.put({ configurable: {} }, emptyCheckpoint(), metadata, {})).rejects.toMatchObject({ code: 'E_BAD_REQUEST' });
  });

  it('leaves nothing of a deleted thread in its files', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'nearside-saver-'));
    using file = openSaver(join(folder, 'checkpoints.db'));
    const read = (): string =>
      readdirSync(folder)
        .map((name) => readFileSync(join(folder, name), 'latin1'))
        .join('');
    const checkpoint = {
      ...emptyCheckpoint(),
      id: uuid6(0),
      channel_values: { slots: 'alex@example.com' },
      channel_versions: { slots: 1 },
    };
    await file.saver.put({ configurable: { thread_id: 't', checkpoint_ns: '' } }, checkpoint, metadata, { slots: 1 });
    expect(read()).toContain('alex@example.com');
    await file.saver.deleteThread('t');
    expect(read()).not.toContain('alex@example.com');
  });
});
