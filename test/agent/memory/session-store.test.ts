import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openSessionStore } from '#agent/memory/session-store.ts';
import { expectCode } from '#test/support/expect-code.ts';

const newPath = (): string => join(mkdtempSync(join(tmpdir(), 'nearside-sessions-')), 'sessions.db');
const attempt = (work: () => unknown): Promise<unknown> => Promise.resolve().then(work);

test('remembers turns over a restart, the latest session first', () => {
  const path = newPath();
  const first = openSessionStore(path);
  first.append('a', 'qa', [
    { role: 'user', content: 'How long may I take to send an opened tent back to the shop that sold it?' },
    { role: 'assistant', content: '30 days. [1]' },
  ]);
  first.append('b', 'support', [{ role: 'user', content: 'Hello' }]);
  first.append('a', 'qa', [{ role: 'user', content: 'And boots?' }]);
  first[Symbol.dispose]();
  using second = openSessionStore(path);
  expect(second.read('a').map((message) => message.content.slice(0, 8))).toEqual(['How long', '30 days.', 'And boot']);
  const sessions = second.list();
  expect(sessions.map(({ id, bot, turns }) => [id, bot, turns])).toContainEqual(['a', 'qa', 2]);
  expect(sessions.find(({ id }) => id === 'a')?.title).toBe('How long may I take to send an opened tent back to the shop…');
  expect(second.botOf('b')).toBe('support');
});

test('a session keeps to its bot', async () => {
  using store = openSessionStore(':memory:');
  store.append('a', 'qa', [{ role: 'user', content: 'Hello' }]);
  await expectCode(
    attempt(() => store.append('a', 'support', [{ role: 'user', content: 'Hello' }])),
    'E_BAD_REQUEST',
  );
  expect(store.read('a').length).toBe(1);
});

test('a deleted session is gone from the file, with its feedback', async () => {
  const path = newPath();
  const store = openSessionStore(path);
  store.append('a', 'qa', [{ role: 'user', content: 'My xylophone is broken' }]);
  store.addFeedback({ sessionId: 'a', vote: 'down', comment: 'wrong zither' });
  expect(store.readFeedback('a')).toEqual([{ vote: 'down', comment: 'wrong zither' }]);
  store.delete('a');
  await expectCode(
    attempt(() => store.read('a')),
    'E_SESSION_UNKNOWN',
  );
  expect(store.list()).toEqual([]);
  store[Symbol.dispose]();
  const bytes = readFileSync(path);
  expect(bytes.includes('xylophone') || bytes.includes('zither')).toBe(false);
});

test('unknown sessions are named', async () => {
  using store = openSessionStore(':memory:');
  for (const work of [() => store.read('x'), () => store.delete('x'), () => store.addFeedback({ sessionId: 'x', vote: 'up' })]) {
    const error = await expectCode(attempt(work), 'E_SESSION_UNKNOWN');
    expect(error.message).toContain('"x"');
  }
});
