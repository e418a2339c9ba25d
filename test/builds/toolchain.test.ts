import { describe, expect, it } from 'vitest';
import { buildCosts, cmakeOptions, parallelJobs } from '#edge/builds/build-target.ts';
import { parseCmakeVersion, parseOsRelease, tuneReadiness } from '#edge/builds/toolchain.ts';
import { probeDevice } from '#edge/hardware/device-profile.ts';
import type { ProbeIo } from '#edge/hardware/probe-io.ts';
import { recordedIo } from '../hardware/recorded-io.ts';

const ALL = {
  'c++': 'c++ (Ubuntu 11.4.0-1ubuntu1) 11.4.0\nCopyright (C) 2021',
  cmake: 'cmake version 3.25.1\n\nCMake suite maintained by Kitware',
  git: 'git version 2.34.1\n',
  ninja: '1.11.1\n',
};

/** A recorded board on which these programs answer to --version. */
function boardWith(board: string, programs: Readonly<Record<string, string>>, osRelease?: string): ProbeIo {
  const recorded = recordedIo(board, osRelease === undefined ? {} : { texts: { '/etc/os-release': osRelease } });
  return { ...recorded, run: async (command, args, ms) => programs[command] ?? recorded.run(command, args, ms) };
}

async function readinessOf(io: ProbeIo): Promise<ReturnType<typeof tuneReadiness>> {
  return await tuneReadiness(io, await probeDevice(io));
}

const root = process.getuid?.() === 0;
const sudo = root ? '' : 'sudo ';

describe('readiness', () => {
  it('is complete with compiler, cmake, git and a build tool, and quotes them', async () => {
    const readiness = await readinessOf(boardWith('x64-avx512-vm', ALL));
    expect(readiness).toEqual({
      target: { provider: 'cpu-tuned' },
      tools: [
        { tool: 'c++', found: 'c++ (Ubuntu 11.4.0-1ubuntu1) 11.4.0' },
        { tool: 'cmake', found: 'cmake version 3.25.1' },
        { tool: 'git', found: 'git version 2.34.1' },
        { tool: 'make', found: 'ninja 1.11.1' },
      ],
      missing: [],
    });
  });

  it.each([
    ['ID=ubuntu\nID_LIKE=debian\n', `${sudo}apt-get install -y build-essential cmake git`],
    ['NAME="Raspbian GNU/Linux"\nID=raspbian\nID_LIKE=debian\n', `${sudo}apt-get install -y build-essential cmake git`],
    ['ID="rocky"\nID_LIKE="rhel centos fedora"\n', `${sudo}dnf install -y gcc-c++ cmake git make`],
    ['ID=alpine\n', `${sudo}apk add build-base cmake git`],
    ['ID=arch\n', `${sudo}pacman -S --needed base-devel cmake git`],
    ['ID=opensuse-leap\nID_LIKE="suse opensuse"\n', `${sudo}zypper install -y gcc-c++ cmake git make`],
    ['ID=plan9\n', 'install c++, cmake, git, make with the package manager of this system'],
    ['', 'install c++, cmake, git, make with the package manager of this system'],
  ])('names what is missing, and the command of the distribution in %j', async (osRelease, install) => {
    const readiness = await readinessOf(boardWith('x64-avx512-vm', {}, osRelease));
    expect(readiness.missing.map(({ tool, problem }) => `${tool} ${problem}`)).toEqual([
      'c++ not found',
      'cmake not found',
      'git not found',
      'make not found',
    ]);
    expect(readiness.install).toBe(install);
  });

  it('asks for what is missing only', async () => {
    const { cmake: _, ...rest } = ALL;
    const readiness = await readinessOf(boardWith('x64-avx512-vm', rest, 'ID=debian\n'));
    expect(readiness.install).toBe(`${sudo}apt-get install -y cmake`);
  });

  it('refuses a CMake that the sources do not accept', async () => {
    const readiness = await readinessOf(boardWith('x64-avx512-vm', { ...ALL, cmake: 'cmake version 3.16.3' }, 'ID=ubuntu\n'));
    expect(readiness.missing).toEqual([{ tool: 'cmake', found: 'cmake version 3.16.3', problem: 'older than 3.19' }]);
    expect(readiness.install).toBe('python3 -m pip install --user --upgrade cmake');
  });

  it('uses the command line tools of Apple and Homebrew on a Mac', async () => {
    const readiness = await readinessOf(boardWith('apple-m2', {}));
    expect(readiness.install).toBe('xcode-select --install && brew install cmake');
  });
});

