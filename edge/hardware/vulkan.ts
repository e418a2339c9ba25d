import type { Accelerator } from '#edge/contracts/hardware.ts';
import { evidenceOf } from './evidence.ts';
import { findLibrary } from './libraries.ts';
import type { ProbeIo } from './probe-io.ts';

const ICD_FOLDERS = ['/usr/share/vulkan/icd.d', '/etc/vulkan/icd.d'];
const VENDORS: Readonly<Record<string, string>> = { '0x10de': 'NVIDIA', '0x1002': 'AMD', '0x8086': 'Intel' };

/** Graphics driver of a DRM device's `uevent` file, such as `i915`, `amdgpu`, `v3d`. */
export function parseUevent(text: string): string | undefined {
  return /^DRIVER=(\S+)$/m.exec(text)?.[1];
}

/** True when a Vulkan driver manifest other than the software renderer llvmpipe (`lvp`) is installed. */
export function hasHardwareDriver(manifests: readonly string[]): boolean {
  return manifests.some((name) => name.endsWith('.json') && !name.startsWith('lvp_'));
}

/** GPUs with a render node; `library` when the Vulkan loader and a hardware driver are installed too. */
export async function probeVulkan(io: ProbeIo): Promise<readonly Accelerator[]> {
  if (io.system.platform !== 'linux') return [];
  const node = (await io.readDir('/dev/dri'))?.find((name) => name.startsWith('renderD'));
  if (node === undefined) return [];
  const [gpu, loader, manifests] = await Promise.all([
    readGpu(io, node),
    findLibrary(io, /^libvulkan\.so(\.1)?$/),
    Promise.all(ICD_FOLDERS.map((folder) => io.readDir(folder))),
  ]);
  const drivers = manifests.flatMap((names) => names ?? []);
  const evidence = [evidenceOf('accelerators.vulkan', `/dev/dri/${node}`, gpu.name)];
  if (loader !== undefined) evidence.push(evidenceOf('accelerators.vulkan', loader, `drivers: ${drivers.join(', ') || 'none'}`));
  const confidence = loader !== undefined && hasHardwareDriver(drivers) ? 'library' : 'device';
  return [{ kind: 'vulkan', ...gpu, confidence, evidence }];
}

async function readGpu(io: ProbeIo, node: string): Promise<Pick<Accelerator, 'name' | 'unified' | 'memoryBytes'>> {
  const folder = `/sys/class/drm/${node}/device`;
  const [vendor, uevent, vram] = await Promise.all(
    ['vendor', 'uevent', 'mem_info_vram_total'].map((file) => io.readText(`${folder}/${file}`)),
  );
  const driver = parseUevent(uevent ?? '');
  const maker = VENDORS[vendor?.trim() ?? ''];
  const memoryBytes = Number(vram?.trim() || Number.NaN);
  return {
    name: `${maker ?? ''} GPU (${driver ?? 'unknown driver'})`.trim(),
    unified: maker !== 'NVIDIA' && !(memoryBytes > 0),
    ...(memoryBytes > 0 ? { memoryBytes } : {}),
  };
}
