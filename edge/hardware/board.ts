import type { DeviceProfile } from '#edge/contracts/hardware.ts';
import { evidenceOf, type Finding } from './evidence.ts';
import type { ProbeIo } from './probe-io.ts';
import { parseSysctl, readSysctl } from './sysctl.ts';
import { readWindows, WINDOWS_SOURCE } from './windows.ts';

export type Board = DeviceProfile['board'];

/** Where the kernel shows the device tree; the second is what the first links to. */
const DEVICE_TREE_FILES = ['/proc/device-tree/model', '/sys/firmware/devicetree/base/model'];
const TEGRA_RELEASE_FILE = '/etc/nv_tegra_release';
const MOST_NAME_LENGTH = 200;
const DMI_FILES = ['/sys/class/dmi/id/sys_vendor', '/sys/class/dmi/id/product_name'];

/** The board of a device tree's `model`, which ends in a NUL byte; undefined when it is empty. */
export function parseDeviceTreeModel(text: string): Board | undefined {
  const name = text.replaceAll('\0', '').trim().slice(0, MOST_NAME_LENGTH);
  if (name === '') return undefined;
  if (/jetson|tegra|nvidia orin/i.test(name)) return { kind: 'jetson', name };
  if (/^raspberry pi/i.test(name)) return { kind: 'raspberry-pi', name };
  return { kind: 'generic', name };
}

/** L4T release such as `36.4.3` of `/etc/nv_tegra_release`; undefined when the line is another. */
export function parseTegraRelease(text: string): string | undefined {
  const match = /#\s*R(\d+)\s*\(release\),\s*REVISION:\s*([\d.]+)/.exec(text);
  return match ? `${match[1]}.${match[2]}` : undefined;
}

/** Names the board from the device tree (ARM), the Jetson release file, `sysctl` (Apple), DMI (PC) or CIM (Windows). */
export async function probeBoard(io: ProbeIo): Promise<Finding<Board>> {
  if (io.system.platform === 'darwin') return probeApple(io);
  if (io.system.platform === 'win32') return probeWindowsBoard(io);
  if (io.system.platform !== 'linux') return { value: { kind: 'generic', name: '' }, evidence: [] };
  for (const path of DEVICE_TREE_FILES) {
    const text = await io.readText(path);
    const board = text === undefined ? undefined : parseDeviceTreeModel(text);
    if (board) return withTegraRelease(io, { value: board, evidence: [evidenceOf('board', path, text ?? '')] });
  }
  return withTegraRelease(io, await probeDmi(io));
}

async function withTegraRelease(io: ProbeIo, board: Finding<Board>): Promise<Finding<Board>> {
  const text = await io.readText(TEGRA_RELEASE_FILE);
  const release = text === undefined ? undefined : parseTegraRelease(text);
  if (release === undefined) return board;
  const name = board.value.name || 'NVIDIA Jetson';
  return {
    value: { kind: 'jetson', name: `${name} (L4T ${release})` },
    evidence: [...board.evidence, evidenceOf('board', TEGRA_RELEASE_FILE, text ?? '')],
  };
}

async function probeApple(io: ProbeIo): Promise<Finding<Board>> {
  const values = parseSysctl(await readSysctl(io));
  const model = values.get('hw.model') ?? 'Mac';
  const name = `${model} (${values.get('machdep.cpu.brand_string') ?? io.system.cpuModel})`;
  return { value: { kind: 'apple', name }, evidence: [evidenceOf('board', 'sysctl hw.model', model)] };
}

async function probeWindowsBoard(io: ProbeIo): Promise<Finding<Board>> {
  const facts = await readWindows(io);
  const name = facts ? `${facts.manufacturer} ${facts.model}`.trim() : '';
  return { value: { kind: 'generic', name }, evidence: name === '' ? [] : [evidenceOf('board', WINDOWS_SOURCE, name)] };
}

async function probeDmi(io: ProbeIo): Promise<Finding<Board>> {
  const texts = await Promise.all(DMI_FILES.map((path) => io.readText(path)));
  const name = texts
    .map((text) => text?.trim())
    .filter(Boolean)
    .join(' ')
    .slice(0, MOST_NAME_LENGTH);
  const evidence = name === '' ? [] : [evidenceOf('board', DMI_FILES.join(', '), name)];
  return { value: { kind: 'generic', name }, evidence };
}
