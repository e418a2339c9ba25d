/**
 * `nearside tune` before the compiler and after it, with a copy of the packaged library for what it built. The compiler takes minutes that
 * no test has: `test/builds/build-llama.test.ts` runs all around it.
 */
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { probeDevice } from '#edge/hardware/device-profile.ts';
import { makeHome } from '#test/support/home.ts';
import { copyPackagedLlama, PACKAGED_IS_METAL, writeBuildManifest } from '#test/support/local-build.ts';
import { nearside } from '#test/support/run.ts';

describe('nearside tune', () => {
  it('names the missing tools and the command that installs them, and writes nothing', async () => {
    const home = makeHome({ models: true });
    const { code, stdout, stderr } = await nearside(['tune', '--json'], { home, env: { PATH: mkdtempSync(join(tmpdir(), 'empty-')) } });
    expect(code).toBe(1);
    const { error } = JSON.parse(stdout) as { error: { code: string; message: string; hint: string } };
    expect(error.code).toBe('E_BUILD_TOOLS_MISSING');
    expect(error.message).toContain('cmake not found');
    expect(error.hint).toContain('then "nearside tune" again');
    expect(stderr).not.toContain('at file:');
    expect(existsSync(join(home, 'builds'))).toBe(false);
  });

  it('asks for the model it would measure with before it builds for minutes', async () => {
    const { code, stdout } = await nearside(['tune', '--json'], { home: makeHome({ models: false }) });
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'E_MODEL_NOT_STORED', hint: expect.stringContaining('nearside pull') } });
  });

  /** A home whose device has been tuned already. */
  async function tunedHome(): Promise<{ readonly home: string; readonly build: string }> {
    const home = makeHome({ models: true });
    const build = join(home, 'builds', 'llama-copy');
    copyPackagedLlama(build, { fingerprint: (await probeDevice()).fingerprint });
    return { home, build };
  }

  it.skipIf(PACKAGED_IS_METAL)(
    'verifies and measures what is built by turns with the packaged library, and keeps it only if it is faster',
    async () => {
      const { home, build } = await tunedHome();
      const { code, stdout } = await nearside(['tune', '--json'], { home });
      expect(code).toBe(0);
      const told = JSON.parse(stdout);
      expect(told.build.folder).toBe(build);
      for (const [measured, provider] of [
        [told.packaged, 'cpu'],
        [told.tuned, 'cpu-tuned'],
      ]) {
        expect(measured).toMatchObject({ backend: 'llama', provider });
        expect(measured.rates.prefill).toBeGreaterThan(0);
        expect(measured.rates.decode).toBeGreaterThan(0);
      }
      expect(told.speedup).toBeGreaterThan(0);
      expect(told.kept).toBe(told.speedup >= 1.05);
      expect(existsSync(build)).toBe(told.kept);
      expect(told.because).toContain('smollm2-135m-instruct');
    },
    300_000,
  );

  it('removes a build that cannot be loaded, and says why', async () => {
    const { home, build } = await tunedHome();
    writeFileSync(join(build, 'llama-addon.node'), 'no library');
    writeBuildManifest(build, { fingerprint: (await probeDevice()).fingerprint });
    const { code, stdout } = await nearside(['tune', '--json'], { home });
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'E_MODEL_LOAD' } });
    expect(existsSync(build)).toBe(false);
  }, 120_000);

  it('--undo removes what was built, and says when there is nothing', async () => {
    const home = makeHome({ models: false });
    const build = join(home, 'builds', 'llama-v1-cpu-tuned-0123abcd');
    mkdirSync(build, { recursive: true });
    writeFileSync(join(build, 'build.json'), '{}');
    const first = await nearside(['tune', '--undo', '--json'], { home });
    expect(first.code).toBe(0);
    expect(JSON.parse(first.stdout)).toEqual({ removed: ['llama-v1-cpu-tuned-0123abcd'] });
    expect(existsSync(build)).toBe(false);
    const again = await nearside(['tune', '--undo'], { home });
    expect(again).toMatchObject({ code: 0, stdout: 'Nothing was built here.\n' });
  });
});
