import type { Span } from './text/sentences.ts';

/** A heading and where its line stands in the text. */
export interface Heading extends Span {
  /** 1 is the highest. */
  readonly level: number;
  readonly title: string;
}

/** A document as plain text: what is indexed, quoted and shown around a citation. */
export interface LoadedDocument {
  /** Path, URL, or `path#row` of a row in a JSONL file. */
  readonly source: string;
  /** Path of the file that holds it, when that file holds many. */
  readonly container?: string;
  readonly title: string;
  /** Paragraphs are separated by an empty line. */
  readonly text: string;
  readonly headings: readonly Heading[];
  /** Blocks of code, in order. */
  readonly code?: readonly Span[];
  /** First character of each page, for paged formats. */
  readonly pageStarts?: readonly number[];
}

/** The 1-based page that holds a character, for paged formats. */
export function pageAt(pageStarts: readonly number[] | undefined, at: number): number | undefined {
  if (!pageStarts || pageStarts.length === 0) return undefined;
  const next = pageStarts.findIndex((start) => start > at);
  return next === -1 ? pageStarts.length : Math.max(1, next);
}
