import { download } from './http.ts';
import type { FetchFrom, SourceOf } from './source.ts';

/** A file at a fixed address. */
export const fetchFromUrl: FetchFrom<SourceOf<'https'>> = (source, target, context) =>
  download({ url: new URL(source.url) }, target, context);
