import type { Accelerator } from '#edge/contracts/hardware.ts';
import { evidenceOf } from './evidence.ts';
import { findCudaLibraries } from './nvidia.ts';
import type { ProbeIo } from './probe-io.ts';

const COMPATIBLE_FILES = ['/proc/device-tree/compatible', '/sys/firmware/devicetree/base/compatible'];

/** Any of these lets a process talk to the GPU: the first since JetPack 6, the others before. */
const GPU_NODES = ['/dev/nvgpu/igpu0/ctrl', '/dev/nvhost-ctrl-gpu', '/dev/nvhost-gpu'];

/** GPU generation of each Tegra system on chip, with its CUDA compute capability. */
const TEGRA_GPUS: Readonly<Record<string, string>> = {
  tegra210: 'Maxwell, compute 5.3',
  tegra186: 'Pascal, compute 6.2',
  tegra194: 'Volta, compute 7.2',
  tegra234: 'Ampere, compute 8.7',
  tegra264: 'Blackwell, compute 11.0',
};

/** Orin modules, whose device tree may name the module and no chip, or `tegra23x`. */
const ORIN_MODULE = /nvidia,(tegra23x|p3701-|p3767-|p\d{4}-\d{4}\+p(3701|3767)-)/;

/** System on chip such as `tegra234` in a device tree's NUL-separated `compatible` list. */
export function parseTegraChip(text: string): string | undefined {
  return /nvidia,(tegra\d{3})/.exec(text)?.[1] ?? (ORIN_MODULE.test(text) ? 'tegra234' : undefined);
}

/** The GPU of a Jetson, which shares the main memory; not run on a real board by this project yet. */
export async function probeJetson(io: ProbeIo): Promise<readonly Accelerator[]> {
  if (io.system.platform !== 'linux' || io.system.arch !== 'arm64') return [];
  for (const path of COMPATIBLE_FILES) {
    const text = await io.readText(path);
    const chip = text === undefined ? undefined : parseTegraChip(text);
    if (chip !== undefined) return [await describe(io, chip, evidenceOf('accelerators.cuda', path, text ?? ''))];
  }
  return [];
}

async function describe(io: ProbeIo, chip: string, origin: Accelerator['evidence'][number]): Promise<Accelerator> {
  const [libraries, node, openable] = await Promise.all([
    findCudaLibraries(io),
    firstOf(GPU_NODES, io.exists),
    firstOf(GPU_NODES, io.mayOpen),
  ]);
  const problem = problemOf(node, openable);
  return {
    kind: 'cuda',
    name: `${chip} (${TEGRA_GPUS[chip] ?? 'unknown generation'})`,
    unified: true,
    confidence: libraries.complete && problem === undefined ? 'library' : 'device',
    ...(libraries.runtime === undefined ? {} : { runtime: libraries.runtime }),
    ...(problem === undefined ? {} : { problem }),
    evidence: [origin, ...(node === undefined ? [] : [evidenceOf('accelerators.cuda', node, 'device node')]), ...libraries.evidence],
  };
}

function problemOf(node: string | undefined, openable: string | undefined): string | undefined {
  if (node === undefined) return 'no device node of the GPU: start the container with "--runtime nvidia"';
  return openable === undefined ? `${node} may not be opened: add the user to the group "video" and log in again` : undefined;
}

async function firstOf(paths: readonly string[], test: (path: string) => Promise<boolean>): Promise<string | undefined> {
  const found = await Promise.all(paths.map((path) => test(path)));
  return paths.find((_, index) => found[index]);
}
