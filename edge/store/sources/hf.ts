import { download } from './http.ts';
import type { FetchFrom, SourceOf } from './source.ts';

/** A file of a model hub repository: `GET {hub}/{repo}/resolve/{revision}/{path}`, with the token where one is set. */
export const fetchFromHub: FetchFrom<SourceOf<'hf'>> = (source, target, context) => {
  const { hubUrl, hubToken } = context.settings;
  const path = [source.repo, 'resolve', source.revision ?? 'main', source.path].join('/').split('/').map(encodeURIComponent).join('/');
  return download({ url: new URL(`${hubUrl.replace(/\/+$/, '')}/${path}`), token: hubToken }, target, context);
};
