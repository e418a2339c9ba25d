import { expect, it } from 'vitest';
import { EdgeEmbeddings } from '#agent/models/edge-embeddings.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { FakeRuntime } from '#test/support/fake-runtime.ts';

it('embeds queries and documents with their own purpose, as plain numbers', async () => {
  const runtime = new FakeRuntime();
  const embeddings = new EdgeEmbeddings({ runtime });
  const query = await embeddings.embedQuery('a tent');
  const [same, other] = await embeddings.embedDocuments(['a tent', 'a boat']);
  expect(query).toEqual(same);
  expect(query).not.toEqual(other);
  expect(Array.isArray(query)).toBe(true);
  expect(runtime.embedRequests.map(({ model, purpose }) => [model, purpose])).toEqual([
    ['embed', 'query'],
    ['embed', 'passage'],
  ]);
});

it('splits more texts than a call takes, and keeps their order', async () => {
  const runtime = new FakeRuntime();
  const texts = Array.from({ length: 2050 }, (_, index) => `text ${index}`);
  const vectors = await new EdgeEmbeddings({ runtime }).embedDocuments(texts);
  expect(runtime.embedRequests.map((request) => request.texts.length)).toEqual([2048, 2]);
  expect(vectors[2049]).toEqual(await new EdgeEmbeddings({ runtime }).embedQuery('text 2049'));
});

it('asks nothing for no documents', async () => {
  const runtime = new FakeRuntime();
  expect(await new EdgeEmbeddings({ runtime }).embedDocuments([])).toEqual([]);
  expect(runtime.embedRequests).toEqual([]);
});

it('passes a coded failure on at once', async () => {
  const failure = new EdgeError('E_ENGINE_CRASHED', { what: 'engine died' });
  const runtime = new FakeRuntime({ failure });
  await expect(new EdgeEmbeddings({ runtime }).embedQuery('x')).rejects.toBe(failure);
  expect(runtime.embedRequests).toHaveLength(1);
});
