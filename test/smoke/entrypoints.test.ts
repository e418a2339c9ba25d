import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT, run, systemNode } from '#test/support/run.ts';

const home = mkdtempSync(join(tmpdir(), 'nearside-smoke-'));
const scripts = (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> }).scripts;

describe('npm scripts', () => {
  it('all go through the bootstrap, which any Node can run', () => {
    expect(Object.keys(scripts).sort()).toEqual(['check', 'nearside', 'start', 'test']);
    for (const [name, script] of Object.entries(scripts)) expect(script).toBe(`node scripts/bootstrap/main.mjs ${name}`);
  });

  it.each([
    ['npm run nearside', ['scripts/bootstrap/main.mjs', 'nearside', 'doctor', '--json']],
    ['npx nearside', ['scripts/nearside.mjs', 'doctor', '--json']],
  ])('%s ends on the pinned Node 24, whatever Node the system has', async (_name, args) => {
    const system = systemNode() ?? process.execPath;
    const { stdout } = await run(system, args, { env: { NEARSIDE_HOME: home, NEARSIDE_SERVE_PORT: '0' } });
    expect((JSON.parse(stdout) as { node: string }).node).toMatch(/^24\./);
  });

  it('npm start and npm test run their programs on the pinned Node', async () => {
    const system = systemNode() ?? process.execPath;
    const start = await run(system, ['scripts/bootstrap/main.mjs', 'start', '--help'], { env: { NEARSIDE_HOME: home } });
    expect(start).toMatchObject({ code: 0, stdout: expect.stringContaining('nearside start') });
    const test = await run(system, ['scripts/bootstrap/main.mjs', 'test', 'test/smoke/pinned-node.test.ts']);
    expect(test.stdout + test.stderr).toMatch(/1 passed/);
  }, 120_000);

  it('refuses a command it does not know', async () => {
    const result = await run(process.execPath, ['scripts/bootstrap/main.mjs', 'fly']);
    expect(result).toMatchObject({ code: 2, stderr: expect.stringContaining('expected start, test, check or nearside') });
  });
});

describe('entry modules', () => {
  // vitest would forgive syntax that Node cannot erase, so each entry is spawned.
  it.each([
    ['apps/cli/main.ts', ['--version'], 0, /^\d+\.\d+\.\d+/],
    ['apps/fleet/main.ts', ['--help'], 0, /--mqtt/],
    ['apps/bots/main.ts', [], 1, /E_USAGE|runs as a child of Nearside/],
    ['edge/backends/engine-main.ts', ['fake', 'any'], 1, /E_USAGE|runs as a child of Nearside/],
  ])('%s loads on plain Node', async (entry, args, code, output) => {
    const result = await run(process.execPath, [entry, ...args], { env: { NEARSIDE_HOME: home } });
    expect(result.stderr + result.stdout).toMatch(output);
    expect(result.code).toBe(code);
  });
});
