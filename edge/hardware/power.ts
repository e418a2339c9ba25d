import type { DeviceProfile } from '#edge/contracts/hardware.ts';
import { evidenceOf, type Finding } from './evidence.ts';
import type { ProbeIo } from './probe-io.ts';

export type Power = DeviceProfile['power'];

const SUPPLY_FOLDER = '/sys/class/power_supply';
const COMMAND_TIMEOUT_MS = 1000;

/** Source by the supplies of `/sys/class/power_supply`: a battery that discharges beats a plug that says nothing. */
export function parsePowerSupplies(
  supplies: readonly { readonly type: string; readonly status: string; readonly online: string }[],
): Power {
  const onBattery = supplies.some(({ type, status }) => type.trim() === 'Battery' && status.trim() === 'Discharging');
  if (onBattery) return { source: 'battery' };
  const onMains = supplies.some(({ type, online }) => type.trim() !== 'Battery' && online.trim() === '1');
  return { source: onMains ? 'mains' : 'unknown' };
}

/** Source of macOS' `pmset -g batt`. */
export function parsePmset(text: string): Power {
  if (text.includes("'Battery Power'")) return { source: 'battery' };
  return { source: text.includes("'AC Power'") ? 'mains' : 'unknown' };
}

/** What feeds the device. Boards without a supply driver, such as a Raspberry Pi, say `unknown`. */
export async function probePower(io: ProbeIo): Promise<Finding<Power>> {
  if (io.system.platform === 'darwin') {
    const text = (await io.run('pmset', ['-g', 'batt'], COMMAND_TIMEOUT_MS)) ?? '';
    return { value: parsePmset(text), evidence: [evidenceOf('power', 'pmset -g batt', text)] };
  }
  const names = (io.system.platform === 'linux' ? await io.readDir(SUPPLY_FOLDER) : undefined) ?? [];
  const supplies = await Promise.all(
    names.map(async (name) => {
      const [type = '', status = '', online = ''] = await Promise.all(
        ['type', 'status', 'online'].map((file) => io.readText(`${SUPPLY_FOLDER}/${name}/${file}`)),
      );
      return { type, status, online };
    }),
  );
  const evidence = names.length === 0 ? [] : [evidenceOf('power', SUPPLY_FOLDER, JSON.stringify(supplies))];
  return { value: parsePowerSupplies(supplies), evidence };
}
