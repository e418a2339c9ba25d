import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { EdgeRetriever } from '#agent/retrieval/edge-retriever.ts';
import { INDEX_MIGRATIONS } from '#agent/retrieval/index-schema.ts';
import type { KnowledgeBase } from '#agent/retrieval/knowledge-base.ts';
import { KnowledgeIndex } from '#agent/retrieval/knowledge-index.ts';
import { alignTokens, bestMatches } from '#agent/retrieval/late-interaction.ts';
import { openDatabase } from '#edge/storage/sqlite.ts';
import { FakeRuntime, hashVector } from '#test/support/fake-runtime.ts';
import { openOnnxRuntime } from '#test/support/onnx-runtime.ts';
import { add, newKnowledge, requireDefined, writeFiles } from '#test/support/quick-knowledge.ts';

let runtime: Awaited<ReturnType<typeof openOnnxRuntime>>;
let knowledge: KnowledgeBase;

beforeAll(async () => {
  runtime = await openOnnxRuntime();
  knowledge = newKnowledge(runtime);
  const folder = writeFiles({
    'returns.md':
      '# Returns\n\nAn opened tent can be returned within 30 days. Boots must be unworn.\n\n# Refunds\n\nMoney is paid back in 5 days.',
    'care.md': '# Care\n\nWash down jackets at 30 degrees. Never use fabric softener.',
    'stores.md': '# Stores\n\nThe shop in Leeds opens at nine. There is a car park behind it.',
  });
  await add(knowledge, { paths: [folder] }, { relativeTo: folder });
});

afterAll(async () => {
  knowledge?.[Symbol.dispose]();
  await runtime?.[Symbol.asyncDispose]();
});

test('finds a passage by meaning, without a word in common', async () => {
  const { hits, engine } = await knowledge.search('Where can I leave my vehicle?');
  expect(hits[0]?.chunk.source).toBe('stores.md');
  expect(engine?.model).toBe('e5-small-v2');
  expect(hits[0]?.maxSim).toBeGreaterThan(0.5);
});

test('leaves out the documents it is told to', async () => {
  const [returns] = knowledge.listDocuments().filter((document) => document.source === 'returns.md');
  const { hits } = await knowledge.search('Can I return a tent?', { excludeDocuments: [returns?.id as string] });
  expect(hits.length).toBe(2);
  expect(hits.every((hit) => hit.chunk.source !== 'returns.md')).toBe(true);
});

test('is a LangChain retriever with exact positions', async () => {
  const retriever = new EdgeRetriever({ knowledge, limit: 2 });
  const documents = await retriever.invoke('How long may I take to return a tent?');
  expect(documents.length).toBe(2);
  const { pageContent, metadata } = requireDefined(documents[0]);
  const { documentId, start, end, path } = metadata;
  expect(path).toEqual(['Returns']);
  expect(knowledge.readDocument(documentId).slice(start, end)).toBe(pageContent);
});

test('finds a hyphenated word however it is written', async () => {
  using plain = newKnowledge(new FakeRuntime());
  const folder = writeFiles({
    'a.txt': 'Write an e-mail to us.',
    'b.txt': 'We resole boots.',
    'c.txt': 'Maps are flat.',
    'd.txt': 'Ropes hang.',
  });
  await add(plain, { paths: [folder] });
  const bm25 = async (question: string): Promise<string[]> =>
    (await plain.search(question)).hits.filter((hit) => hit.bm25 > 0).map((hit) => hit.chunk.text);
  expect(await bm25('Which email?')).toEqual(['Write an e-mail to us.']);
  expect(await bm25('Who re-soles?')).toEqual(['We resole boots.']);
});

test('questions of any content are safe to search for', async () => {
  for (const question of ['"', '***', 'a AND (b OR', 'NEAR("x", 5)', 'body:tent', '😀', "'; DROP TABLE chunks; --", '?']) {
    const { hits } = await knowledge.search(question);
    expect(hits.length).toBeGreaterThan(0);
  }
});

test('BM25 equals the formula, computed by hand', () => {
  const database = openDatabase({ path: join(writeFiles({}), 'index.db'), migrations: INDEX_MIGRATIONS, vectors: true });
  const index = new KnowledgeIndex(database);
  const texts = ['red tent red', 'blue tent pole', 'green boots', 'grey map'];
  for (const [i, text] of texts.entries()) {
    const chunk = { start: 0, end: text.length, text, path: ['Shop'], sentences: [{ start: 0, end: text.length }] };
    index.putDocument(
      { source: `${i}`, title: 'Shop', text, headings: [] },
      [{ chunk, vector: hashVector(text), sentenceVectors: [hashVector(text)] }],
      { model: 'fake', variant: 'fake', dimensions: hashVector('').length },
      new Date(0),
    );
  }
  // N = 4 chunks of 4, 4, 3 and 3 words (title and body): mean length 3.5; k1 = 1.2, b = 0.75.
  const idf = (n: number): number => Math.log((4 - n + 0.5) / (n + 0.5));
  const saturate = (frequency: number, length: number): number =>
    (frequency * 2.2) / (frequency + 1.2 * (1 - 0.75 + (0.75 * length) / 3.5));
  const hits = index.findWords('Which boots are red?', 10);
  const scores = new Map(hits.map((hit) => [hit.id, hit.score]));
  expect([...scores.keys()].sort()).toEqual([1, 3]);
  expect(scores.get(1)).toBeCloseTo(idf(1) * saturate(2, 4), 6);
  expect(scores.get(3)).toBeCloseTo(idf(1) * saturate(1, 3), 6);
  expect(index.documentFrequencies(['tent', 'boot', 'rope'])).toEqual(
    new Map([
      ['tent', 2],
      ['boot', 1],
      ['rope', 0],
    ]),
  );
  index[Symbol.dispose]();
});

test('works without token vectors', async () => {
  using plain = newKnowledge(new FakeRuntime());
  const folder = writeFiles({ 'a.txt': 'Tents are dry.', 'b.txt': 'Boots are warm.' });
  await add(plain, { paths: [folder] });
  const { hits, question } = await plain.search('warm boots');
  expect(hits[0]?.chunk.text).toBe('Boots are warm.');
  expect(hits[0]?.maxSim).toBeUndefined();
  expect(question.tokens).toBeUndefined();
});

test('an empty knowledge base finds nothing', async () => {
  using empty = newKnowledge(new FakeRuntime());
  expect((await empty.search('anything')).hits).toEqual([]);
});

test('late interaction takes the best match of each question token', () => {
  const question = { data: Float32Array.from([1, 0, 0, 1]), rows: 2, tokens: ['a', 'b'] };
  const text = { data: Float32Array.from([0.6, 0.8, 1, 0]), rows: 2, tokens: ['c', 'd'] };
  expect([...bestMatches(question, text)]).toEqual([1, Math.fround(0.8)]);
  expect([...bestMatches(question, text, 0, 1)].map((value) => Number(value.toFixed(3)))).toEqual([0.6, 0.8]);
  expect([...bestMatches(question, text, 1, 1)]).toEqual([0, 0]);
});

test('word pieces are aligned with the text they came from', () => {
  const text = 'Café  “Zürich”: 6½ tents';
  expect(alignTokens(text, ['cafe', '[UNK]', 'zur', '##ich', ':', 'tents'])).toEqual([0, 4, 7, 10, 14, 19]);
});
