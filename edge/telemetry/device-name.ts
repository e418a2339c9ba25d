import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { EdgeError, systemErrorCode } from '#edge/core/errors.ts';

const NAME = /^[\w-]{1,64}$/;

/**
 * The name of this device in the fleet: made once from the host name and 16 random bits (copies of one disk image have
 * the same host name), then kept in the file at `path`.
 * @throws EdgeError `E_HOME_UNUSABLE` when the file can be neither read nor written.
 */
export function deviceName(path: string): string {
  try {
    const kept = readFileSync(path, 'utf8').trim();
    if (NAME.test(kept)) return kept;
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw unusable(path, error);
  }
  const host =
    hostname()
      .replaceAll(/[^\w-]/g, '-')
      .slice(0, 48) || 'device';
  const name = `${host}-${randomBytes(2).toString('hex')}`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${name}\n`);
  } catch (error) {
    throw unusable(path, error);
  }
  return name;
}

function unusable(path: string, error: unknown): EdgeError {
  return new EdgeError('E_HOME_UNUSABLE', {
    what: `cannot keep the device's name in ${path}`,
    found: String(systemErrorCode(error)),
    cause: error,
  });
}
