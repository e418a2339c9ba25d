/** `nearside tune` up to the compiler; what follows takes one, and minutes: `nearside tune` itself, see `edge/builds/README.md`. */
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeHome } from '#test/support/home.ts';
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
