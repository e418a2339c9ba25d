/** The programs a build needs: what is there, what is not, and the command that installs it. */
import type { DeviceProfile } from '#edge/contracts/hardware.ts';
import type { ProbeIo } from '#edge/hardware/probe-io.ts';
import { type BuildTarget, buildTarget, minimumCmake } from './build-target.ts';

export const TOOLS = ['c++', 'cmake', 'git', 'make', 'nvcc'] as const;
export type Tool = (typeof TOOLS)[number];

export interface ToolFinding {
  readonly tool: Tool;
  /** What was found, in the tool's own words: `cmake version 3.25.1`. */
  readonly found?: string;
  /** What keeps the tool from being used; absent when all is well. */
  readonly problem?: string;
}

/** Whether this device can build, and what for. */
export interface TuneReadiness {
  readonly target: BuildTarget;
  readonly tools: readonly ToolFinding[];
  /** The tools without which nothing can be built. A missing `nvcc` is none of them: the CPU is built for instead. */
  readonly missing: readonly ToolFinding[];
  /** Command that installs every tool with a problem; absent when there is none. */
  readonly install?: string;
}

const VERSION_MS = 10_000;
/** In the order in which CMake looks for them; the build tools likewise. */
const PROGRAMS: Readonly<Record<Exclude<Tool, 'nvcc'>, readonly string[]>> = {
  'c++': ['c++', 'g++', 'clang++'],
  cmake: ['cmake'],
  git: ['git'],
  make: ['ninja', 'make'],
};
/** Where CUDA and JetPack install it; seldom on the PATH of a service. */
const NVCC_PATHS = ['/usr/local/cuda/bin/nvcc', '/opt/cuda/bin/nvcc'];

/**
 * Looks for the tools of a build. Programs are run for their version, nothing is changed.
 * @param io the machine, or a recording of one
 */
export async function tuneReadiness(io: ProbeIo, device: DeviceProfile): Promise<TuneReadiness> {
  const hasCuda = device.platform === 'linux' && device.accelerators.some(({ kind }) => kind === 'cuda');
  const nvcc = hasCuda ? await findNvcc(io) : undefined;
  const target = buildTarget(device, nvcc?.path);
  const required = await Promise.all([
    findTool(io, 'c++'),
    findTool(io, 'cmake').then((cmake) => checkCmake(cmake, target)),
    findTool(io, 'git'),
    findTool(io, 'make'),
  ]);
  const tools = hasCuda ? [...required, nvcc?.finding ?? { tool: 'nvcc' as const, problem: 'not found' }] : required;
  const wanted = tools.filter(({ problem }) => problem !== undefined);
  const install = await installCommand(io, device, wanted);
  return {
    target,
    tools,
    missing: wanted.filter(({ tool }) => tool !== 'nvcc'),
    ...(install === undefined ? {} : { install }),
  };
}

/** `cmake version 3.25.1` > `[3, 25]`; undefined for any other text. */
export function parseCmakeVersion(text: string): readonly [major: number, minor: number] | undefined {
  const match = /cmake version (\d+)\.(\d+)/.exec(text);
  return match ? [Number(match[1]), Number(match[2])] : undefined;
}

/** The values of `ID` and `ID_LIKE` of `/etc/os-release` (os-release(5)), the distribution's own name first. */
export function parseOsRelease(text: string): readonly string[] {
  const field = (key: string): string => new RegExp(`^${key}=["']?([^"'\\n]*)`, 'm').exec(text)?.[1] ?? '';
  return `${field('ID')} ${field('ID_LIKE')}`.split(/\s+/).filter((id) => id !== '');
}

interface PackageManager {
  readonly command: string;
  readonly packages: Readonly<Record<Tool, string>>;
}

