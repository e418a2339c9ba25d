import { Marked, type Token, type Tokens } from 'marked';

/** A run of citation marks such as `[1]` or `[1, 2]`. */
export interface CitationToken extends Tokens.Generic {
  readonly type: 'citation';
  readonly numbers: readonly number[];
}

const reader = new Marked({
  gfm: true,
  extensions: [
    {
      name: 'citation',
      level: 'inline',
      start: (source) => source.search(/\[\d/),
      tokenizer(source) {
        const match = /^\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\](?!\()/.exec(source);
        if (!match) return undefined;
        return { type: 'citation', raw: match[0], numbers: (match[1] ?? '').split(',').map(Number) };
      },
    },
  ],
});

/** Markdown as tokens, citation marks included. Nothing is ever made into HTML text. */
export function readMarkdown(text: string): readonly Token[] {
  return reader.lexer(text);
}

/** The address when it is one that a click may follow; scripts and local files may not. */
export function safeLink(href: string): string | undefined {
  try {
    const url = new URL(href);
    return ['http:', 'https:', 'mailto:'].includes(url.protocol) ? url.href : undefined;
  } catch {
    // A relative address in an answer leads nowhere: the text is shown without a link.
    return undefined;
  }
}
