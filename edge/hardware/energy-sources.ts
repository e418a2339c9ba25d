import type { ProbeIo } from './probe-io.ts';

/** Counters of energy since some moment, one a processor package. */
export interface EnergyCounter {
  readonly kind: 'counter';
  readonly source: string;
  /** What each counter holds at most before it starts at zero again, in joules. */
  readonly rangesJoules: readonly number[];
  joules(): Promise<readonly number[] | undefined>;
}

/** A meter that tells the power of the moment. */
export interface PowerGauge {
  readonly kind: 'gauge';
  readonly source: string;
  /** Between two looks, in milliseconds: a look must not cost what it measures. */
  readonly periodMs: number;
  watts(): Promise<number | undefined>;
}

/** A meter, the reason why one that is there cannot be read, or undefined where there is none. */
type EnergySource<T> = Promise<T | string | undefined>;

const RAPL_FOLDER = '/sys/class/powercap';
const HWMON_FOLDER = '/sys/class/hwmon';
const RAIL_CHANNELS = [1, 2, 3];
const RAIL_PERIOD_MS = 50;
const PMIC_PERIOD_MS = 500;
const PMIC_TIMEOUT_MS = 1000;

/**
 * Rails whose sum is the power of a Jetson AGX Orin module, by the labels of its INA3221 sensors; the smaller modules
 * have `VDD_IN`, which is all of it (NVIDIA's developer guide, "Platform Power and Performance").
 */
const AGX_RAILS = ['VDD_GPU_SOC', 'VDD_CPU_CV', 'VIN_SYS_5V0'];

/** Whole number of a file such as `energy_uj` or `curr1_input`; undefined for none, a negative or an absurd one. */
export function parseCount(text: string): number | undefined {
  const count = /^\d+$/.test(text.trim()) ? Number(text.trim()) : Number.NaN;
  return Number.isSafeInteger(count) ? count : undefined;
}

/**
 * Watts of all rails in `vcgencmd pmic_read_adc`, which lists `VDD_CORE_A current(7)=1.2A` and `VDD_CORE_V
 * volt(15)=0.72V`; undefined when no rail has both. What hangs on the 5 V input itself (USB) has no current there.
 */
export function parsePmicAdc(text: string): number | undefined {
  const amperes = new Map<string, number>();
  const volts = new Map<string, number>();
  for (const [, name = '', kind, value] of text.matchAll(/^[ \t]*(\w+)_[AV] (current|volt)\(\d+\)=(\d+(?:\.\d+)?)[AV][ \t\r]*$/gm)) {
    (kind === 'current' ? amperes : volts).set(name, Number(value));
  }
  const watts = [...amperes].map(([name, current]) => current * (volts.get(name) ?? Number.NaN)).filter((value) => value >= 0);
  return watts.length === 0 ? undefined : sum(watts);
}

/**
 * Counters of the processor packages (RAPL: Intel, and AMD since Zen) as Linux' powercap shows them. Since Linux 5.10
 * only root may read them.
 */
export async function findRapl(io: ProbeIo): EnergySource<EnergyCounter> {
  const zones = ((await io.readDir(RAPL_FOLDER)) ?? []).filter((name) => /^intel-rapl:\d+$/.test(name));
  const names = await Promise.all(zones.map((zone) => io.readText(`${RAPL_FOLDER}/${zone}/name`)));
  const packages = zones.filter((_, index) => names[index]?.startsWith('package-')).map((zone) => `${RAPL_FOLDER}/${zone}`);
  if (packages.length === 0) return undefined;
  const read = (file: string): Promise<readonly number[] | undefined> => readJoules(io, packages, file);
  const source = packages.map((path) => `${path}/energy_uj`).join(', ');
  const [ranges, first] = await Promise.all([read('max_energy_range_uj'), read('energy_uj')]);
  if (!ranges || !first) return `${source} cannot be read: since Linux 5.10 only root may`;
  return { kind: 'counter', source, rangesJoules: ranges, joules: () => read('energy_uj') };
}

/** The INA3221 sensors of a Jetson module: `in1_label`, millivolts in `in1_input`, milliamperes in `curr1_input`. */
export async function findJetsonRails(io: ProbeIo): EnergySource<PowerGauge> {
  const rails = await listRails(io);
  const input = rails.filter(({ label }) => label === 'VDD_IN');
  const parts = rails.filter(({ label }) => AGX_RAILS.includes(label));
  const chosen = input.length > 0 ? input : parts.length === AGX_RAILS.length ? parts : [];
  if (chosen.length === 0)
    return rails.length === 0 ? undefined : `INA3221 rails ${rails.map(({ label }) => label).join(', ')} are not a known set`;
  return {
    kind: 'gauge',
    source: chosen.map(({ voltage, label }) => `${voltage} (${label})`).join(', '),
    periodMs: RAIL_PERIOD_MS,
    watts: async () => {
      const values = await Promise.all(chosen.map((rail) => readWatts(io, rail)));
      return values.some(Number.isNaN) ? undefined : sum(values);
    },
  };
}

/** The power management chip of a Raspberry Pi 5, which only its firmware tool shows, to root and the group `video`. */
export async function findPiPmic(io: ProbeIo): EnergySource<PowerGauge> {
  if (!(await io.readText('/proc/device-tree/model'))?.startsWith('Raspberry Pi 5')) return undefined;
  const watts = async (): Promise<number | undefined> => parsePmicAdc((await io.run('vcgencmd', ['pmic_read_adc'], PMIC_TIMEOUT_MS)) ?? '');
  const source = 'vcgencmd pmic_read_adc';
  if ((await watts()) === undefined) return `${source} gives nothing: it needs the tool and the group video`;
  return { kind: 'gauge', source, periodMs: PMIC_PERIOD_MS, watts };
}

interface Rail {
  readonly label: string;
  readonly voltage: string;
  readonly current: string;
}

async function listRails(io: ProbeIo): Promise<readonly Rail[]> {
  const folders = ((await io.readDir(HWMON_FOLDER)) ?? []).map((name) => `${HWMON_FOLDER}/${name}`);
  const names = await Promise.all(folders.map((folder) => io.readText(`${folder}/name`)));
  const sensors = folders.filter((_, index) => names[index]?.trim() === 'ina3221');
  const rails = sensors.flatMap((folder) =>
    RAIL_CHANNELS.map(async (channel) => ({
      label: (await io.readText(`${folder}/in${channel}_label`))?.trim() ?? '',
      voltage: `${folder}/in${channel}_input`,
      current: `${folder}/curr${channel}_input`,
    })),
  );
  return (await Promise.all(rails)).filter(({ label }) => label !== '' && label !== 'NC');
}

async function readWatts(io: ProbeIo, rail: Rail): Promise<number> {
  const [millivolts, milliamperes] = await Promise.all([io.readText(rail.voltage), io.readText(rail.current)]);
  return ((parseCount(millivolts ?? '') ?? Number.NaN) * (parseCount(milliamperes ?? '') ?? Number.NaN)) / 1e6;
}

async function readJoules(io: ProbeIo, folders: readonly string[], file: string): Promise<readonly number[] | undefined> {
  const texts = await Promise.all(folders.map((folder) => io.readText(`${folder}/${file}`)));
  const counts = texts.flatMap((text) => parseCount(text ?? '') ?? []);
  return counts.length === folders.length ? counts.map((microjoules) => microjoules / 1e6) : undefined;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
