import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chunkDocument } from '#agent/retrieval/chunks.ts';
import { type LoadedDocument, pageAt } from '#agent/retrieval/document.ts';
import { readMarkdown } from '#agent/retrieval/loaders/markdown.ts';

const plain = (text: string): LoadedDocument => ({ source: 's', title: 'T', text, headings: [] });

const texts = fc
  .array(
    fc.constantFrom('Tent', 'poles.', 'A long way', '\n', '\n\n', ' ', '. ', '- ', '😀', 'x'.repeat(900), 'Is it? ', 'word '.repeat(80)),
    {
      maxLength: 60,
    },
  )
  .map((parts) => parts.join(''));

test('every chunk and sentence is the exact text at its position, and no word is lost', () => {
  fc.assert(
    fc.property(texts, (text) => {
      const chunks = chunkDocument(plain(text));
      let end = 0;
      let between = '';
      for (const chunk of chunks) {
        expect(text.slice(chunk.start, chunk.end)).toBe(chunk.text);
        expect(chunk.text.length).toBeLessThanOrEqual(1800);
        expect(chunk.start).toBeGreaterThanOrEqual(end);
        for (const sentence of chunk.sentences) {
          expect(sentence.start).toBeGreaterThanOrEqual(chunk.start);
          expect(sentence.end).toBeLessThanOrEqual(chunk.end);
        }
        between += text.slice(end, chunk.start);
        end = chunk.end;
      }
      between += text.slice(end);
      expect(between.replace(/[\s-]/g, '')).toBe('');
    }),
  );
});

test('follows headings and carries their path', () => {
  const { text, headings } = readMarkdown(
    '# Shop\n\nWelcome.\n\n## Returns\n\nThirty days.\n\n### Tents\n\nDry only.\n\n## Care\n\nWash cold.\n',
  );
  const chunks = chunkDocument({ source: 's', title: 'Shop', text, headings });
  expect(chunks.map((chunk) => [chunk.path, chunk.text])).toEqual([
    [['Shop'], 'Welcome.'],
    [['Shop', 'Returns'], 'Thirty days.'],
    [['Shop', 'Returns', 'Tents'], 'Dry only.'],
    [['Shop', 'Care'], 'Wash cold.'],
  ]);
});

test('joins short paragraphs and cuts long ones between sentences', () => {
  const short = Array.from({ length: 10 }, (_, i) => `Paragraph number ${i} says something of no great length at all.`).join('\n\n');
  expect(chunkDocument(plain(short)).length).toBe(1);
  const long = 'This sentence is repeated until the paragraph is far too long. '.repeat(80).trim();
  const chunks = chunkDocument(plain(long));
  expect(chunks.length).toBeGreaterThan(2);
  for (const chunk of chunks) expect(chunk.text).toMatch(/^This .* long\.$/s);
});

test('a document of headings alone is still a chunk', () => {
  const { text, headings } = readMarkdown('# One\n\n## Two\n');
  expect(chunkDocument({ source: 's', title: 'One', text, headings }).map((chunk) => chunk.text)).toEqual(['One\n\nTwo']);
});

test('names the page of a character', () => {
  expect([0, 9, 10, 25].map((at) => pageAt([0, 10, 20], at))).toEqual([1, 1, 2, 3]);
  expect(pageAt(undefined, 3)).toBeUndefined();
});

test('a block of code belongs to the sentence before it, and stands alone only where there is none', () => {
  const document = readMarkdown(
    '# Guide\n\nRead it. Add documents so:\n\n```\nnearside docs add a.md\n\nnearside docs list\n```\n\nDone.\n\n## Bare\n\n```\nnpm start\n```\n',
  );
  const chunks = chunkDocument({ source: 's', title: 'Guide', ...document });
  const sentences = chunks.map(({ sentences: spans }) => spans.map(({ start, end }) => document.text.slice(start, end)));
  expect(sentences).toEqual([['Read it.', 'Add documents so:\n\nnearside docs add a.md\n\nnearside docs list', 'Done.'], ['npm start']]);
});
