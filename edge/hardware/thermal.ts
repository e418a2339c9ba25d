import type { DeviceProfile, Evidence } from '#edge/contracts/hardware.ts';
import { evidenceOf, type Finding } from './evidence.ts';
import type { ProbeIo } from './probe-io.ts';

export type Thermal = DeviceProfile['thermal'];

const THERMAL_FOLDER = '/sys/class/thermal';
const FREQUENCY_FOLDER = '/sys/devices/system/cpu/cpufreq';
const PI_THROTTLED_FILE = '/sys/devices/platform/soc/soc:firmware/get_throttled';
const COMMAND_TIMEOUT_MS = 1000;

/** Bits of the Raspberry Pi firmware's state that hold now: frequency capped, throttled, soft temperature limit. */
const PI_THROTTLED_BITS = 0b1110;

/** A clock that may not reach this share of the hardware's highest is capped. */
const CAPPED_SHARE = 0.95;

/** Degrees of a `temp` file in millidegrees; undefined for a sensor that is off (Tegra says -256 C) or nonsense. */
export function parseTemperature(text: string): number | undefined {
  const celsius = Number(text.trim() || Number.NaN) / 1000;
  return celsius > -100 && celsius < 200 ? celsius : undefined;
}

/**
 * True when a cooling device slows a processor down; fans and idle ones do not count. Tegra's `cpu-throttle-alert` and its
 * like say that the firmware does.
 */
export function parseCoolingDevice(type: string, state: string): boolean {
  return /cpufreq|processor|devfreq|gpu|powerclamp|throttle-alert/i.test(type) && Number(state.trim()) > 0;
}

/** True when the Raspberry Pi firmware (`50005`, hexadecimal) slows the processor down at the moment. */
export function parsePiThrottled(text: string): boolean {
  return (Number.parseInt(text.trim().replace(/^throttled=/, ''), 16) & PI_THROTTLED_BITS) !== 0;
}

/** True when macOS' `pmset -g therm` limits the clock of an Intel Mac; Apple Silicon tells nothing there. */
export function parsePmsetTherm(text: string): boolean {
  const match = /CPU_Speed_Limit\s*=\s*(\d+)/.exec(text);
  return match !== null && Number(match[1]) < 100;
}

/** True when a clock may not go up to what the hardware can, in kHz. */
export function parseFrequencyCap(allowed: string, hardware: string): boolean {
  const [most, limit] = [Number(hardware.trim()), Number(allowed.trim())];
  return most > 0 && limit > 0 && limit < CAPPED_SHARE * most;
}

/**
 * Hottest sensor and whether heat or weak power slows the device down: a cooling device of the processor at work, the
 * firmware of a Raspberry Pi, or a capped clock while a sensor stands at its passive trip point (a cap alone may be
 * somebody's wish). Windows tells nothing.
 */
export async function probeThermal(io: ProbeIo): Promise<Finding<Thermal>> {
  if (io.system.platform === 'darwin') return probeMac(io);
  if (io.system.platform !== 'linux') return { value: { throttled: false }, evidence: [] };
  const names = (await io.readDir(THERMAL_FOLDER)) ?? [];
  const [zones, coolers, pi] = await Promise.all([readZones(io, names), readThrottlingCoolers(io, names), readPi(io)]);
  const hottest = zones.reduce<Zone | undefined>((most, zone) => (most && most.celsius >= zone.celsius ? most : zone), undefined);
  const capped = zones.some(({ isPassive }) => isPassive) ? await readCappedClock(io) : undefined;
  const evidence: Evidence[] = [];
  if (hottest) evidence.push(evidenceOf('thermal.maxCelsius', hottest.path, `${hottest.celsius}`));
  for (const path of coolers) evidence.push(evidenceOf('thermal.throttled', path, 'cur_state > 0'));
  if (pi) evidence.push(evidenceOf('thermal.throttled', pi.path, pi.text));
  if (capped !== undefined) evidence.push(evidenceOf('thermal.throttled', capped, 'capped, and a sensor at its passive trip point'));
  const throttled = coolers.length > 0 || capped !== undefined || (pi !== undefined && parsePiThrottled(pi.text));
  return { value: { ...(hottest ? { maxCelsius: hottest.celsius } : {}), throttled }, evidence };
}

