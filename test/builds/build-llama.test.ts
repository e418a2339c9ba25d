/**
 * Everything of a build but the compiler, whose ten minutes no test can take: real git, the real sources and patches, real cmake-js,
 * and a `cmake` that takes an addon of another package for what it compiled. `nearside tune` itself is the test with a compiler.
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type BuildOptions, buildLlama } from '#edge/builds/build-llama.ts';
import { findLlamaSource } from '#edge/builds/llama-source.ts';
import { buildsFolder, listLocalBuilds, lockBuilds } from '#edge/builds/local-builds.ts';
import type { DeviceProfile } from '#edge/contracts/hardware.ts';
import type { Progress } from '#edge/contracts/progress.ts';
import { silentLogger } from '#edge/core/log.ts';
import { probeDevice } from '#edge/hardware/device-profile.ts';
import { systemIo } from '#edge/hardware/probe-io.ts';
import { expectCode } from '#test/support/expect-code.ts';
import { makeHome } from '#test/support/home.ts';

/** Any addon that stands alone. */
const prebuilds = join(dirname(createRequire(import.meta.url).resolve('better-sqlite3/package.json')), 'prebuilds');
const addon = join(prebuilds, `${process.platform}-${process.arch}.node`);

const COMPILED = `echo "[1/2] Building"; mkdir -p "$2/Release"; cp '${addon}' "$2/Release/llama-addon.node"; echo "[2/2] Linking"`;

