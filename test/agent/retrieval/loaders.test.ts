import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { LoadedDocument } from '#agent/retrieval/document.ts';
import { pageAt } from '#agent/retrieval/document.ts';
import { readHtml } from '#agent/retrieval/loaders/html.ts';
import { readJsonl } from '#agent/retrieval/loaders/jsonl.ts';
import { type LoadOptions, loadDocuments } from '#agent/retrieval/loaders/load-documents.ts';
import { readMarkdown } from '#agent/retrieval/loaders/markdown.ts';
import { makeDocx, makePdf } from '#test/support/documents.ts';
import { expectCode } from '#test/support/expect-code.ts';

const folder = mkdtempSync(join(tmpdir(), 'nearside-loaders-'));

async function load(name: string, bytes: string | Buffer, format: LoadOptions['format'] = 'auto'): Promise<LoadedDocument> {
  const location = join(folder, name);
  writeFileSync(location, bytes);
  const rows = await Array.fromAsync(loadDocuments({ location, source: name }, { format }));
  const [row] = rows;
  if (!row || 'error' in row) throw row?.error ?? new Error('no document');
  return row.document;
}

test('Markdown becomes what its reader sees', () => {
  const markdown = [
    '---\ntitle: "Returns"\n---\n# Return *policy*\n\nOpened **tents**: [30 days](https://example.org).',
    '| Item | Days |\n|---|---|\n| Tent | 30 |',
    '- dry\n- clean\n\n```\nnearside docs list\n```\n',
  ].join('\n\n');
  const { title, text, headings } = readMarkdown(markdown);
  expect(title).toBe('Returns');
  expect(text).toBe('Return policy\n\nOpened tents: 30 days.\n\nTent: Days 30.\n\n- dry\n- clean\n\nnearside docs list');
  expect(headings).toEqual([{ level: 1, title: 'Return policy', start: 0, end: 13 }]);
});

test('HTML loses its navigation and scripts, and heading positions are exact', () => {
  const page = readHtml(
    '<html><head><title> Shop </title><script>x()</script></head><body><nav>Home</nav><main><h1>Care</h1><p>Wash <b>cold</b>,<br>dry flat.</p>' +
      '<h2>Down</h2><ul><li><p>Tumble dry.</p></li><li>Twice</li></ul><table><tr><th>A</th><td>1</td></tr></table></main><footer>(c)</footer></body></html>',
  );
  expect(page.title).toBe('Shop');
  expect(page.text).toBe('Care\n\nWash cold,\ndry flat.\n\nDown\n\n- Tumble dry.\n- Twice\n\nA: 1.');
  expect(page.headings.map(({ title, start, end }) => [title, page.text.slice(start, end)])).toEqual([
    ['Care', 'Care'],
    ['Down', 'Down'],
  ]);
});

test('each row of a table can be read alone, under the names of its columns', () => {
  const { text } = readMarkdown(
    '| Store | Address | Sunday |\n|---|---|---|\n| Leeds | 14 Weir Street, opposite the old bridge | 11 am to 5 pm |\n| Keswick | | closed. |',
  );
  expect(text).toBe('Leeds: Address 14 Weir Street, opposite the old bridge; Sunday 11 am to 5 pm.\n\nKeswick: Sunday closed.');
  expect(readHtml('<table><tr><td>a</td><td>b</td></tr></table>').text).toBe('a: b.');
});

test('a PDF keeps its pages, joins its lines and mends cut words', async () => {
  const document = await load(
    'manual.pdf',
    makePdf(['The tent is water-\nproof and weighs\n2.4 kg.\n\nIt is green.', 'Second page.'], 'Tent manual'),
  );
  expect(document.title).toBe('Tent manual');
  expect(document.text).toBe('The tent is waterproof and weighs 2.4 kg.\n\nIt is green.\n\nSecond page.');
  expect(pageAt(document.pageStarts, document.text.indexOf('green'))).toBe(1);
  expect(pageAt(document.pageStarts, document.text.indexOf('Second'))).toBe(2);
});

test('a DOCX keeps its headings', async () => {
  const document = await load('policy.docx', makeDocx(['# Returns', 'Opened tents may come back.', 'Dry ones only.']));
  expect(document.text).toBe('Returns\n\nOpened tents may come back.\n\nDry ones only.');
  expect(document.headings).toEqual([{ level: 1, title: 'Returns', start: 0, end: 7 }]);
  expect(document.title).toBe('policy');
});

test('text is read in UTF-8, UTF-16 and Windows-1252, with any line ends', async () => {
  expect((await load('a.txt', '\uFEFFcafé\r\nbar')).text).toBe('café\nbar');
  expect((await load('b.txt', Buffer.from('\uFEFFcafé', 'utf16le'))).text).toBe('café');
  expect((await load('c.txt', Buffer.from('caf\xe9', 'latin1'))).text).toBe('café');
});

test('JSONL rows become documents; broken rows are named with their line', () => {
  const rows = [
    ...readJsonl('{"body":"Yes.","key":7,"name":"Super_Bowl"}\nnot json\n\n[1]\n{"other":1}', 'a.jsonl', {
      text: 'body',
      id: 'key',
      title: 'name',
    }),
  ];
  expect(rows[0]).toEqual({
    document: { source: 'a.jsonl#7', container: 'a.jsonl', title: 'Super Bowl', text: 'Yes.', headings: [] },
  });
  expect(rows.slice(1).map((row) => ('error' in row ? [row.source, row.error.code] : row))).toEqual([
    ['a.jsonl#2', 'E_DOCUMENT_UNREADABLE'],
    ['a.jsonl#4', 'E_DOCUMENT_UNREADABLE'],
    ['a.jsonl#5', 'E_DOCUMENT_UNREADABLE'],
  ]);
});

test.each([
  ['binary data named .txt', 'x.txt', Buffer.from([0x89, 0x50, 0, 1, 2, 0xff]), 'E_DOCUMENT_UNREADABLE'],
  ['an empty file', 'x.md', '', 'E_DOCUMENT_EMPTY'],
  ['white space alone', 'x.txt', ' \n\t\n', 'E_DOCUMENT_EMPTY'],
  ['a PDF without text', 'scan.pdf', makePdf(['', '']), 'E_DOCUMENT_EMPTY'],
  ['a broken PDF', 'x.pdf', '%PDF-1.4 nothing more', 'E_DOCUMENT_UNREADABLE'],
  ['a broken DOCX', 'x.docx', 'PK but no archive', 'E_DOCUMENT_UNREADABLE'],
  ['an unknown extension', 'x.xyz', 'some text', 'E_FORMAT_UNKNOWN'],
])('%s is refused', async (_name, file, bytes, code) => {
  await expectCode(load(file, bytes), code);
});

test('a format that is named is used whatever the extension', async () => {
  expect((await load('notes.xyz', 'some text', 'text')).text).toBe('some text');
});

test('a file that is not there is refused', async () => {
  await expectCode(
    Array.fromAsync(loadDocuments({ location: join(folder, 'none.txt'), source: 'none.txt' }, { format: 'auto' })),
    'E_DOCUMENT_UNREADABLE',
  );
});
