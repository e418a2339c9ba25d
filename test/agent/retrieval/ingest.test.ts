import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeDocx, makePdf } from '#test/support/documents.ts';
import { expectCode } from '#test/support/expect-code.ts';
import { FakeRuntime } from '#test/support/fake-runtime.ts';
import { add, newKnowledge, requireDefined, writeFiles } from '#test/support/quick-knowledge.ts';
import { AbortingRuntime, RenamedRuntime } from '#test/support/renamed-runtime.ts';

test('reads a folder at any depth, and one bad file does not stop the rest', async () => {
  const folder = writeFiles({
    'a.md': '# Tents\n\nThey are dry.',
    'b.pdf': makePdf(['Boots are warm.']),
    'c.docx': makeDocx(['Maps are flat.']),
    'd.txt': Buffer.from([0, 1, 2]),
    'e.txt': '',
    'picture.png': 'not a document',
    '.hidden.md': 'hidden',
  });
  mkdirSync(join(folder, 'deep/node_modules'), { recursive: true });
  writeFileSync(join(folder, 'deep/f.html'), '<p>Ropes are long.</p>');
  writeFileSync(join(folder, 'deep/node_modules/g.md'), 'not mine');
  using knowledge = newKnowledge(new FakeRuntime());
  const report = await add(knowledge, { paths: [folder, join(folder, 'picture.png'), join(folder, 'none')] }, { relativeTo: folder });
  expect(report.added.map((document) => document.source)).toEqual(['a.md', 'b.pdf', 'c.docx', 'deep/f.html']);
  expect(report.failed.map(({ source, code }) => [source, code])).toEqual([
    ['d.txt', 'E_DOCUMENT_UNREADABLE'],
    ['e.txt', 'E_DOCUMENT_EMPTY'],
    ['picture.png', 'E_FORMAT_UNKNOWN'],
    [join(folder, 'none'), 'E_DOCUMENT_UNREADABLE'],
  ]);
  for (const { message, hint } of report.failed) expect(message && hint).toBeTruthy();
  const { hits } = await knowledge.search('Are boots warm?');
  expect(hits[0]?.chunk).toMatchObject({ source: 'b.pdf', page: 1, text: 'Boots are warm.' });
});

test('leaves unchanged documents alone and replaces changed ones', async () => {
  const folder = writeFiles({ 'a.txt': 'Tents are dry.', 'b.txt': 'Boots are warm.' });
  const runtime = new FakeRuntime();
  using knowledge = newKnowledge(runtime);
  await add(knowledge, { paths: [folder] });
  writeFileSync(join(folder, 'a.txt'), 'Tents are orange.');
  const calls = runtime.embedRequests.length;
  const report = await add(knowledge, { paths: [folder] });
  expect(report.added.map((document) => document.source)).toEqual([join(folder, 'a.txt')]);
  expect(report.unchanged).toEqual([join(folder, 'b.txt')]);
  expect(runtime.embedRequests.slice(calls).flatMap((request) => request.texts)).not.toContain('Boots are warm.');
  expect(knowledge.listDocuments().length).toBe(2);
  const { hits } = await knowledge.search('tents');
  expect(hits.filter((hit) => hit.chunk.text.includes('dry'))).toEqual([]);
  expect(hits[0]?.chunk.text).toBe('Tents are orange.');
});

test('rows that left a JSONL file leave the index', async () => {
  const folder = writeFiles({ 'faq.jsonl': '{"id":"1","text":"Tents are dry."}\n{"id":"2","text":"Boots are warm."}\n' });
  const path = join(folder, 'faq.jsonl');
  using knowledge = newKnowledge(new FakeRuntime());
  await add(knowledge, { paths: [path] });
  writeFileSync(path, '{"id":"2","text":"Boots are warm."}\n{"id":"3"}\n');
  const report = await add(knowledge, { paths: [path] });
  expect(report.unchanged).toEqual([`${path}#2`]);
  expect(report.failed.map((failure) => failure.source)).toEqual([`${path}#2`]);
  expect(knowledge.listDocuments().map((document) => document.source)).toEqual([`${path}#2`]);
  expect(knowledge.removeDocuments([path])).toBe(1);
});

