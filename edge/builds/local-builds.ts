/** The builds of llama.cpp that were made on this device: `<folder>/<name>/llama-addon.node` with a `build.json` beside it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { LocalBuild } from '#edge/contracts/plan.ts';
import { EdgeError, systemErrorCode } from '#edge/core/errors.ts';
import type { Logger } from '#edge/core/log.ts';
import { type FileLock, tryLock } from '#edge/storage/file-lock.ts';
import { findLlamaSource } from './llama-source.ts';

/** The engine reads these names too (`edge/backends/llama/llama-local-build.ts`). */
export const ADDON_FILE = 'llama-addon.node';
export const MANIFEST_FILE = 'build.json';

const manifest = z.object({
  backend: z.literal('llama'),
  provider: z.enum(['cpu-tuned', 'cuda-tuned']),
  /** Release of llama.cpp. */
  release: z.string(),
  /** Version of node-llama-cpp whose addon it is. */
  binding: z.string(),
  fingerprint: z.string(),
  builtAt: z.iso.datetime(),
  /** The C++ compiler, in its own words. */
  compiler: z.string(),
  /** CMake options. */
  options: z.record(z.string(), z.string()),
  /** Of the addon. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
/** What `build.json` holds. */
export type BuildManifest = z.output<typeof manifest>;

/** What was said of builds that were left out: every plan lists the builds. */
const told = new Set<string>();

/** A build with how it was made. */
export interface BuildRecord extends LocalBuild, BuildManifest {
  readonly backend: 'llama';
  readonly provider: LocalBuild['provider'];
  readonly release: string;
  readonly fingerprint: string;
}

/** Folder of all builds under the device's home folder, which outlives a new installation of the packages. */
export function buildsFolder(home: string): string {
  return join(home, 'builds');
}

/**
 * The builds that the installed node-llama-cpp can load. One of another version, or a damaged one, is left out with a
 * warning, once: its addon would not fit the library's JavaScript.
 * @param folder see {@link buildsFolder}
 * @throws EdgeError `E_HOME_UNUSABLE` when the folder cannot be read.
 */
export function listLocalBuilds(folder: string, log: Logger): readonly BuildRecord[] {
  const names = buildNames(folder);
  if (names.length === 0) return [];
  const { binding } = findLlamaSource();
  return names.flatMap((name) => {
    const build = join(folder, name);
    const read = readManifest(build);
    if (typeof read !== 'string' && read.binding === binding) return [{ ...read, folder: build }];
    const reason = typeof read === 'string' ? read : `made for node-llama-cpp ${read.binding}, installed is ${binding}`;
    if (!told.has(`${build}: ${reason}`)) log.warn('local build left out', { build, reason, mend: 'nearside tune' });
    told.add(`${build}: ${reason}`);
    return [];
  });
}

/**
 * Removes every build. Engines that run on one keep running on it until they are loaded again.
 * @returns names of the removed ones
 * @throws EdgeError `E_LOCKED` while one is being made.
 */
export async function removeLocalBuilds(folder: string): Promise<readonly string[]> {
  const names = buildNames(folder);
  if (names.length === 0) return [];
  using _lock = lockBuilds(folder);
  for (const name of names) await rm(join(folder, name), { recursive: true, force: true });
  return names;
}

/**
 * Held while builds are made or removed.
 * @throws EdgeError `E_LOCKED`.
 */
export function lockBuilds(folder: string): FileLock {
  const lock = tryLock(join(folder, 'builds.lock'));
  if (lock) return lock;
  throw new EdgeError('E_LOCKED', { what: `another process builds in ${folder}`, expected: 'one at a time' });
}

/** Folders with a manifest; work that is under way has none. */
function buildNames(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
      .filter((name) => existsSync(join(folder, name, MANIFEST_FILE)))
      .sort();
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT') return [];
    throw new EdgeError('E_HOME_UNUSABLE', { what: `cannot read ${folder}`, found: code ?? String(error), cause: error });
  }
}

/** The manifest, or what is wrong with the build. */
function readManifest(build: string): BuildManifest | string {
  if (!existsSync(join(build, ADDON_FILE))) return `${ADDON_FILE} is missing`;
  try {
    const parsed = manifest.safeParse(JSON.parse(readFileSync(join(build, MANIFEST_FILE), 'utf8')));
    return parsed.success ? parsed.data : `${MANIFEST_FILE}: ${parsed.error.issues[0]?.path.join('.')} ${parsed.error.issues[0]?.message}`;
  } catch (error) {
    return `${MANIFEST_FILE}: ${error instanceof Error ? error.message : String(error)}`;
  }
}
