import type { DeviceProfile, Evidence } from '#edge/contracts/hardware.ts';
import { evidenceOf, type Finding } from './evidence.ts';
import { probePowerMode } from './power-mode.ts';
import type { ProbeIo } from './probe-io.ts';
import { readWindows, WINDOWS_SOURCE } from './windows.ts';

export type Power = DeviceProfile['power'];
export type PowerSource = Power['source'];

/** Files of one folder of `/sys/class/power_supply`; empty where one is missing. */
export interface PowerSupply {
  readonly type: string;
  readonly status: string;
  readonly online: string;
  /** `Device` for what feeds a mouse or a headset. */
  readonly scope: string;
}

const SUPPLY_FOLDER = '/sys/class/power_supply';
const COMMAND_TIMEOUT_MS = 1000;

/** `Win32_Battery.BatteryStatus`: discharging, low, critical. */
const WINDOWS_DISCHARGING = [1, 4, 5];

/** Source by the supplies of `/sys/class/power_supply`: a battery that discharges beats a plug that says nothing. */
export function parsePowerSupplies(supplies: readonly PowerSupply[]): PowerSource {
  const own = supplies.filter(({ scope }) => scope.trim() !== 'Device');
  if (own.some(({ type, status }) => type.trim() === 'Battery' && status.trim() === 'Discharging')) return 'battery';
  return own.some(({ type, online }) => type.trim() !== 'Battery' && online.trim() === '1') ? 'mains' : 'unknown';
}

/** Source of macOS' `pmset -g batt`. */
export function parsePmset(text: string): PowerSource {
  if (text.includes("'Battery Power'")) return 'battery';
  return text.includes("'AC Power'") ? 'mains' : 'unknown';
}

/** What feeds the device and what limits its clocks. Boards without a supply driver, such as a Raspberry Pi, say `unknown`. */
export async function probePower(io: ProbeIo): Promise<Finding<Power>> {
  const [source, mode] = await Promise.all([probeSource(io), probePowerMode(io)]);
  return {
    value: { source: source.value, ...(mode ? { mode: mode.value } : {}) },
    evidence: [...source.evidence, ...(mode?.evidence ?? [])],
  };
}

async function probeSource(io: ProbeIo): Promise<Finding<PowerSource>> {
  if (io.system.platform === 'darwin') {
    const text = (await io.run('pmset', ['-g', 'batt'], COMMAND_TIMEOUT_MS)) ?? '';
    return { value: parsePmset(text), evidence: [evidenceOf('power.source', 'pmset -g batt', text)] };
  }
  if (io.system.platform === 'win32') return probeWindowsSource(io);
  const names = (io.system.platform === 'linux' ? await io.readDir(SUPPLY_FOLDER) : undefined) ?? [];
  const supplies = await Promise.all(names.map((name) => readSupply(io, `${SUPPLY_FOLDER}/${name}`)));
  const evidence: readonly Evidence[] = names.length === 0 ? [] : [evidenceOf('power.source', SUPPLY_FOLDER, JSON.stringify(supplies))];
  return { value: parsePowerSupplies(supplies), evidence };
}

async function probeWindowsSource(io: ProbeIo): Promise<Finding<PowerSource>> {
  const facts = await readWindows(io);
  if (!facts) return { value: 'unknown', evidence: [] };
  const { batteryStatus } = facts;
  const value = batteryStatus !== undefined && WINDOWS_DISCHARGING.includes(batteryStatus) ? 'battery' : 'mains';
  return { value, evidence: [evidenceOf('power.source', WINDOWS_SOURCE, `BatteryStatus ${batteryStatus ?? 'none'}`)] };
}

async function readSupply(io: ProbeIo, folder: string): Promise<PowerSupply> {
  const [type = '', status = '', online = '', scope = ''] = await Promise.all(
    ['type', 'status', 'online', 'scope'].map((file) => io.readText(`${folder}/${file}`)),
  );
  return { type, status, online, scope };
}