async function probeMac(io: ProbeIo): Promise<Finding<Thermal>> {
  const text = (await io.run('pmset', ['-g', 'therm'], COMMAND_TIMEOUT_MS)) ?? '';
  return { value: { throttled: parsePmsetTherm(text) }, evidence: [evidenceOf('thermal.throttled', 'pmset -g therm', text)] };
}

interface Zone {
  readonly path: string;
  readonly celsius: number;
  /** At or above the temperature at which the kernel begins to slow down. */
  readonly isPassive: boolean;
}

async function readZones(io: ProbeIo, names: readonly string[]): Promise<readonly Zone[]> {
  const folders = names.filter((name) => name.startsWith('thermal_zone')).map((name) => `${THERMAL_FOLDER}/${name}`);
  const zones = await Promise.all(
    folders.map(async (folder) => {
      const path = `${folder}/temp`;
      const celsius = parseTemperature((await io.readText(path)) ?? '');
      if (celsius === undefined) return [];
      const trip = await readPassiveTrip(io, folder);
      return [{ path, celsius, isPassive: trip !== undefined && celsius >= trip }];
    }),
  );
  return zones.flat();
}

/** Lowest passive trip point above 0; sensors without one report 0 or less. */
async function readPassiveTrip(io: ProbeIo, folder: string): Promise<number | undefined> {
  const types = ((await io.readDir(folder)) ?? []).filter((name) => /^trip_point_\d+_type$/.test(name));
  const trips = await Promise.all(
    types.map(async (name) => {
      const [type, temperature] = await Promise.all([
        io.readText(`${folder}/${name}`),
        io.readText(`${folder}/${name.replace('_type', '_temp')}`),
      ]);
      const celsius = parseTemperature(temperature ?? '');
      return type?.trim() === 'passive' && celsius !== undefined && celsius > 0 ? [celsius] : [];
    }),
  );
  const all = trips.flat();
  return all.length === 0 ? undefined : Math.min(...all);
}

async function readThrottlingCoolers(io: ProbeIo, names: readonly string[]): Promise<readonly string[]> {
  const folders = names.filter((name) => name.startsWith('cooling_device')).map((name) => `${THERMAL_FOLDER}/${name}`);
  const states = await Promise.all(
    folders.map((folder) => Promise.all(['type', 'cur_state'].map((file) => io.readText(`${folder}/${file}`)))),
  );
  return folders.filter((_, index) => parseCoolingDevice(states[index]?.[0] ?? '', states[index]?.[1] ?? ''));
}

async function readCappedClock(io: ProbeIo): Promise<string | undefined> {
  for (const policy of (await io.readDir(FREQUENCY_FOLDER)) ?? []) {
    const path = `${FREQUENCY_FOLDER}/${policy}/scaling_max_freq`;
    const [allowed, hardware] = await Promise.all([io.readText(path), io.readText(`${FREQUENCY_FOLDER}/${policy}/cpuinfo_max_freq`)]);
    if (parseFrequencyCap(allowed ?? '', hardware ?? '')) return path;
  }
  return undefined;
}

/** The firmware's state from the kernel, or through its tool where the kernel does not show it. */
async function readPi(io: ProbeIo): Promise<{ readonly path: string; readonly text: string } | undefined> {
  const file = await io.readText(PI_THROTTLED_FILE);
  if (file !== undefined) return { path: PI_THROTTLED_FILE, text: file };
  if (!(await io.readText('/proc/device-tree/model'))?.startsWith('Raspberry Pi')) return undefined;
  const text = await io.run('vcgencmd', ['get_throttled'], COMMAND_TIMEOUT_MS);
  return text === undefined ? undefined : { path: 'vcgencmd get_throttled', text };
}