describe('CUDA', () => {
  const nvcc = { '/usr/local/cuda/bin/nvcc': 'nvcc: NVIDIA (R) Cuda compiler driver\nCuda compilation tools, release 12.6, V12.6.68\n' };

  it('is built for on a Jetson with JetPack, for exactly its GPU, which an old CMake can do', async () => {
    const readiness = await readinessOf(boardWith('jetson-orin-nano', { ...ALL, ...nvcc, cmake: 'cmake version 3.22.1' }));
    expect(readiness.target).toEqual({ provider: 'cuda-tuned', nvcc: '/usr/local/cuda/bin/nvcc', cudaArchitecture: '87' });
    expect(readiness.missing).toEqual([]);
    expect(cmakeOptions(readiness.target, 'linux')).toMatchObject({ GGML_CUDA: 'ON', CMAKE_CUDA_ARCHITECTURES: '87', GGML_NATIVE: 'ON' });
  });

  it('lets CMake ask another NVIDIA GPU, which takes a newer CMake', async () => {
    const readiness = await readinessOf(boardWith('nvidia-desktop', { ...ALL, ...nvcc, cmake: 'cmake version 3.22.1' }));
    expect(readiness.target).toMatchObject({ provider: 'cuda-tuned', cudaArchitecture: 'native' });
    expect(readiness.missing).toEqual([{ tool: 'cmake', found: 'cmake version 3.22.1', problem: 'older than 3.24' }]);
  });

  it.each([
    ['jetson-orin-nano', `${sudo}apt-get install -y nvidia-jetpack`],
    ['nvidia-desktop', `${sudo}apt-get install -y nvidia-cuda-toolkit`],
  ])('of %s without its compiler is no reason not to build for the CPU', async (board, install) => {
    const readiness = await readinessOf(boardWith(board, ALL, 'ID=ubuntu\n'));
    expect(readiness).toMatchObject({ target: { provider: 'cpu-tuned' }, missing: [], install });
  });
});

describe('options', () => {
  it('compile for exactly this CPU into one file, with OpenMP where the compiler has it', () => {
    const target = { provider: 'cpu-tuned' } as const;
    expect(cmakeOptions(target, 'linux')).toMatchObject({
      GGML_NATIVE: 'ON',
      GGML_OPENMP: 'ON',
      GGML_CUDA: 'OFF',
      BUILD_SHARED_LIBS: 'OFF',
    });
    expect(cmakeOptions(target, 'linux')).not.toHaveProperty('CMAKE_CUDA_ARCHITECTURES');
    expect(cmakeOptions(target, 'darwin')).toMatchObject({ GGML_OPENMP: 'OFF' });
  });

  it('run one compiler a core, fewer when memory is short, none when not even one fits', async () => {
    const device = await probeDevice(recordedIo('raspberry-pi-5'));
    const target = { provider: 'cpu-tuned' } as const;
    const { jobBytes } = buildCosts(target);
    const withMemory = (availableBytes: number) => ({ ...device, memory: { ...device.memory, availableBytes, swapBytes: 0 } });
    expect(parallelJobs(target, withMemory(100 * jobBytes))).toBe(4);
    expect(parallelJobs(target, withMemory(2.5 * jobBytes))).toBe(2);
    expect(parallelJobs(target, withMemory(jobBytes - 1))).toBe(0);
  });
});

describe('parsers', () => {
  it('read a CMake version, and nothing else', () => {
    expect(parseCmakeVersion('cmake version 3.25.1')).toEqual([3, 25]);
    expect(parseCmakeVersion('cmake version 4.0.0-rc2')).toEqual([4, 0]);
    expect(parseCmakeVersion('bash: cmake: command not found')).toBeUndefined();
  });

  it('read os-release with and without quotes, and survive garbage', () => {
    expect(parseOsRelease('NAME="Rocky"\nID="rocky"\nID_LIKE="rhel centos fedora"\n')).toEqual(['rocky', 'rhel', 'centos', 'fedora']);
    expect(parseOsRelease("ID='debian'\n")).toEqual(['debian']);
    expect(parseOsRelease('\0\0 not a file of this kind')).toEqual([]);
  });
});
