/** The sources of llama.cpp that node-llama-cpp carries: a git bundle, its own addon, and patches. Nothing is fetched. */
import { readFileSync } from 'node:fs';
import { cp, mkdir, readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { EdgeError } from '#edge/core/errors.ts';
import type { RunStep } from './run-step.ts';

/** What of the package's `llama` folder the addon is built from, besides llama.cpp itself. */
const ADDON_PARTS = ['CMakeLists.txt', 'package.json', 'addon', 'cmake', 'profiles', 'toolchains'];

/** More than half of the tree, and in no build: vocabularies for tests, pages. */
const UNUSED = ['models', 'docs'];

export interface LlamaSource {
  /** Version of node-llama-cpp: an addon fits the JavaScript of this one only. */
  readonly binding: string;
  /** Release of llama.cpp in the bundle. */
  readonly release: string;
  /** Folder of the package that holds the sources. */
  readonly folder: string;
  /** Entry of cmake-js, which node-llama-cpp builds with. */
  readonly cmakeJs: string;
  /** Folder in which the build finds `node-addon-api`. */
  readonly modules: string;
}

/**
 * Finds the sources in the installed packages.
 * @throws EdgeError `E_BUILD_FAILED` when the installation lacks them.
 */
export function findLlamaSource(): LlamaSource {
  try {
    const require = createRequire(import.meta.url);
    // The package does not export its package.json; its entry is dist/index.js.
    const root = join(dirname(require.resolve('node-llama-cpp')), '..');
    const requireOfPackage = createRequire(join(root, 'package.json'));
    const folder = join(root, 'llama');
    return {
      binding: readField(join(root, 'package.json'), 'version'),
      release: readField(join(folder, 'binariesGithubRelease.json'), 'release'),
      folder,
      cmakeJs: join(dirname(requireOfPackage.resolve('cmake-js/package.json')), 'bin', 'cmake-js'),
      modules: join(dirname(requireOfPackage.resolve('node-addon-api/package.json')), '..'),
    };
  } catch (error) {
    throw new EdgeError('E_BUILD_FAILED', {
      what: 'cannot find the sources of llama.cpp',
      expected: 'node-llama-cpp with llama/gitRelease.bundle, and cmake-js',
      found: error instanceof Error ? error.message : String(error),
      hint: 'Run "npm ci" again.',
      cause: error,
    });
  }
}

/**
 * Lays a tree that can be built into `target`, with the patches that the package applies to llama.cpp.
 * @throws EdgeError as {@link RunStep}.
 */
export async function unpackLlamaSource(source: LlamaSource, target: string, run: RunStep): Promise<void> {
  await mkdir(target, { recursive: true });
  for (const part of ADDON_PARTS) await cp(join(source.folder, part), join(target, part), { recursive: true });
  const repository = join(target, 'llama.cpp');
  await run('git', ['clone', '--quiet', '--no-checkout', join(source.folder, 'gitRelease.bundle'), repository], 'unpacking llama.cpp');
  await run('git', ['-C', repository, 'checkout', 'HEAD', '--', '.', ...UNUSED.map((path) => `:(exclude)${path}`)], 'unpacking llama.cpp');
  for (const patch of await readdir(join(source.folder, 'patches'))) {
    const file = join(source.folder, 'patches', patch);
    await run('git', ['-C', repository, 'apply', '--ignore-whitespace', file], `applying ${patch}`);
  }
}

function readField(path: string, field: string): string {
  const fields = z.record(z.string(), z.unknown()).parse(JSON.parse(readFileSync(path, 'utf8')));
  return z.string({ error: `${path} has no ${field}` }).parse(fields[field]);
}