const PACKAGE_MANAGERS: readonly (PackageManager & { readonly distributions: readonly string[] })[] = [
  {
    distributions: ['debian', 'ubuntu'],
    command: 'apt-get install -y',
    packages: { 'c++': 'build-essential', make: 'build-essential', cmake: 'cmake', git: 'git', nvcc: 'nvidia-cuda-toolkit' },
  },
  {
    distributions: ['fedora', 'rhel', 'centos'],
    command: 'dnf install -y',
    packages: { 'c++': 'gcc-c++', make: 'make', cmake: 'cmake', git: 'git', nvcc: 'cuda-toolkit' },
  },
  {
    distributions: ['alpine'],
    command: 'apk add',
    packages: { 'c++': 'build-base', make: 'build-base', cmake: 'cmake', git: 'git', nvcc: 'cuda-toolkit' },
  },
  {
    distributions: ['arch'],
    command: 'pacman -S --needed',
    packages: { 'c++': 'base-devel', make: 'base-devel', cmake: 'cmake', git: 'git', nvcc: 'cuda' },
  },
  {
    distributions: ['suse', 'opensuse'],
    command: 'zypper install -y',
    packages: { 'c++': 'gcc-c++', make: 'make', cmake: 'cmake', git: 'git', nvcc: 'cuda-toolkit' },
  },
];

/** The command that installs the named tools here; undefined when none is needed. */
async function installCommand(io: ProbeIo, device: DeviceProfile, wanted: readonly ToolFinding[]): Promise<string | undefined> {
  if (wanted.length === 0) return undefined;
  const old = wanted.filter(({ found }) => found !== undefined);
  const absent = wanted.filter(({ found }) => found === undefined).map(({ tool }) => tool);
  const commands = [
    ...(absent.length > 0 ? [await packageCommand(io, device, absent)] : []),
    // A distribution has one CMake; a newer one comes from PyPI, as a program without needs.
    ...(old.some(({ tool }) => tool === 'cmake') ? ['python3 -m pip install --user --upgrade cmake'] : []),
  ];
  return commands.join(' && ');
}

async function packageCommand(io: ProbeIo, device: DeviceProfile, tools: readonly Tool[]): Promise<string> {
  if (device.platform === 'darwin') {
    const commands = [
      ...(tools.some((tool) => tool !== 'cmake') ? ['xcode-select --install'] : []),
      ...(tools.includes('cmake') ? ['brew install cmake'] : []),
    ];
    return commands.join(' && ');
  }
  const ids = parseOsRelease((await io.readText('/etc/os-release')) ?? '');
  const manager = PACKAGE_MANAGERS.find(({ distributions }) => ids.some((id) => distributions.includes(id)));
  if (!manager) return `install ${tools.join(', ')} with the package manager of this system`;
  // On a Jetson the compiler comes with JetPack's own package.
  const packageOf = (tool: Tool): string => (tool === 'nvcc' && device.board.kind === 'jetson' ? 'nvidia-jetpack' : manager.packages[tool]);
  const isRoot = process.getuid?.() === 0;
  return `${isRoot ? '' : 'sudo '}${manager.command} ${[...new Set(tools.map(packageOf))].join(' ')}`;
}

async function findTool(io: ProbeIo, tool: Exclude<Tool, 'nvcc'>): Promise<ToolFinding> {
  for (const program of PROGRAMS[tool]) {
    const said = await io.run(program, ['--version'], VERSION_MS);
    if (said !== undefined) return { tool, found: program === 'ninja' ? `ninja ${said.trim()}` : firstLine(said) };
  }
  return { tool, problem: 'not found' };
}

function checkCmake(finding: ToolFinding, target: BuildTarget): ToolFinding {
  if (finding.found === undefined) return finding;
  const [needMajor, needMinor] = minimumCmake(target);
  const [major, minor] = parseCmakeVersion(finding.found) ?? [0, 0];
  if (major > needMajor || (major === needMajor && minor >= needMinor)) return finding;
  return { ...finding, problem: `older than ${needMajor}.${needMinor}` };
}

async function findNvcc(io: ProbeIo): Promise<{ readonly path: string; readonly finding: ToolFinding } | undefined> {
  for (const path of ['nvcc', ...NVCC_PATHS]) {
    const said = await io.run(path, ['--version'], VERSION_MS);
    if (said !== undefined) return { path, finding: { tool: 'nvcc', found: /release [\d.]+/.exec(said)?.[0] ?? firstLine(said) } };
  }
  return undefined;
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0] ?? '';
}
