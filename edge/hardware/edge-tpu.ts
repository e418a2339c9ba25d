import type { Accelerator } from '#edge/contracts/hardware.ts';
import { evidenceOf } from './evidence.ts';
import { findLibrary } from './libraries.ts';
import type { ProbeIo } from './probe-io.ts';

const USB_FOLDER = '/sys/bus/usb/devices';
const PCI_NODE = '/dev/apex_0';

/** True for a Coral USB accelerator: `1a6e:089a` before its firmware is loaded, `18d1:9302` after. */
export function isEdgeTpu(vendor: string, product: string): boolean {
  return ['1a6e:089a', '18d1:9302'].includes(`${vendor.trim()}:${product.trim()}`);
}

/** Coral Edge TPUs on USB or PCIe; not run on a real one by this project yet. */
export async function probeEdgeTpu(io: ProbeIo): Promise<readonly Accelerator[]> {
  if (io.system.platform !== 'linux') return [];
  const source = (await findOnUsb(io)) ?? ((await io.exists(PCI_NODE)) ? PCI_NODE : undefined);
  if (source === undefined) return [];
  const library = await findLibrary(io, /^libedgetpu\.so\.1/);
  return [
    {
      kind: 'edgetpu',
      name: source === PCI_NODE ? 'Coral Edge TPU (PCIe)' : 'Coral Edge TPU (USB)',
      unified: false,
      confidence: library === undefined ? 'device' : 'library',
      evidence: [
        evidenceOf('accelerators.edgetpu', source, 'Edge TPU'),
        ...(library === undefined ? [] : [evidenceOf('accelerators.edgetpu', library, 'library found')]),
      ],
    },
  ];
}

async function findOnUsb(io: ProbeIo): Promise<string | undefined> {
  const devices = (await io.readDir(USB_FOLDER)) ?? [];
  const ids = await Promise.all(
    devices.map((device) => Promise.all(['idVendor', 'idProduct'].map((file) => io.readText(`${USB_FOLDER}/${device}/${file}`)))),
  );
  const index = ids.findIndex(([vendor, product]) => vendor !== undefined && product !== undefined && isEdgeTpu(vendor, product));
  return index < 0 ? undefined : `${USB_FOLDER}/${devices[index]}`;
}
