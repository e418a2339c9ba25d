/** The way a build of this device is loaded; a copy of the packaged binaries stands in for one. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { EngineHost } from '#edge/backends/engine-host.ts';
import { gpuOf, prefillChunk } from '#edge/backends/llama/llama-accelerators.ts';
import { readLocalBuild } from '#edge/backends/llama/llama-local-build.ts';
import { findLlamaSource } from '#edge/builds/llama-source.ts';
import type { LoadSpec } from '#edge/contracts/backend.ts';
import { silentLogger } from '#edge/core/log.ts';
import { expectCode } from '#test/support/expect-code.ts';
import { smollmSpec } from '#test/support/llama-spec.ts';
import { copyPackagedLlama, PACKAGED_IS_METAL, PACKAGED_LLAMA, writeBuildManifest } from '#test/support/local-build.ts';

const { binding, release } = findLlamaSource();

async function load(more: Partial<LoadSpec>): Promise<EngineHost> {
  const host = new EngineHost({
    spec: smollmSpec(more),
    environment: process.env,
    log: silentLogger,
    idleStopMs: 0,
    deadlineMs: 60_000,
  });
  try {
    await host.load();
    return host;
  } catch (error) {
    await host[Symbol.asyncDispose]();
    throw error;
  }
}

describe('a build of this device', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'nearside-build-'));
    copyPackagedLlama(folder);
  });

  it.skipIf(PACKAGED_IS_METAL)('is loaded from its own folder and answers', async () => {
    await using host = await load({ provider: 'cpu-tuned', localBuild: folder });
    expect(host.status.info).toMatchObject({ backend: 'llama', provider: 'cpu-tuned', version: release });
    if (process.platform === 'linux') {
      const maps = readFileSync(`/proc/${host.status.pid}/maps`, 'utf8');
      expect(maps).toContain(join(folder, 'llama-addon.node'));
      expect(maps).not.toContain(PACKAGED_LLAMA);
    }
    const types: string[] = [];
    for await (const part of host.generate({ model: 'generate', prompt: 'The sea is', maxTokens: 4 })) types.push(part.type);
    expect(types).toContain('text-delta');
    expect(types.at(-1)).toBe('response-end');
  });

  it.each([
    ['made for another version of the library', () => writeBuildManifest(folder, { binding: '1.0.0' }), '1.0.0'],
    ['whose addon was changed', () => appendFileSync(join(folder, 'llama-addon.node'), 'x'), 'SHA-256'],
    ['without its addon', () => rmSync(join(folder, 'llama-addon.node')), 'ENOENT'],
    ['without a manifest', () => rmSync(join(folder, 'build.json')), 'ENOENT'],
    ['with a manifest that is none', () => writeFileSync(join(folder, 'build.json'), '[]'), 'expected object'],
  ])('%s is refused with a way to mend it', async (_what, damage, said) => {
    damage();
    const error = await expectCode(readLocalBuild(folder, binding), 'E_MODEL_LOAD');
    expect(error.message).toContain(said);
    expect(error.hint).toContain('nearside tune --undo');
  });

  it('that is missing or no library fails to load as a coded error, never as another build', async () => {
    await expectCode(load({ provider: 'cpu-tuned', localBuild: join(folder, 'gone') }), 'E_MODEL_LOAD');
    writeFileSync(join(folder, 'llama-addon.node'), 'not a library');
    writeBuildManifest(folder);
    await expectCode(load({ provider: 'cpu-tuned', localBuild: folder }), 'E_MODEL_LOAD');
    await expectCode(load({ provider: 'cpu-tuned' }), 'E_MODEL_LOAD');
    await expectCode(load({ provider: 'cpu', localBuild: folder }), 'E_MODEL_LOAD');
  });
});

describe('the provider of a local build', () => {
  it('computes on the CPU or on CUDA, on every platform', () => {
    expect(gpuOf('cpu-tuned', 'linux', 'arm64')).toBe(false);
    expect(gpuOf('cpu-tuned', 'darwin', 'arm64')).toBe(false);
    expect(gpuOf('cuda-tuned', 'linux', 'arm64')).toBe('cuda');
    expect(prefillChunk('cpu-tuned')).toBe(prefillChunk('cpu'));
    expect(prefillChunk('cuda-tuned')).toBe(prefillChunk('cuda'));
  });
});
