import { describe, expect, it } from 'vitest';
import { readMarkdown, safeLink } from '#apps/web/src/view/markdown-tokens.ts';

/** Types of the inline tokens of a paragraph, with the numbers of citations. */
function marks(text: string): string[] {
  const [block] = readMarkdown(text) as readonly { tokens?: { type: string; numbers?: number[] }[] }[];
  return (block?.tokens ?? []).map(({ type, numbers }) => (numbers ? `${type} ${numbers.join(' ')}` : type));
}

describe('citation marks', () => {
  it.each([
    ['Thirty days [1].', ['text', 'citation 1', 'text']],
    ['Thirty days [1][2] or [3, 12]', ['text', 'citation 1', 'citation 2', 'text', 'citation 3 12']],
    ['An array `a[1]` stays code', ['text', 'codespan', 'text']],
    ['A link [1](https://example.org/) stays a link', ['text', 'link', 'text']],
    ['[a] and [1a] and [2026-11] are text', ['text']],
    ['[', ['text']],
  ])('in %j', (text, expected) => {
    expect(marks(text)).toEqual(expected);
  });
});

describe('a link', () => {
  it.each(['https://example.org/', 'http://192.168.1.5/x', 'mailto:help@example.org'])('%s is followed', (href) => {
    expect(safeLink(href)).toBe(href);
  });

  it.each(['javascript:alert(1)', ' JaVaScript:alert(1)', 'data:text/html,x', 'file:///etc/passwd', 'relative/path', ''])(
    '%j is not',
    (href) => {
      expect(safeLink(href)).toBeUndefined();
    },
  );
});
