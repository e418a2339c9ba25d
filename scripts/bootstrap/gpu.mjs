// A machine with an NVIDIA GPU gets llama.cpp's CUDA build; nobody else downloads its 540 MB.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NODE_MODULES } from './paths.mjs';
import { runQuietly } from './run.mjs';
import { say, ticking } from './say.mjs';

/** First driver branch whose user-space libraries are CUDA 13 (NVIDIA CUDA toolkit release notes, table 3). */
const CUDA_13_DRIVER = 580;

/**
 * Looks for an NVIDIA GPU below `root` (a parameter for tests). A Jetson is reported as such: its CUDA build is
 * compiled on the device, because no prebuilt one exists for arm64.
 */
export function findNvidia(root = '/') {
  if (existsSync(join(root, 'etc/nv_tegra_release'))) return { kind: 'jetson' };
  let version;
  try {
    version = readFileSync(join(root, 'proc/driver/nvidia/version'), 'utf8');
  } catch {
    return undefined; // No kernel driver: no usable GPU.
  }
  const branch = Number(/Kernel Module(?: for \S+)?\s+(\d+)\./.exec(version)?.[1] ?? 0);
  return {
    kind: 'cuda',
    driver: branch,
    packages: branch >= CUDA_13_DRIVER ? ['linux-x64-cuda'] : ['linux-x64-cuda', 'linux-x64-cuda-ext'],
  };
}

/** Installs the missing CUDA packages on Linux x64 when there is a GPU; says why not when it cannot, and tries again at the next start. */
export async function ensureCudaPackages() {
  const nvidia = findNvidia();
  if (nvidia?.kind !== 'cuda' || process.platform !== 'linux' || process.arch !== 'x64') return;
  for (const name of nvidia.packages) if (!existsSync(join(NODE_MODULES, '@node-llama-cpp', name))) await installPlatformPackage(name);
}

/** Fetches one `@node-llama-cpp/<name>` package of the installed version through `npm pack` and unpacks it in place. */
async function installPlatformPackage(name) {
  const version = JSON.parse(readFileSync(join(NODE_MODULES, 'node-llama-cpp', 'package.json'), 'utf8')).version;
  const target = join(NODE_MODULES, '@node-llama-cpp', name);
  const done = ticking(`NVIDIA GPU found: fetching @node-llama-cpp/${name}@${version}`);
  const temporary = mkdtempSync(join(tmpdir(), 'nearside-gpu-'));
  try {
    const packed = await runQuietly('npm', [
      'pack',
      `@node-llama-cpp/${name}@${version}`,
      '--pack-destination',
      temporary,
      '--loglevel=error',
    ]);
    const archive = readdirSync(temporary).find((file) => file.endsWith('.tgz'));
    if (packed.code !== 0 || !archive) throw new Error(packed.output || 'npm pack gave no file');
    rmSync(target, { recursive: true, force: true });
    mkdirSync(target, { recursive: true });
    const unpacked = await runQuietly('tar', ['-xzf', join(temporary, archive), '--strip-components=1', '-C', target]);
    if (unpacked.code !== 0) throw new Error(unpacked.output || 'tar did not unpack it');
    done();
  } catch (error) {
    rmSync(target, { recursive: true, force: true });
    done('failed');
    say(`the GPU stays unused, llama.cpp runs on the CPU: ${error.message.trim()}`);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}
