import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findLlamaSource } from '#edge/builds/llama-source.ts';
import { type BuildManifest, buildsFolder, listLocalBuilds, lockBuilds, removeLocalBuilds } from '#edge/builds/local-builds.ts';
import { createLogger } from '#edge/core/log.ts';
import { expectCode } from '#test/support/expect-code.ts';
import { makeHome } from '#test/support/home.ts';

const manifest: BuildManifest = {
  backend: 'llama',
  provider: 'cpu-tuned',
  release: 'v1.2.3',
  binding: findLlamaSource().binding,
  fingerprint: 'f'.repeat(64),
  builtAt: '2026-01-02T03:04:05.000Z',
  compiler: 'c++ 12',
  options: { GGML_NATIVE: 'ON' },
  sha256: '0'.repeat(64),
};

function folderWith(builds: Readonly<Record<string, { manifest: unknown; addon?: boolean }>>): string {
  const folder = buildsFolder(makeHome({ models: false }));
  for (const [name, build] of Object.entries(builds)) {
    mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, name, 'build.json'), typeof build.manifest === 'string' ? build.manifest : JSON.stringify(build.manifest));
    if (build.addon !== false) writeFileSync(join(folder, name, 'llama-addon.node'), 'addon');
  }
  return folder;
}

function recordingLog(): { readonly log: ReturnType<typeof createLogger>; readonly lines: string[] } {
  const lines: string[] = [];
  return { log: createLogger({ level: 'warn', format: 'json', write: (line) => void lines.push(line) }), lines };
}

describe('local builds', () => {
  it('are none where nothing was built', () => {
    const { log, lines } = recordingLog();
    expect(listLocalBuilds(join(makeHome({ models: false }), 'absent'), log)).toEqual([]);
    expect(lines).toEqual([]);
  });

  it('are listed with how they were made and where they lie', () => {
    const folder = folderWith({ one: { manifest } });
    const { log } = recordingLog();
    expect(listLocalBuilds(folder, log)).toEqual([{ ...manifest, folder: join(folder, 'one') }]);
  });

  it.each([
    ['of another version of the library', { manifest: { ...manifest, binding: '1.0.0' } }, 'made for node-llama-cpp 1.0.0'],
    ['without its addon', { manifest, addon: false }, 'llama-addon.node is missing'],
    ['with half a manifest', { manifest: '{"backend":"lla' }, 'build.json'],
    ['of an unknown provider', { manifest: { ...manifest, provider: 'npu-tuned' } }, 'provider'],
    ['with a hash that is none', { manifest: { ...manifest, sha256: 'abc' } }, 'sha256'],
  ])('%s are left out, and the log says why once', (_what, build, reason) => {
    const { log, lines } = recordingLog();
    const folder = folderWith({ bad: build, good: { manifest } });
    for (let plan = 0; plan < 2; plan++) {
      expect(listLocalBuilds(folder, log).map((found) => found.folder)).toEqual([join(folder, 'good')]);
    }
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(reason);
    expect(lines[0]).toContain('nearside tune');
  });

  it('are not taken for builds while they are made', () => {
    const folder = folderWith({ good: { manifest } });
    mkdirSync(join(folder, 'work', 'source'), { recursive: true });
    const { log, lines } = recordingLog();
    expect(listLocalBuilds(folder, log)).toHaveLength(1);
    expect(lines).toEqual([]);
  });

  it('are removed by one call, a damaged one too, and again without complaint', async () => {
    const folder = folderWith({ bad: { manifest: 'x' }, good: { manifest } });
    expect(await removeLocalBuilds(folder)).toEqual(['bad', 'good']);
    const { log, lines } = recordingLog();
    expect(listLocalBuilds(folder, log)).toEqual([]);
    expect(lines).toEqual([]);
    expect(await removeLocalBuilds(folder)).toEqual([]);
  });

  it('are not removed while another is made', async () => {
    const folder = folderWith({ good: { manifest } });
    using _lock = lockBuilds(folder);
    await expectCode(removeLocalBuilds(folder), 'E_LOCKED');
    expect(listLocalBuilds(folder, recordingLog().log)).toHaveLength(1);
  });
});
