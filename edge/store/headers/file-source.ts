import { type FileHandle, open, stat } from 'node:fs/promises';
import { EdgeError, systemErrorCode } from '#edge/core/errors.ts';
import type { ByteSource } from './byte-source.ts';
import type { ModelHeader } from './model-header.ts';
import { readHeader } from './read-header.ts';

/**
 * Reads the header of a file on this machine.
 * @param name What messages call it.
 * @throws EdgeError `E_SOURCE_NOT_FOUND` when there is none, `E_SOURCE_FORBIDDEN` when it may not be read, `E_MODEL_FORMAT` for a folder,
 * and as {@link readHeader}.
 */
export async function readFileHeader(path: string, name: string = path): Promise<ModelHeader> {
  // Asked before it is opened: opening a pipe would wait for its writer.
  const found = await stat(path).catch((error: unknown) => unreadable(name, error));
  if (!found.isFile()) {
    throw new EdgeError('E_MODEL_FORMAT', {
      what: `cannot use ${name}`,
      expected: 'a model file',
      found: found.isDirectory() ? 'a folder' : 'no plain file',
    });
  }
  const handle = await open(path).catch((error: unknown) => unreadable(name, error));
  try {
    return await readHeader(sourceOf(name, found.size, handle));
  } finally {
    await handle.close();
  }
}

function sourceOf(name: string, size: number, handle: FileHandle): ByteSource {
  return {
    name,
    size,
    read: async (offset, length) => {
      const { buffer, bytesRead } = await handle
        .read(Buffer.allocUnsafe(length), 0, length, offset)
        .catch((error: unknown) => unreadable(name, error));
      if (bytesRead === length) return buffer;
      throw new EdgeError('E_MODEL_CORRUPT', {
        what: `${name} became shorter while it was read`,
        expected: `${size} bytes`,
        found: `${offset + bytesRead}`,
      });
    },
  };
}

function unreadable(name: string, error: unknown): never {
  const code = systemErrorCode(error);
  const isMissing = code === 'ENOENT' || code === 'ENOTDIR';
  throw new EdgeError(isMissing ? 'E_SOURCE_NOT_FOUND' : 'E_SOURCE_FORBIDDEN', {
    what: `cannot read ${name}`,
    found: isMissing ? 'no such file' : (code ?? String(error)),
    hint: isMissing ? 'Check the path.' : 'Check that this user may read the file and that its disk is sound.',
    cause: error,
  });
}