test('removed documents leave nothing behind in the file', async () => {
  const folder = writeFiles({ 'a.txt': 'The passphrase is xylophone.', 'b.txt': 'Boots are warm.' });
  const path = join(folder, 'kb/knowledge.db');
  const knowledge = newKnowledge(new FakeRuntime(), path);
  await add(knowledge, { paths: [folder] });
  const [secret] = knowledge.listDocuments();
  expect(knowledge.removeDocuments([secret?.id as string])).toBe(1);
  expect((await knowledge.search('passphrase xylophone')).hits.map((hit) => hit.chunk.text)).toEqual(['Boots are warm.']);
  await expectCode(
    Promise.resolve().then(() => knowledge.removeDocuments(['b.txt', 'nowhere.txt'])),
    'E_DOCUMENT_UNKNOWN',
  );
  expect(knowledge.listDocuments().length).toBe(1);
  knowledge[Symbol.dispose]();
  expect(readFileSync(path).includes('xylophon')).toBe(false);
});

test('never mixes vectors of two models; embedding anew mends it', async () => {
  const folder = writeFiles({ 'a.txt': 'Tents are dry.', 'b.txt': 'Boots are warm.' });
  const path = join(folder, 'kb/knowledge.db');
  const before = newKnowledge(new FakeRuntime(), path);
  await add(before, { paths: [join(folder, 'a.txt')] });
  before[Symbol.dispose]();
  using after = newKnowledge(new RenamedRuntime('another-model'), path);
  await expectCode(after.search('tents'), 'E_INDEX_MISMATCH');
  await expectCode(add(after, { paths: [join(folder, 'b.txt')] }), 'E_INDEX_MISMATCH');
  expect((await Array.fromAsync(after.reindex())).length).toBeGreaterThan(0);
  expect((await after.search('tents')).hits[0]?.chunk.text).toBe('Tents are dry.');
  expect((await add(after, { paths: [join(folder, 'b.txt')] })).added.length).toBe(1);
});

test('an empty index takes vectors of any model', async () => {
  const folder = writeFiles({ 'a.txt': 'Tents are dry.' });
  const path = join(folder, 'kb/knowledge.db');
  const before = newKnowledge(new FakeRuntime(), path);
  await add(before, { paths: [join(folder, 'a.txt')] });
  before.removeDocuments([join(folder, 'a.txt')]);
  before[Symbol.dispose]();
  using after = newKnowledge(new RenamedRuntime('another-model'), path);
  expect((await add(after, { paths: [join(folder, 'a.txt')] })).added.length).toBe(1);
});

test('a cancelled ingest keeps what it finished and goes on with the rest', async () => {
  const folder = writeFiles({ 'a.txt': 'Tents are dry.', 'b.txt': 'Boots are warm.', 'c.txt': 'Maps are flat.' });
  const path = join(folder, 'kb/knowledge.db');
  const controller = new AbortController();
  const first = newKnowledge(new AbortingRuntime('Boots', controller), path);
  await expectCode(add(first, { paths: [folder] }, { signal: controller.signal }), 'E_CANCELLED');
  expect(first.listDocuments().map((document) => document.source)).toEqual([join(folder, 'a.txt')]);
  first[Symbol.dispose]();
  using second = newKnowledge(new FakeRuntime(), path);
  const report = await add(second, { paths: [folder] });
  expect(report.unchanged).toEqual([join(folder, 'a.txt')]);
  expect(report.added.map((document) => document.source)).toEqual([join(folder, 'b.txt'), join(folder, 'c.txt')]);
});

test('a text of 10 MB is read, found in and cited exactly', async () => {
  const filler = 'The weather on the hill changes faster than the forecast that was read at breakfast. ';
  const needle = 'The spare key of the hut hangs behind the third beehive.';
  const text = `${filler.repeat(60_000)}\n\n${needle}\n\n${filler.repeat(60_000)}`;
  expect(text.length).toBeGreaterThan(10_000_000);
  const folder = writeFiles({ 'big.txt': text });
  using knowledge = newKnowledge(new FakeRuntime());
  const report = await add(knowledge, { paths: [join(folder, 'big.txt')] });
  expect(report.added[0]?.chunks).toBeGreaterThan(5000);
  const { hits } = await knowledge.search('Where hangs the spare key of the beehive hut?');
  const chunk = requireDefined(hits[0]).chunk;
  expect(chunk.text).toContain(needle);
  expect(knowledge.readDocument(chunk.documentId).slice(chunk.start, chunk.end)).toBe(chunk.text);
  rmSync(folder, { recursive: true });
}, 300_000);

