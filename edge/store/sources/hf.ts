import { download } from './http.ts';
import type { HttpRequest } from './http-exchange.ts';
import type { FetchFrom, SourceOf, SourceSettings } from './source.ts';

/** A file of a model hub repository: `GET {hub}/{repo}/resolve/{revision}/{path}`, with the token where one is set. */
export const fetchFromHub: FetchFrom<SourceOf<'hf'>> = (source, target, context) =>
  download(hubRequest(source, context.settings), target, context);

/** What asks the hub for a file. */
export function hubRequest(source: SourceOf<'hf'>, { hubUrl, hubToken }: SourceSettings): HttpRequest {
  const path = [source.repo, 'resolve', source.revision ?? 'main', source.path].join('/').split('/').map(encodeURIComponent).join('/');
  return { url: new URL(`${hubUrl.replace(/\/+$/, '')}/${path}`), token: hubToken };
}
