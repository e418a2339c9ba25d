import type { ProbeIo } from './probe-io.ts';

const TRIPLETS: Readonly<Record<string, string>> = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu', arm: 'arm-linux-gnueabihf' };
const CUDA_TARGETS: Readonly<Record<string, readonly string[]>> = {
  x64: ['x86_64-linux'],
  arm64: ['sbsa-linux', 'aarch64-linux'],
};

/**
 * Folders in which the dynamic linker usually finds GPU libraries: the distribution's, CUDA's, JetPack's.
 * `LD_LIBRARY_PATH` is not among them: a library that only it reaches counts as absent.
 */
export function libraryFolders(arch: string): readonly string[] {
  const triplet = TRIPLETS[arch];
  const cuda = ['/usr/local/cuda/lib64', ...(CUDA_TARGETS[arch] ?? []).map((target) => `/usr/local/cuda/targets/${target}/lib`)];
  const distribution = triplet === undefined ? [] : [`/usr/lib/${triplet}`, `/usr/lib/${triplet}/nvidia`, `/usr/lib/${triplet}/tegra`];
  return [...distribution, '/usr/lib64', '/usr/lib', '/usr/local/lib', '/usr/lib/wsl/lib', ...cuda];
}

/** Path of the first library in the usual folders whose file name matches; undefined when there is none. */
export async function findLibrary(io: ProbeIo, name: RegExp): Promise<string | undefined> {
  const folders = libraryFolders(io.system.arch);
  const listings = await Promise.all(folders.map((folder) => io.readDir(folder)));
  for (const [index, names] of listings.entries()) {
    const found = names?.find((entry) => name.test(entry));
    if (found !== undefined) return `${folders[index]}/${found}`;
  }
  return undefined;
}