/** A folder of programs before all others on the PATH; `compile` is what `cmake --build FOLDER` does. */
function stubTools(compile: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'nearside-tools-'));
  const programs = {
    cmake: `case "$1" in
      --version) echo "cmake version 3.25.1" ;;
      -E) echo '{"generators":[{"name":"Ninja"},{"name":"Unix Makefiles"}]}' ;;
      --build) ${compile} ;;
      *) [ -f "$1/llama.cpp/CMakeLists.txt" ] || { echo "CMake Error: no sources in $1"; exit 1; }
         printf '%s\\n' "$@"; touch CMakeCache.txt ;;
    esac`,
    'c++': 'echo "c++ (Stub) 1.0"',
    ninja: 'echo 1.11.1',
  };
  for (const [name, body] of Object.entries(programs)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${body}\n`);
    chmodSync(join(folder, name), 0o755);
  }
  return folder;
}

describe('building llama.cpp', { timeout: 120_000 }, () => {
  let device: DeviceProfile;
  let folder: string;
  beforeAll(async () => {
    device = await probeDevice();
  });
  beforeEach(() => {
    folder = buildsFolder(makeHome({ models: false }));
  });

  /** The options of a build with these tools, which the readiness check finds too. */
  function optionsWith(compile: string, more: Partial<BuildOptions> = {}): BuildOptions {
    vi.stubEnv('PATH', [stubTools(compile), process.env.PATH].join(delimiter));
    const environment = { ...process.env };
    return { folder, device: { ...device, accelerators: [] }, io: systemIo({ diskPath: tmpdir() }), environment, ...more };
  }

  it('unpacks the packaged sources, configures for this CPU, tells progress, and publishes one addon with its manifest', async () => {
    const told: Progress[] = [];
    const build = await buildLlama(optionsWith(COMPILED, { onProgress: (progress) => told.push(progress) }));
    const { release, binding } = findLlamaSource();
    expect(build).toMatchObject({ provider: 'cpu-tuned', release, binding, fingerprint: device.fingerprint, compiler: 'c++ (Stub) 1.0' });
    expect(listLocalBuilds(folder, silentLogger)).toEqual([build]);
    expect(readFileSync(join(build.folder, 'llama-addon.node'))).toEqual(readFileSync(addon));
    expect(told).toContainEqual({ label: 'building llama.cpp', done: 2, total: 2, unit: 'steps' });
    const log = readFileSync(join(folder, 'build.log'), 'utf8');
    expect(log).toContain('-DGGML_NATIVE=ON');
    expect(log).toContain('-DBUILD_SHARED_LIBS=OFF');
    expect(log).toMatch(/-DCMAKE_JS_INC=\S*node-api-headers\S*node-addon-api/);
    expect(existsSync(join(folder, 'work'))).toBe(false);
    // The same device and release again: in the place of the first.
    const again = await buildLlama(optionsWith(COMPILED));
    expect(again.folder).toBe(build.folder);
    expect(listLocalBuilds(folder, silentLogger)).toHaveLength(1);
  });

  it.each([
    ['the compiler fails', 'echo "ggml.c:1: error: bad"; exit 1', 'ggml.c:1: error: bad'],
    ['nothing comes out of it', 'echo done', 'llama-addon.node'],
    ['what comes out cannot be loaded', 'mkdir -p "$2/Release"; echo no addon > "$2/Release/llama-addon.node"', 'llama-addon.node'],
  ])('leaves only the log when %s', async (_what, compile, said) => {
    const error = await expectCode(buildLlama(optionsWith(compile)), 'E_BUILD_FAILED');
    expect(error.message).toContain(said);
    expect(error.hint).toContain(join(folder, 'build.log'));
    expect(listLocalBuilds(folder, silentLogger)).toEqual([]);
    expect(readdirSync(folder).filter((name) => !name.startsWith('builds.lock'))).toEqual(['build.log']);
  });

  it('leaves nothing half when it is cancelled while the compiler runs, and the earlier build as it was', async () => {
    const earlier = await buildLlama(optionsWith(COMPILED));
    const stop = new AbortController();
    const onProgress = ({ label }: Progress): void => {
      if (label === 'building llama.cpp') stop.abort();
    };
    const cancelled = buildLlama(optionsWith('echo "[1/2] Building"; sleep 600', { onProgress, signal: stop.signal }));
    await expectCode(cancelled, 'E_CANCELLED');
    expect(listLocalBuilds(folder, silentLogger)).toEqual([earlier]);
    expect(existsSync(join(folder, 'work'))).toBe(false);
  });

  it('clears what a killed build left, and refuses to run beside another', async () => {
    mkdirSync(join(folder, 'work', 'publish'), { recursive: true });
    writeFileSync(join(folder, 'work', 'publish', 'build.json'), '{}');
    const options = optionsWith(COMPILED);
    const lock = lockBuilds(folder);
    await expectCode(buildLlama(options), 'E_LOCKED');
    lock[Symbol.dispose]();
    await buildLlama(options);
    expect(existsSync(join(folder, 'work'))).toBe(false);
  });

  describe('refuses before it writes anything', () => {
    it.each([
      ['without tools', { io: { ...systemIo(), run: async () => undefined } }, 'E_BUILD_TOOLS_MISSING'],
      ['without space', { io: { ...systemIo(), disk: async () => ({ freeBytes: 1024 ** 2, totalBytes: 1024 ** 3 }) } }, 'E_DISK_FULL'],
    ])('%s', async (_what, more, code) => {
      const error = await expectCode(buildLlama(optionsWith(COMPILED, more)), code);
      expect(error.hint.length).toBeGreaterThan(10);
      expect(existsSync(folder)).toBe(false);
    });

    it('without memory for one compiler, and on Windows', async () => {
      const options = optionsWith(COMPILED);
      const small = { ...device, memory: { ...device.memory, availableBytes: 64 * 1024 ** 2, swapBytes: 0 } };
      await expectCode(buildLlama({ ...options, device: small }), 'E_MEMORY_BUDGET');
      await expectCode(buildLlama({ ...options, device: { ...device, platform: 'win32' } }), 'E_UNSUPPORTED');
      expect(existsSync(folder)).toBe(false);
    });

    it('in a folder that cannot be', async () => {
      writeFileSync(join(dirname(folder), 'builds'), 'a file');
      await expectCode(buildLlama(optionsWith(COMPILED)), 'E_HOME_UNUSABLE');
    });
  });
});
