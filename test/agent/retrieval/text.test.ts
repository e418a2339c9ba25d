import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sentenceSpans } from '#agent/retrieval/text/sentences.ts';
import { stem } from '#agent/retrieval/text/stem.ts';
import { contentTerms, termsOf, wordsOf } from '#agent/retrieval/text/terms.ts';
import { openDatabase } from '#edge/storage/sqlite.ts';

const sentences = (text: string): string[] => sentenceSpans(text).map(({ start, end }) => text.slice(start, end));

test('stems every word as the full-text index does', () => {
  const database = openDatabase({
    path: join(mkdtempSync(join(tmpdir(), 'nearside-stem-')), 'words.db'),
    migrations: [
      `CREATE VIRTUAL TABLE words USING fts5 (word, tokenize = 'porter unicode61');
       CREATE VIRTUAL TABLE vocabulary USING fts5vocab ('words', 'instance');`,
    ],
  });
  const insert = database.prepare('INSERT INTO words (rowid, word) VALUES (1, ?)');
  const indexed = (word: string): string => {
    database.exec('DELETE FROM words');
    insert.run(word);
    return (database.prepare('SELECT term FROM vocabulary').get() as { term: string }).term;
  };
  const syllable = fc.constantFrom(
    'a',
    'e',
    'y',
    'o',
    'st',
    'b',
    'll',
    'tr',
    'ing',
    'ed',
    's',
    'ation',
    'al',
    'iz',
    'e',
    'ly',
    'ful',
    'ness',
    'ss',
    'ies',
  );
  const word = fc.array(syllable, { minLength: 1, maxLength: 7 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(word, (text) => {
      expect(stem(text)).toBe(indexed(text));
    }),
    { numRuns: 500 },
  );
  for (const text of ['relational', 'hopping', 'agreed', 'yield', 'sky', 'controlling', 'apologies', 'ab', 'tents', 'eed', 'yyed'])
    expect(stem(text)).toBe(indexed(text));
  database.close();
});

test('finds words with their places, accents and case folded', () => {
  expect(wordsOf('Café Tents, 2!')).toEqual([
    { text: 'Café', term: 'cafe', start: 0, end: 4 },
    { text: 'Tents', term: 'tent', start: 5, end: 10 },
    { text: '2', term: '2', start: 12, end: 13 },
  ]);
});

test('leaves stop words out, unless there is nothing else', () => {
  expect(contentTerms('How long do I have to return the opened tents?')).toEqual(['long', 'return', 'open', 'tent']);
  expect(contentTerms('What is it?')).toEqual(['what', 'is', 'it']);
});

test('does not end a sentence at abbreviations, initials and decimals', () => {
  expect(sentences('Dr. J. Smith of the U.S. Army paid $4.5 million on Jan. 5. He left.')).toEqual([
    'Dr. J. Smith of the U.S. Army paid $4.5 million on Jan. 5.',
    'He left.',
  ]);
});

test('ends a sentence at paragraphs, list entries and short lines, not at soft wraps', () => {
  const wrapped = 'This line is long enough that its end is taken for a soft wrap,\nand the sentence goes on here.';
  expect(sentences(`${wrapped}\n\nFirst part\nSecond part\n\n- Tents\n- 2 poles`)).toEqual([
    wrapped,
    'First part',
    'Second part',
    'Tents',
    '2 poles',
  ]);
});

test('sentences keep order, do not overlap and have no white space around', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', 'B', '. ', '? ', '\n', '\n\n', ' ', '- ', 'é', '😀', '1.') }), (text) => {
      let end = 0;
      for (const span of sentenceSpans(text)) {
        expect(span.start).toBeGreaterThanOrEqual(end);
        expect(span.end).toBeGreaterThan(span.start);
        expect(text.slice(span.start, span.end)).toBe(text.slice(span.start, span.end).trim());
        end = span.end;
      }
    }),
  );
});

test('hyphenated words count in one piece too', () => {
  expect([...termsOf('Re-soling your e-mail')]).toEqual(['re', 'sole', 'your', 'e', 'mail', 'resol', 'email']);
});
