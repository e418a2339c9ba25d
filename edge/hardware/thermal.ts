import type { DeviceProfile, Evidence } from '#edge/contracts/hardware.ts';
import { evidenceOf, type Finding } from './evidence.ts';
import type { ProbeIo } from './probe-io.ts';

export type Thermal = DeviceProfile['thermal'];

const THERMAL_FOLDER = '/sys/class/thermal';
const PI_THROTTLED_FILE = '/sys/devices/platform/soc/soc:firmware/get_throttled';

/** Bits of the Raspberry Pi firmware's state that hold now: frequency capped, throttled, soft temperature limit. */
const PI_THROTTLED_BITS = 0b1110;

/** Degrees of a `temp` file in millidegrees; undefined for a sensor that is off (Tegra says -256 C) or nonsense. */
export function parseTemperature(text: string): number | undefined {
  const celsius = Number(text.trim() || Number.NaN) / 1000;
  return celsius > -100 && celsius < 200 ? celsius : undefined;
}

/** True when a cooling device slows a processor down; fans and idle ones do not count. */
export function parseCoolingDevice(type: string, state: string): boolean {
  return /cpufreq|processor|devfreq|gpu/i.test(type) && Number(state.trim()) > 0;
}

/** True when the Raspberry Pi firmware (`50005`, hexadecimal) slows the processor down at the moment. */
export function parsePiThrottled(text: string): boolean {
  return (Number.parseInt(text.trim().replace(/^throttled=/, ''), 16) & PI_THROTTLED_BITS) !== 0;
}

/** Hottest sensor and whether heat or weak power slows the device down. Linux only; elsewhere nothing is known. */
export async function probeThermal(io: ProbeIo): Promise<Finding<Thermal>> {
  if (io.system.platform !== 'linux') return { value: { throttled: false }, evidence: [] };
  const names = (await io.readDir(THERMAL_FOLDER)) ?? [];
  const [zones, coolers, pi] = await Promise.all([readZones(io, names), readThrottlingCoolers(io, names), io.readText(PI_THROTTLED_FILE)]);
  const hottest = zones.reduce<Zone | undefined>(
    (most, zone) => (most === undefined || zone.celsius > most.celsius ? zone : most),
    undefined,
  );
  const evidence: Evidence[] = [];
  if (hottest) evidence.push(evidenceOf('thermal.maxCelsius', hottest.path, `${hottest.celsius}`));
  for (const path of coolers) evidence.push(evidenceOf('thermal.throttled', path, 'cur_state > 0'));
  if (pi !== undefined) evidence.push(evidenceOf('thermal.throttled', PI_THROTTLED_FILE, pi));
  return {
    value: {
      ...(hottest ? { maxCelsius: hottest.celsius } : {}),
      throttled: coolers.length > 0 || (pi !== undefined && parsePiThrottled(pi)),
    },
    evidence,
  };
}

interface Zone {
  readonly path: string;
  readonly celsius: number;
}

async function readZones(io: ProbeIo, names: readonly string[]): Promise<readonly Zone[]> {
  const paths = names.filter((name) => name.startsWith('thermal_zone')).map((name) => `${THERMAL_FOLDER}/${name}/temp`);
  const texts = await Promise.all(paths.map((path) => io.readText(path)));
  return paths.flatMap((path, index) => {
    const celsius = parseTemperature(texts[index] ?? '');
    return celsius === undefined ? [] : [{ path, celsius }];
  });
}

async function readThrottlingCoolers(io: ProbeIo, names: readonly string[]): Promise<readonly string[]> {
  const folders = names.filter((name) => name.startsWith('cooling_device')).map((name) => `${THERMAL_FOLDER}/${name}`);
  const states = await Promise.all(
    folders.map((folder) => Promise.all(['type', 'cur_state'].map((file) => io.readText(`${folder}/${file}`)))),
  );
  return folders.filter((_, index) => parseCoolingDevice(states[index]?.[0] ?? '', states[index]?.[1] ?? ''));
}
