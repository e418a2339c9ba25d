import { readdir, stat } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import { EdgeError, systemErrorCode } from '#edge/core/errors.ts';
import { isUrl } from './fetch-url.ts';
import { formatOfName } from './format.ts';
import type { DocumentSource } from './load-documents.ts';

/** What a path stands for: files to load, or why it stands for none. */
export type FoundSource = DocumentSource | { readonly source: string; readonly error: EdgeError };

/**
 * The files behind paths, in sorted order. A file or URL named outright is always taken; of a folder, the files at any
 * depth whose extension is known, hidden ones and `node_modules` left out.
 * @param relativeTo Folder against which sources below it are named, with `/` between their parts.
 */
export async function findSources(paths: readonly string[], relativeTo?: string): Promise<FoundSource[]> {
  const found: FoundSource[] = [];
  for (const path of paths) {
    if (isUrl(path)) found.push({ location: path, source: path });
    else found.push(...(await findFiles(resolve(path), relativeTo)));
  }
  return found;
}

async function findFiles(path: string, relativeTo: string | undefined): Promise<FoundSource[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [{ location: path, source: nameOf(path, relativeTo) }];
    const files = await walk(path);
    if (files.length > 0) return files.map((file) => ({ location: file, source: nameOf(file, relativeTo) }));
    return [{ source: path, error: new EdgeError('E_DOCUMENT_EMPTY', { what: `${path} holds no document of a known format` }) }];
  } catch (error) {
    const found = systemErrorCode(error) ?? String(error);
    const init = { what: `cannot read ${path}`, expected: 'a file or folder', found, hint: 'Check the path.', cause: error };
    return [{ source: path, error: new EdgeError('E_DOCUMENT_UNREADABLE', init) }];
  }
}

async function walk(folder: string): Promise<string[]> {
  const files: string[] = [];
  const entries = await readdir(folder, { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith('.') || entry.name === 'node_modules') continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) files.push(...(await walk(path)));
    else if (entry.isFile() && formatOfName(entry.name)) files.push(path);
  }
  return files;
}

function nameOf(path: string, relativeTo: string | undefined): string {
  if (relativeTo === undefined) return path;
  const name = relative(resolve(relativeTo), path);
  return name.startsWith('..') ? path : name.split(sep).join('/');
}