test('progress counts documents, and chunks of a long one', async () => {
  const folder = writeFiles({ 'a.txt': 'Tents are dry. '.repeat(5000) });
  using knowledge = newKnowledge(new FakeRuntime());
  const parts = await Array.fromAsync(knowledge.addDocuments({ paths: [folder], format: 'auto' }));
  const progress = parts.flatMap((part) => (part.type === 'progress' ? [part.progress] : []));
  expect(progress[0]).toMatchObject({ done: 0, total: 1, unit: 'documents' });
  const last = progress.at(-1);
  expect(last?.unit).toBe('chunks');
  expect(last?.done).toBe(last?.total);
  expect(parts.at(-1)?.type).toBe('report');
});

test('a document that its parser chokes on is reported, and the rest is read', async () => {
  const folder = writeFiles({
    'a.html': `${'<div>'.repeat(60_000)}deep`,
    'b.md': `${'> '.repeat(30_000)}deep`,
    'c.txt': 'Tents are dry.',
  });
  using knowledge = newKnowledge(new FakeRuntime());
  const report = await add(knowledge, { paths: [folder] }, { relativeTo: folder });
  expect(report.failed.map(({ source, code }) => [source, code])).toEqual([
    ['a.html', 'E_DOCUMENT_UNREADABLE'],
    ['b.md', 'E_DOCUMENT_UNREADABLE'],
  ]);
  expect(report.added.map(({ source }) => source)).toEqual(['c.txt']);
});

test('a second row with the same id is reported, not put in the place of the first', async () => {
  const path = join(writeFiles({ 'faq.jsonl': '{"id":"1","text":"Tents are dry."}\n{"id":"1","text":"Boots are warm."}\n' }), 'faq.jsonl');
  using knowledge = newKnowledge(new FakeRuntime());
  const report = await add(knowledge, { paths: [path] });
  expect([report.added.length, report.failed.map(({ code }) => code)]).toEqual([1, ['E_DOCUMENT_UNREADABLE']]);
  expect(knowledge.readDocument(requireDefined(report.added[0]).id)).toBe('Tents are dry.');
});

test('documents do not change while all vectors are made anew', async () => {
  const folder = writeFiles(Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`${i}.txt`, `Tent number ${i} is dry.`])));
  const other = writeFiles({ 'new.txt': 'Zebras are striped.' });
  using knowledge = newKnowledge(new FakeRuntime());
  await add(knowledge, { paths: [folder] });
  const steps = knowledge.reindex()[Symbol.asyncIterator]();
  await steps.next();
  expect(() => knowledge.removeDocuments([join(folder, '39.txt')])).toThrow(expect.objectContaining({ code: 'E_BUSY' }));
  await expectCode(add(knowledge, { paths: [other] }), 'E_BUSY');
  await expectCode(Array.fromAsync(knowledge.reindex()), 'E_BUSY');
  while (!(await steps.next()).done);
  expect(knowledge.removeDocuments([join(folder, '39.txt')])).toBe(1);
  expect((await add(knowledge, { paths: [other] })).added.length).toBe(1);
  expect((await knowledge.search('striped zebras')).hits[0]?.chunk.text).toBe('Zebras are striped.');
});

