import { createReadStream } from 'node:fs';
import { throwIfAborted } from '#edge/core/abort.ts';
import { EdgeError, systemErrorCode } from '#edge/core/errors.ts';
import type { FetchFrom, SourceOf } from './source.ts';

/** A file of this machine, such as one on a USB stick; it is copied. */
export const fetchFromFile: FetchFrom<SourceOf<'file'>> = async (source, target, context) => {
  await target.reset();
  const stream = createReadStream(source.path, { highWaterMark: 1024 * 1024 });
  try {
    for await (const chunk of stream) {
      throwIfAborted(context.signal, 'copying');
      await target.append(chunk as Buffer);
      context.onBytes(target.size);
    }
  } catch (error) {
    const code = systemErrorCode(error);
    if (EdgeError.is(error) || code === 'ENOSPC') throw error;
    throw new EdgeError(code === 'ENOENT' ? 'E_SOURCE_NOT_FOUND' : 'E_SOURCE_UNAVAILABLE', {
      what: `cannot read ${source.path}`,
      found: code ?? String(error),
      cause: error,
    });
  }
};
