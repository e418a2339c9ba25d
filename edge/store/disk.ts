/** Durable file operations and the space they need. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, rmdir, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { throwIfAborted } from '#edge/core/abort.ts';
import { EdgeError, systemErrorCode } from '#edge/core/errors.ts';
import { formatBytes } from '#edge/core/format.ts';

/** Left free for databases and logs, in bytes. */
const SPACE_MARGIN = 64 * 1024 * 1024;

/** Free bytes of the file system that holds `folder`. */
export type FreeBytes = (folder: string) => Promise<number>;

/** What an unprivileged process may still write, by `statfs(2)`. */
export const freeBytes: FreeBytes = async (folder) => {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
};

/** @throws EdgeError `E_DISK_FULL` with both numbers when `needBytes` and a margin of 64 MiB do not fit. */
export async function requireSpace(folder: string, needBytes: number, what: string, free: FreeBytes): Promise<void> {
  const available = await free(folder);
  if (available >= needBytes + SPACE_MARGIN) return;
  throw new EdgeError('E_DISK_FULL', {
    what,
    expected: `${formatBytes(needBytes + SPACE_MARGIN)} free in ${folder}`,
    found: formatBytes(available),
    details: { needBytes: needBytes + SPACE_MARGIN, freeBytes: available },
  });
}

/** SHA-256 of a file in hex; `onBytes` is told the bytes of each chunk read. */
export async function hashFile(path: string, onBytes?: (bytes: number) => void, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
    throwIfAborted(signal, 'hashing');
    hash.update(chunk as Buffer);
    onBytes?.((chunk as Buffer).length);
  }
  return hash.digest('hex');
}

/** Moves a synced file to its final name; both names must be on one file system. The name survives a power cut. */
export async function publishFile(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await rename(from, to);
  await syncFolder(dirname(to));
}

/** Replaces a small file as a whole: a reader sees the old or the new text, never a part. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const draft = `${path}.${process.pid}.tmp`;
  await mkdir(dirname(path), { recursive: true });
  const handle = await open(draft, 'w');
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await publishFile(draft, path);
}

/** Removes a file or a folder with all it holds; a missing one is fine. */
export async function removeAll(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 3 });
}

/** Removes a folder that holds nothing; any other is left as it is. */
export async function removeIfEmpty(folder: string): Promise<void> {
  await rmdir(folder).catch((error: unknown) => {
    if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(systemErrorCode(error) ?? '')) throw error;
  });
}

/** Turns a file system failure under the store into a coded error; coded errors pass. */
export function storageError(error: unknown, directory: string): EdgeError {
  if (EdgeError.is(error)) return error;
  const code = systemErrorCode(error);
  const what = `cannot write the model store ${directory}`;
  if (code === 'ENOSPC' || code === 'EDQUOT') return new EdgeError('E_DISK_FULL', { what, found: code, cause: error });
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS' || code === 'ENOTDIR' || code === 'EEXIST') {
    return new EdgeError('E_HOME_UNUSABLE', {
      what,
      expected: 'a folder this user may write',
      found: code,
      hint: 'Change its owner, or choose another folder with store.directory or --home.',
      cause: error,
    });
  }
  return EdgeError.from(error, what);
}

async function syncFolder(folder: string): Promise<void> {
  // Windows cannot open a folder for syncing and orders its metadata itself.
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
