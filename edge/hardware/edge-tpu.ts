import type { Accelerator } from '#edge/contracts/hardware.ts';
import { evidenceOf } from './evidence.ts';
import { findLibrary } from './libraries.ts';
import type { ProbeIo } from './probe-io.ts';

const USB_FOLDER = '/sys/bus/usb/devices';
const PCI_FOLDER = '/sys/bus/pci/devices';
/** Numbered like the cards. */
const PCI_NODE = '/dev/apex_';

/** True for a Coral USB accelerator: `1a6e:089a` before its firmware is loaded, `18d1:9302` after. */
export function isUsbEdgeTpu(vendor: string, product: string): boolean {
  return ['1a6e:089a', '18d1:9302'].includes(`${vendor.trim()}:${product.trim()}`);
}

/** True for a Coral card: M.2, mini PCIe, or on a Coral board. */
export function isPciEdgeTpu(vendor: string, device: string): boolean {
  return vendor.trim() === '0x1ac1' && device.trim() === '0x089a';
}

/** Coral Edge TPUs on USB or PCIe; not run on a real one by this project yet. */
export async function probeEdgeTpu(io: ProbeIo): Promise<readonly Accelerator[]> {
  if (io.system.platform !== 'linux') return [];
  const found = [...(await findOnUsb(io)), ...(await findOnPci(io))];
  if (found.length === 0) return [];
  const library = await findLibrary(io, /^libedgetpu\.so\.1/);
  return found.map(({ name, source, raw, problem }) => ({
    kind: 'edgetpu',
    name,
    unified: false,
    confidence: library === undefined || problem !== undefined ? 'device' : 'library',
    ...(problem === undefined ? {} : { problem }),
    evidence: [
      evidenceOf('accelerators.edgetpu', source, raw),
      ...(library === undefined ? [] : [evidenceOf('accelerators.edgetpu', library, 'library found')]),
    ],
  }));
}

interface Found {
  readonly name: string;
  readonly source: string;
  readonly raw: string;
  readonly problem: string | undefined;
}

async function findOnUsb(io: ProbeIo): Promise<readonly Found[]> {
  const folders = ((await io.readDir(USB_FOLDER)) ?? []).map((name) => `${USB_FOLDER}/${name}`);
  const found = await Promise.all(
    folders.map(async (source) => {
      const [vendor = '', product = ''] = await readAll(io, source, ['idVendor', 'idProduct']);
      if (!isUsbEdgeTpu(vendor, product)) return [];
      const [speed = '', bus = '', device = ''] = await readAll(io, source, ['speed', 'busnum', 'devnum']);
      const node = `/dev/bus/usb/${bus.trim().padStart(3, '0')}/${device.trim().padStart(3, '0')}`;
      const problem = (await io.mayOpen(node))
        ? undefined
        : `${node} may not be opened: install the udev rule of libedgetpu and plug it in again`;
      const name = Number(speed) >= 5000 ? 'Coral Edge TPU (USB 3)' : 'Coral Edge TPU (USB 2)';
      return [{ name, source, raw: `${vendor.trim()}:${product.trim()} at ${speed.trim() || 'unknown'} Mbit/s`, problem }];
    }),
  );
  return found.flat();
}

async function findOnPci(io: ProbeIo): Promise<readonly Found[]> {
  const folders = ((await io.readDir(PCI_FOLDER)) ?? []).map((name) => `${PCI_FOLDER}/${name}`);
  const ids = await Promise.all(folders.map((folder) => readAll(io, folder, ['vendor', 'device'])));
  const cards = folders.filter((_, index) => isPciEdgeTpu(ids[index]?.[0] ?? '', ids[index]?.[1] ?? ''));
  return Promise.all(
    cards.map(async (source, index) => ({
      name: 'Coral Edge TPU (PCIe)',
      source,
      raw: '0x1ac1:0x089a',
      problem: await pciProblem(io, `${PCI_NODE}${index}`),
    })),
  );
}

async function pciProblem(io: ProbeIo, node: string): Promise<string | undefined> {
  if (await io.mayOpen(node)) return undefined;
  if (await io.exists(node)) return `${node} may not be opened: add the user to the group "apex" and log in again`;
  return `no ${node}: install the kernel driver (gasket-dkms)`;
}

function readAll(io: ProbeIo, folder: string, files: readonly string[]): Promise<readonly (string | undefined)[]> {
  return Promise.all(files.map((file) => io.readText(`${folder}/${file}`)));
}
