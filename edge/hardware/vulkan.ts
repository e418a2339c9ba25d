import type { Accelerator } from '#edge/contracts/hardware.ts';
import { inBounds, MOST_MEMORY_BYTES } from './bounds.ts';
import { evidenceOf } from './evidence.ts';
import { findLibrary } from './libraries.ts';
import type { ProbeIo } from './probe-io.ts';

const NODE_FOLDER = '/dev/dri';
const ICD_FOLDERS = ['/usr/share/vulkan/icd.d', '/etc/vulkan/icd.d'];
const VENDORS: Readonly<Record<string, string>> = { '0x10de': 'NVIDIA', '0x1002': 'AMD', '0x8086': 'Intel' };

/** How the manifest of a kernel driver's Vulkan driver begins; others may use any but the software renderer's. */
const MANIFESTS: Readonly<Record<string, RegExp>> = {
  i915: /^intel_/,
  xe: /^intel_/,
  amdgpu: /^(radeon|amd)_/,
  nvidia: /^nvidia_/,
  nouveau: /^nouveau_/,
  v3d: /^broadcom_/,
  panfrost: /^panfrost_/,
  panthor: /^panfrost_/,
  msm: /^freedreno_/,
};

/** An AMD GPU with less memory of its own and more of the machine's is part of a processor. */
const MOST_CARVE_OUT_BYTES = 4 * 1024 ** 3;

/** Graphics driver of a DRM device's `uevent` file, such as `i915`, `amdgpu`, `v3d`. */
export function parseUevent(text: string): string | undefined {
  return /^DRIVER=(\S{1,40})$/m.exec(text)?.[1];
}

/** Vendor and device of a PCI device's `uevent` file, such as `8086:46a6`. */
export function parsePciId(text: string): string | undefined {
  return /^PCI_ID=([0-9A-F]{4}:[0-9A-F]{4})$/im.exec(text)?.[1]?.toLowerCase();
}

/** True when a Vulkan driver manifest for the kernel driver is installed; the software renderer llvmpipe (`lvp`) never counts. */
export function hasVulkanDriver(manifests: readonly string[], kernelDriver: string | undefined): boolean {
  const expected = MANIFESTS[kernelDriver ?? ''];
  return manifests.some((name) => name.endsWith('.json') && !name.startsWith('lvp_') && (expected?.test(name) ?? true));
}

/** GPUs with a render node; `library` when the Vulkan loader and its driver are installed and the node may be opened. */
export async function probeVulkan(io: ProbeIo): Promise<readonly Accelerator[]> {
  if (io.system.platform !== 'linux') return [];
  const nodes = ((await io.readDir(NODE_FOLDER)) ?? []).filter((name) => /^renderD\d+$/.test(name));
  if (nodes.length === 0) return [];
  const [loader, ...manifests] = await Promise.all([
    findLibrary(io, /^libvulkan\.so(\.1)?$/),
    ...ICD_FOLDERS.map((folder) => io.readDir(folder)),
  ]);
  const drivers = manifests.flatMap((names) => names ?? []);
  return Promise.all(nodes.map((node) => describe(io, node, loader, drivers)));
}

async function describe(io: ProbeIo, node: string, loader: string | undefined, manifests: readonly string[]): Promise<Accelerator> {
  const path = `${NODE_FOLDER}/${node}`;
  const [{ kernelDriver, ...gpu }, mayOpen] = await Promise.all([readGpu(io, node), io.mayOpen(path)]);
  const evidence = [evidenceOf('accelerators.vulkan', path, gpu.name)];
  if (loader !== undefined) evidence.push(evidenceOf('accelerators.vulkan', loader, `drivers: ${manifests.join(', ') || 'none'}`));
  const isComplete = loader !== undefined && hasVulkanDriver(manifests, kernelDriver) && mayOpen;
  const problem = mayOpen ? undefined : `${path} may not be opened: add the user to the group "render" and log in again`;
  return { kind: 'vulkan', ...gpu, confidence: isComplete ? 'library' : 'device', ...(problem ? { problem } : {}), evidence };
}

type Gpu = Pick<Accelerator, 'name' | 'unified' | 'memoryBytes'> & { readonly kernelDriver: string | undefined };

async function readGpu(io: ProbeIo, node: string): Promise<Gpu> {
  const folder = `/sys/class/drm/${node}/device`;
  const [vendor, uevent = '', vram, gtt] = await Promise.all(
    ['vendor', 'uevent', 'mem_info_vram_total', 'mem_info_gtt_total'].map((file) => io.readText(`${folder}/${file}`)),
  );
  const kernelDriver = parseUevent(uevent);
  const maker = VENDORS[vendor?.trim() ?? ''];
  const own = inBounds(Number(vram?.trim()), MOST_MEMORY_BYTES);
  const shared = inBounds(Number(gtt?.trim()), MOST_MEMORY_BYTES) ?? 0;
  const isCarveOut = own !== undefined && own < MOST_CARVE_OUT_BYTES && shared > own;
  const isDiscrete = maker === 'NVIDIA' || (own !== undefined && !isCarveOut);
  const details = [kernelDriver ?? 'unknown driver', parsePciId(uevent)].filter(Boolean).join(', ');
  return {
    name: `${maker ?? ''} GPU (${details})`.trim(),
    unified: !isDiscrete,
    ...(isDiscrete && own !== undefined ? { memoryBytes: own } : {}),
    kernelDriver,
  };
}
