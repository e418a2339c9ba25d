/** A copy of the packaged llama.cpp that stands in for one that was built on this device, which takes a compiler and minutes. */
import { createHash } from 'node:crypto';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { findLlamaSource } from '#edge/builds/llama-source.ts';
import type { BuildManifest } from '#edge/builds/local-builds.ts';

/** Name of the package with this machine's binaries, which node-llama-cpp depends on. */
const platform =
  process.platform === 'darwin' ? `mac-${process.arch}${process.arch === 'arm64' ? '-metal' : ''}` : `${process.platform}-${process.arch}`;

/** Folder of the packaged binaries. */
export const PACKAGED_LLAMA = join(dirname(createRequire(import.meta.url).resolve(`@node-llama-cpp/${platform}`)), '..', 'bins', platform);

/** On Apple Silicon the packaged library is a Metal build, which cannot stand in for one of the CPU. */
export const PACKAGED_IS_METAL = platform.endsWith('-metal');

/** Copies the packaged binaries into `folder` with a manifest that fits them. */
export function copyPackagedLlama(folder: string, changes: Partial<BuildManifest> = {}): void {
  cpSync(PACKAGED_LLAMA, folder, { recursive: true });
  writeBuildManifest(folder, changes);
}

/** Writes the manifest of the addon that lies in `folder`. */
export function writeBuildManifest(folder: string, changes: Partial<BuildManifest> = {}): void {
  const { binding, release } = findLlamaSource();
  const sha256 = createHash('sha256')
    .update(readFileSync(join(folder, 'llama-addon.node')))
    .digest('hex');
  const manifest: BuildManifest = {
    backend: 'llama',
    provider: 'cpu-tuned',
    release,
    binding,
    fingerprint: 'f'.repeat(64),
    builtAt: '2026-01-02T03:04:05.000Z',
    compiler: 'none',
    options: { GGML_NATIVE: 'ON' },
    sha256,
    ...changes,
  };
  writeFileSync(join(folder, 'build.json'), JSON.stringify(manifest));
}
