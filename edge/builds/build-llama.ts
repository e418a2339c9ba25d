/** Builds llama.cpp for exactly this device out of the sources that node-llama-cpp carries, without the network. */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { finished } from 'node:stream/promises';
import type { DeviceProfile } from '#edge/contracts/hardware.ts';
import type { OnProgress } from '#edge/contracts/progress.ts';
import { EdgeError, systemErrorCode } from '#edge/core/errors.ts';
import { formatBytes } from '#edge/core/format.ts';
import type { ProbeIo } from '#edge/hardware/probe-io.ts';
import { buildCosts, cmakeOptions, parallelJobs } from './build-target.ts';
import { findLlamaSource, type LlamaSource, unpackLlamaSource } from './llama-source.ts';
import { ADDON_FILE, type BuildManifest, type BuildRecord, lockBuilds, MANIFEST_FILE } from './local-builds.ts';
import { parseBuildProgress, type RunStep, stepRunner } from './run-step.ts';
import { type TuneReadiness, tuneReadiness } from './toolchain.ts';

export interface BuildOptions {
  /** See `buildsFolder`. */
  readonly folder: string;
  readonly device: DeviceProfile;
  /** The machine that is looked at for tools and space; its `disk()` is the one that holds `folder`. */
  readonly io: ProbeIo;
  /** Environment of the compilers. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

/** What is under way; emptied before and after each build. */
const WORK_FOLDER = 'work';
const LOG_FILE = 'build.log';

/**
 * Builds, checks that the result loads, and publishes it by one rename; replaces the build of the same device and
 * release. Whether it is faster is another question: measure it. A failed or cancelled build leaves only its log.
 * @throws EdgeError `E_UNSUPPORTED` (not on Windows), `E_BUILD_TOOLS_MISSING`, `E_DISK_FULL`, `E_MEMORY_BUDGET`,
 * `E_LOCKED`, `E_BUILD_FAILED` (with the path of the log), `E_CANCELLED`.
 */
export async function buildLlama({ folder, device, io, environment, onProgress, signal }: BuildOptions): Promise<BuildRecord> {
  const { readiness, jobs } = await preflight(io, device);
  const source = findLlamaSource();
  await makeFolder(folder);
  using _lock = lockBuilds(folder);
  const work = join(folder, WORK_FOLDER);
  const logPath = join(folder, LOG_FILE);
  await rm(work, { recursive: true, force: true });
  // A build that cannot write its log cannot write its objects either.
  const unwritable = new AbortController();
  const log = createWriteStream(logPath).once('error', (error) => unwritable.abort(folderError(folder, error)));
  const run = stepRunner({
    environment: compilerEnvironment(environment, source, readiness),
    log,
    logPath,
    signal: signal ? AbortSignal.any([signal, unwritable.signal]) : unwritable.signal,
  });
  try {
    onProgress?.({ label: 'unpacking llama.cpp', done: 0, unit: 'steps' });
    await unpackLlamaSource(source, join(work, 'source'), run);
    const options = cmakeOptions(readiness.target, device.platform);
    const addon = await compile({ source, work, options, jobs, run, onProgress });
    const manifest = await describe(addon, { source, readiness, options, fingerprint: device.fingerprint });
    return await publish(addon, manifest, { folder, work });
  } finally {
    if (!log.errored) await finished(log.end());
    await rm(work, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw folderError(folder, error);
  });
}

function folderError(folder: string, error: unknown): EdgeError {
  const found = systemErrorCode(error) ?? String(error);
  const code = found === 'ENOSPC' || found === 'EDQUOT' ? 'E_DISK_FULL' : 'E_HOME_UNUSABLE';
  return new EdgeError(code, { what: `cannot write ${folder}`, expected: 'a folder this user may write', found, cause: error });
}

/** Refuses what cannot end well before anything is written. */
async function preflight(io: ProbeIo, device: DeviceProfile): Promise<{ readonly readiness: TuneReadiness; readonly jobs: number }> {
  const what = 'cannot build llama.cpp here';
  if (device.platform !== 'linux' && device.platform !== 'darwin') {
    throw new EdgeError('E_UNSUPPORTED', { what, expected: 'Linux or macOS', found: device.platform, hint: 'Use the packaged llama.cpp.' });
  }
  const readiness = await tuneReadiness(io, device);
  if (readiness.missing.length > 0) {
    throw new EdgeError('E_BUILD_TOOLS_MISSING', {
      what,
      expected: 'a C++ compiler, cmake, git and ninja or make',
      found: readiness.missing.map(({ tool, problem }) => `${tool} ${problem}`).join(', '),
      hint: `Run "${readiness.install}", then "nearside tune" again.`,
      details: { install: readiness.install },
    });
  }
  const { diskBytes, jobBytes } = buildCosts(readiness.target);
  const free = (await io.disk())?.freeBytes;
  if (free !== undefined && free < diskBytes) {
    throw new EdgeError('E_DISK_FULL', { what, expected: `${formatBytes(diskBytes)} free`, found: formatBytes(free) });
  }
  const jobs = parallelJobs(readiness.target, device);
  if (jobs === 0) {
    const found = formatBytes(device.memory.availableBytes + device.memory.swapBytes);
    throw new EdgeError('E_MEMORY_BUDGET', { what, expected: `${formatBytes(jobBytes)} of memory and swap for the compiler`, found });
  }
  return { readiness, jobs };
}

/** What the compilers get: our Node first, because the sources ask `node` for header files; CUDA's folders for CUDA. */
function compilerEnvironment(
  environment: BuildOptions['environment'],
  source: LlamaSource,
  { target }: TuneReadiness,
): BuildOptions['environment'] {
  const cuda = target.nvcc?.includes('/') ? { CUDACXX: target.nvcc, CUDA_PATH: dirname(dirname(target.nvcc)) } : {};
  return {
    ...environment,
    ...cuda,
    PATH: [dirname(process.execPath), environment.PATH].join(delimiter),
    NODE_PATH: source.modules,
    LC_ALL: 'C',
  };
}

interface Compilation {
  readonly source: LlamaSource;
  readonly work: string;
  readonly options: Readonly<Record<string, string>>;
  readonly jobs: number;
  readonly run: RunStep;
  readonly onProgress: OnProgress | undefined;
}

/** Configures, compiles and loads the addon once, in a process of its own; returns its path. */
async function compile({ source, work, options, jobs, run, onProgress }: Compilation): Promise<string> {
  const label = 'building llama.cpp';
  const build = join(work, 'build');
  // cmake-js's `build`, not its `compile`, which begins anew after a failure.
  const args = [
    source.cmakeJs,
    'build',
    ...['--directory', join(work, 'source')],
    ...['--out', build],
    ...['--config', 'Release'],
    ...['--target', 'llama-addon'],
    ...['--parallel', String(jobs)],
    ...['--log-level', 'warn'],
    ...Object.entries(options).map(([name, value]) => `--CD${name}=${value}`),
  ];
  await run(process.execPath, args, label, (line) => {
    const progress = parseBuildProgress(line);
    if (progress) onProgress?.({ label, ...progress, unit: 'steps' });
  });
  const addon = join(build, 'Release', ADDON_FILE);
  await run(process.execPath, ['-e', 'require(process.argv[1])', addon], 'loading what was built');
  return addon;
}

interface Origin {
  readonly source: LlamaSource;
  readonly readiness: TuneReadiness;
  readonly options: Readonly<Record<string, string>>;
  readonly fingerprint: string;
}

async function describe(addon: string, { source, readiness, options, fingerprint }: Origin): Promise<BuildManifest> {
  return {
    backend: 'llama',
    provider: readiness.target.provider,
    release: source.release,
    binding: source.binding,
    fingerprint,
    builtAt: new Date().toISOString(),
    compiler: readiness.tools.find(({ tool }) => tool === 'c++')?.found ?? '',
    options: { ...options },
    sha256: createHash('sha256')
      .update(await readFile(addon))
      .digest('hex'),
  };
}

async function publish(
  addon: string,
  manifest: BuildManifest,
  { folder, work }: { readonly folder: string; readonly work: string },
): Promise<BuildRecord> {
  const draft = join(work, 'publish');
  await mkdir(draft);
  await copyFile(addon, join(draft, ADDON_FILE));
  await writeFile(join(draft, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
  const final = join(folder, `llama-${manifest.release}-${manifest.provider}-${manifest.fingerprint.slice(0, 8)}`);
  await rm(final, { recursive: true, force: true });
  await rename(draft, final);
  return { ...manifest, folder: final };
}