test('vectors follow the variant that the device chooses, and serve until the new ones are there', async () => {
  const folder = writeFiles(Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`${i}.txt`, `Tent number ${i} is dry.`])));
  let variant = 'int8';
  const runtime = new FakeRuntime({ embedder: () => ({ model: 'e5', variant }) });
  using knowledge = newKnowledge(runtime);
  await add(knowledge, { paths: [folder] });
  expect(await knowledge.followEngine()).toBe(false);
  variant = 'q8_0';
  expect((await knowledge.search('tent number 7')).engine).toMatchObject({ variant: 'int8' });
  const following = knowledge.followEngine();
  expect((await knowledge.search('tent number 7')).engine).toMatchObject({ variant: 'int8' });
  expect(await following).toBe(true);
  expect((await knowledge.search('tent number 7')).engine).toMatchObject({ variant: 'q8_0' });
  expect((await add(knowledge, { paths: [writeFiles({ 'new.txt': 'Zebras are striped.' })] })).added.length).toBe(1);
  expect(runtime.embedRequests.at(-1)?.model).toBe('e5:q8_0');
});

test('a change of the documents goes before vectors that follow the device', async () => {
  const folder = writeFiles(Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`${i}.txt`, `Tent number ${i} is dry.`])));
  let variant = 'int8';
  const runtime = new FakeRuntime({ embedder: () => ({ model: 'e5', variant }) });
  const embed = runtime.embed.bind(runtime);
  const gate = Promise.withResolvers<void>();
  runtime.embed = async (request, options) => {
    const isNew = request.model === 'e5:q8_0' && request.texts[0] !== 'probe';
    if (isNew) await gate.promise;
    return await embed(request, options);
  };
  using knowledge = newKnowledge(runtime);
  await add(knowledge, { paths: [folder] });
  variant = 'q8_0';
  const following = knowledge.followEngine();
  await expect.poll(() => runtime.embedRequests.at(-1)?.model).toBe('e5:q8_0');
  expect((await add(knowledge, { paths: [writeFiles({ 'new.txt': 'Zebras are striped.' })] })).added.length).toBe(1);
  gate.resolve();
  expect(await following).toBe(false);
  expect((await knowledge.search('striped zebras')).engine).toMatchObject({ variant: 'int8' });
  expect(await knowledge.followEngine()).toBe(true);
  expect((await knowledge.search('striped zebras')).hits[0]?.chunk.text).toBe('Zebras are striped.');
});

test('whoever asks for new vectors waits for those that follow the device to stop, and is alone then', async () => {
  const folder = writeFiles(Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`${i}.txt`, `Tent number ${i} is dry.`])));
  const other = writeFiles({ 'new.txt': 'Zebras are striped.' });
  let variant = 'int8';
  const runtime = new FakeRuntime({ embedder: () => ({ model: 'e5', variant }) });
  const embed = runtime.embed.bind(runtime);
  const gate = Promise.withResolvers<void>();
  runtime.embed = async (request, options) => {
    const response = await embed(request, options);
    if (request.model === 'e5:q8_0' && request.texts[0] !== 'probe') await gate.promise;
    return response;
  };
  using knowledge = newKnowledge(runtime);
  await add(knowledge, { paths: [folder] });
  variant = 'q8_0';
  const following = knowledge.followEngine();
  await expect.poll(() => runtime.embedRequests.at(-1)?.texts[0]).toContain('Tent number 0');
  const steps = knowledge.reindex()[Symbol.asyncIterator]();
  const first = steps.next();
  gate.resolve();
  expect(await following).toBe(false);
  expect((await first).done).toBe(false);
  await expectCode(add(knowledge, { paths: [other] }), 'E_BUSY');
  while (!(await steps.next()).done);
  expect((await knowledge.search('tent number 7')).engine).toMatchObject({ variant: 'q8_0' });
  expect((await add(knowledge, { paths: [other] })).added.length).toBe(1);
});

test('vectors are not made anew while documents are being read', async () => {
  const folder = writeFiles({ 'a.txt': 'Tents are dry.', 'b.txt': 'Boots are warm.' });
  using knowledge = newKnowledge(new FakeRuntime());
  const parts = knowledge.addDocuments({ paths: [folder], format: 'auto' })[Symbol.asyncIterator]();
  await parts.next();
  await expectCode(Array.fromAsync(knowledge.reindex()), 'E_BUSY');
  await parts.return?.();
  await Array.fromAsync(knowledge.reindex());
  expect(knowledge.listDocuments().length).toBeLessThan(2);
});
