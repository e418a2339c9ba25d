/** A llama.cpp that was built on this device: where its addon lies and what it was built for. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { EdgeError } from '#edge/core/errors.ts';

/** The fields of a build's manifest that matter to the engine; `edge/builds/local-builds.ts` writes it. */
const manifest = z.object({
  release: z.string(),
  binding: z.string(),
  options: z.record(z.string(), z.string()),
  sha256: z.string(),
});

export interface LlamaLocalBuild {
  /** Absolute path of the addon. */
  readonly addon: string;
  /** Release of llama.cpp. */
  readonly release: string;
  /** CMake options it was built with. */
  readonly options: Readonly<Record<string, string>>;
}

/**
 * Reads a build and checks that it is whole and fits this version of node-llama-cpp: an addon that does not fit the
 * library's JavaScript fails in ways that nobody can name.
 * @param binding installed version of node-llama-cpp
 * @throws EdgeError `E_MODEL_LOAD`.
 */
export async function readLocalBuild(folder: string, binding: string): Promise<LlamaLocalBuild> {
  const addon = join(folder, 'llama-addon.node');
  const refuse = (expected: string, found: string, cause?: unknown): EdgeError =>
    new EdgeError('E_MODEL_LOAD', {
      what: `cannot use the llama.cpp built in ${folder}`,
      expected,
      found,
      hint: 'Build it again with "nearside tune", or remove it with "nearside tune --undo".',
      cause,
    });
  try {
    const build = manifest.parse(JSON.parse(await readFile(join(folder, 'build.json'), 'utf8')));
    if (build.binding !== binding) throw refuse(`a build for node-llama-cpp ${binding}`, build.binding);
    const sha256 = createHash('sha256')
      .update(await readFile(addon))
      .digest('hex');
    if (sha256 !== build.sha256) throw refuse(`an addon with SHA-256 ${build.sha256}`, sha256);
    return { addon, release: build.release, options: build.options };
  } catch (error) {
    if (EdgeError.is(error)) throw error;
    throw refuse('a whole build', error instanceof Error ? error.message : String(error), error);
  }
}
