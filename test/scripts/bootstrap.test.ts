import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT, run } from '#test/support/run.ts';

/** A root folder with the given files. */
function rootWith(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'nearside-root-'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

async function findNvidia(root: string): Promise<unknown> {
  const { stdout } = await run(process.execPath, [
    '--input-type=module',
    '-e',
    `import { findNvidia } from '${ROOT}scripts/bootstrap/gpu.mjs'; console.log(JSON.stringify(findNvidia('${root}') ?? null))`,
  ]);
  return JSON.parse(stdout);
}

describe('GPU variant', () => {
  it('is not fetched without an NVIDIA driver', async () => {
    expect(await findNvidia(rootWith({}))).toBeNull();
  });

  it('follows the driver: CUDA 13 from branch 580 on, the CUDA 12 fallback before', async () => {
    const version = (branch: string): string =>
      `NVRM version: NVIDIA UNIX x86_64 Kernel Module  ${branch}  Tue May  6 02:41:53 UTC 2025\nGCC version:  gcc 12.2.0\n`;
    expect(await findNvidia(rootWith({ 'proc/driver/nvidia/version': version('580.65.06') }))).toMatchObject({
      driver: 580,
      packages: ['linux-x64-cuda'],
    });
    expect(await findNvidia(rootWith({ 'proc/driver/nvidia/version': version('550.163.01') }))).toMatchObject({
      driver: 550,
      packages: ['linux-x64-cuda', 'linux-x64-cuda-ext'],
    });
  });

  it('reads the open kernel module, too', async () => {
    const text = 'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.124.06  Release Build\n';
    expect(await findNvidia(rootWith({ 'proc/driver/nvidia/version': text }))).toMatchObject({ driver: 570 });
  });

  it('compiles on a Jetson instead', async () => {
    expect(
      await findNvidia(
        rootWith({
          'etc/nv_tegra_release': '# R36 (release), REVISION: 4.3',
          'proc/driver/nvidia/version': 'NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  540.4.0\n',
        }),
      ),
    ).toEqual({ kind: 'jetson' });
  });
});

describe('a step that takes long', () => {
  it('shows a person each second that it still runs', async () => {
    const { stderr } = await run(process.execPath, [
      '--input-type=module',
      '-e',
      `process.stderr.isTTY = true;
       const { ticking } = await import('${ROOT}scripts/bootstrap/say.mjs');
       const { runQuietly } = await import('${ROOT}scripts/bootstrap/run.mjs');
       const done = ticking('waiting');
       const { code, output } = await runQuietly('sh', ['-c', 'sleep 2.3; echo said; echo why >&2; exit 3']);
       done(code + ' ' + output.split('\\n').sort().join(' ').trim());`,
    ]);
    expect(stderr.split('\r')).toEqual([
      'nearside  waiting ...',
      'nearside  waiting ... 1 s',
      'nearside  waiting ... 2 s',
      'nearside  waiting ... 3 said why (2 s)\n',
    ]);
  });

  it('that cannot even begin says so', async () => {
    const { stdout } = await run(process.execPath, [
      '--input-type=module',
      '-e',
      `const { runQuietly } = await import('${ROOT}scripts/bootstrap/run.mjs');
       console.log(JSON.stringify(await runQuietly('no-such-program', [])));`,
    ]);
    expect(JSON.parse(stdout)).toEqual({ code: -1, output: 'spawn no-such-program ENOENT' });
  });
});

describe('lockfile', () => {
  const lock = readFileSync(join(ROOT, 'package-lock.json'), 'utf8');

  it('names no registry host', () => {
    expect(lock).not.toMatch(/"resolved": "http/);
  });

  it('has an entry for every platform of every optional package, so that npm ci works elsewhere', () => {
    const { packages } = JSON.parse(lock) as { packages: Record<string, { optionalDependencies?: Record<string, string> }> };
    const missing = Object.entries(packages).flatMap(([path, entry]) =>
      Object.keys(entry.optionalDependencies ?? {}).filter(
        (name) => !packages[`node_modules/${name}`] && !packages[`${path}/node_modules/${name}`],
      ),
    );
    expect(missing).toEqual([]);
  });

  it('keeps the GPU builds of other machines out', () => {
    const { packages } = JSON.parse(lock) as { packages: Record<string, { name?: string }> };
    expect(packages['node_modules/@node-llama-cpp/linux-x64-cuda']?.name).toBe('empty-npm-package');
  });
});
