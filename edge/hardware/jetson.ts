import type { Accelerator } from '#edge/contracts/hardware.ts';
import { evidenceOf } from './evidence.ts';
import { findCudaLibraries } from './nvidia.ts';
import type { ProbeIo } from './probe-io.ts';

const COMPATIBLE_FILES = ['/proc/device-tree/compatible', '/sys/firmware/devicetree/base/compatible'];

/** GPU generation of each Tegra system on chip, with its CUDA compute capability. */
const TEGRA_GPUS: Readonly<Record<string, string>> = {
  tegra210: 'Maxwell, compute 5.3',
  tegra186: 'Pascal, compute 6.2',
  tegra194: 'Volta, compute 7.2',
  tegra234: 'Ampere, compute 8.7',
  tegra264: 'Blackwell, compute 11.0',
};

/** System on chip such as `tegra234` in a device tree's NUL-separated `compatible` list. */
export function parseTegraChip(text: string): string | undefined {
  return /nvidia,(tegra\d+)/.exec(text)?.[1];
}

/** The GPU of a Jetson, which shares the main memory; not run on a real board by this project yet. */
export async function probeJetson(io: ProbeIo): Promise<readonly Accelerator[]> {
  if (io.system.platform !== 'linux' || io.system.arch !== 'arm64') return [];
  for (const path of COMPATIBLE_FILES) {
    const text = await io.readText(path);
    const chip = text === undefined ? undefined : parseTegraChip(text);
    if (chip === undefined) continue;
    const libraries = await findCudaLibraries(io);
    const name = `${chip} (${TEGRA_GPUS[chip] ?? 'unknown generation'})`;
    return [
      {
        kind: 'cuda',
        name,
        unified: true,
        confidence: libraries.complete ? 'library' : 'device',
        evidence: [evidenceOf('accelerators.cuda', path, text ?? ''), ...libraries.evidence],
      },
    ];
  }
  return [];
}
