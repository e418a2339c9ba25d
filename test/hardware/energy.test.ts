import { expect, it } from 'vitest';
import { sleep } from '#edge/core/clock.ts';
import { type EnergyMeter, findEnergyMeter, joulesBetween } from '#edge/hardware/energy.ts';
import { parseCount, parsePmicAdc } from '#edge/hardware/energy-sources.ts';
import type { ProbeIo } from '#edge/hardware/probe-io.ts';
import { recordedIo } from './recorded-io.ts';

const RAPL = '/sys/class/powercap/intel-rapl:0';
const PMIC =
  '   VDD_CORE_A current(7)=2.00000000A\n   1V1_SYS_A current(1)=0.50000000A\n   VDD_CORE_V volt(15)=0.75000000V\n   1V1_SYS_V volt(9)=1.10000000V\n    EXT5V_V volt(24)=5.15500000V\n';

function raplFiles(energy: string | undefined): Readonly<Record<string, string | undefined>> {
  return { [`${RAPL}/name`]: 'package-0\n', [`${RAPL}/max_energy_range_uj`]: '262143328850\n', [`${RAPL}/energy_uj`]: energy };
}

async function meterOf(io: ProbeIo): Promise<EnergyMeter> {
  const search = await findEnergyMeter(io);
  if ('reason' in search) throw new TypeError(search.reason);
  return search.meter;
}

it('counts joules over a counter that starts anew, and none of one that stands still', () => {
  expect(joulesBetween([10, 5], [12, 9], [100, 100])).toBe(6);
  expect(joulesBetween([98], [3], [100])).toBe(5);
  expect(joulesBetween([7], [7], [100])).toBeUndefined();
  expect(joulesBetween([7], [], [100])).toBeUndefined();
});

it('meters work with RAPL', async () => {
  const io = recordedIo('x64-no-avx', { texts: raplFiles('1000000') });
  const counts = ['1000000', '262143000000', '2671150'];
  const meter = await meterOf({ ...io, readText: async (path) => (path === `${RAPL}/energy_uj` ? counts.shift() : io.readText(path)) });
  const { result, joules, seconds } = await meter.measure(() => sleep(5).then(() => 'done'));
  expect([meter.source, result]).toEqual([`${RAPL}/energy_uj`, 'done']);
  expect(joules).toBeCloseTo(3, 9);
  expect(seconds).toBeGreaterThan(0);
});

it('says that only root may read RAPL', async () => {
  const io = recordedIo('x64-no-avx', { texts: raplFiles(undefined) });
  expect(await findEnergyMeter(io)).toEqual({ reason: `${RAPL}/energy_uj cannot be read: since Linux 5.10 only root may` });
});

const rail = (
  folder: string,
  channel: number,
  label: string,
  millivolts: number,
  milliamperes: number,
): Readonly<Record<string, string>> => ({
  [`/sys/class/hwmon/${folder}/name`]: 'ina3221\n',
  [`/sys/class/hwmon/${folder}/in${channel}_label`]: `${label}\n`,
  [`/sys/class/hwmon/${folder}/in${channel}_input`]: `${millivolts}\n`,
  [`/sys/class/hwmon/${folder}/curr${channel}_input`]: `${milliamperes}\n`,
});

it('integrates the input rail of a small Jetson, alone', async () => {
  const texts = { ...rail('hwmon1', 1, 'VDD_IN', 5000, 2000), ...rail('hwmon1', 2, 'VDD_CPU_GPU_CV', 5000, 400) };
  const meter = await meterOf(recordedIo('jetson-orin-nano', { texts }));
  const { joules, seconds } = await meter.measure(() => sleep(120));
  expect(joules).toBeCloseTo(10 * seconds, 6);
});

it('adds up the rails of an AGX, and refuses a set that it does not know', async () => {
  const known = {
    ...rail('hwmon2', 1, 'VDD_GPU_SOC', 20_000, 200),
    ...rail('hwmon2', 2, 'VDD_CPU_CV', 20_000, 100),
    ...rail('hwmon2', 3, 'VIN_SYS_5V0', 5000, 800),
    ...rail('hwmon3', 2, 'VDDQ_VDD2_1V8AO', 5000, 9000),
  };
  const meter = await meterOf(recordedIo('jetson-orin-nano', { texts: known }));
  const { joules, seconds } = await meter.measure(() => sleep(20));
  expect(joules).toBeCloseTo(10 * seconds, 6);
  const other = recordedIo('jetson-orin-nano', { texts: rail('hwmon2', 1, 'VDD_GPU_SOC', 20_000, 200) });
  expect(await findEnergyMeter(other)).toEqual({ reason: 'INA3221 rails VDD_GPU_SOC are not a known set' });
});

it('reads the power chip of a Raspberry Pi 5 through its tool', async () => {
  expect(parsePmicAdc(PMIC)).toBeCloseTo(2.05, 9);
  expect(parsePmicAdc('    EXT5V_V volt(24)=5.15500000V\n')).toBeUndefined();
  const io = recordedIo('raspberry-pi-5');
  expect(await findEnergyMeter(io)).toEqual({ reason: 'vcgencmd pmic_read_adc gives nothing: it needs the tool and the group video' });
  const meter = await meterOf({ ...io, run: async () => PMIC });
  const { joules, seconds } = await meter.measure(() => sleep(20));
  expect(joules).toBeCloseTo(2.05 * seconds, 6);
});

it('stops reading when the work fails, and gives its error', async () => {
  const io = recordedIo('jetson-orin-nano', { texts: rail('hwmon1', 1, 'VDD_IN', 5000, 2000) });
  let looks = 0;
  const meter = await meterOf({
    ...io,
    readText: (path) =>
      io.readText(path).finally(() => {
        looks += 1;
      }),
  });
  await expect(meter.measure(() => Promise.reject(new RangeError('no')))).rejects.toThrow('no');
  const after = looks;
  await sleep(150);
  expect(looks).toBe(after);
});

it.each(['apple-m2', 'alpine-musl', 'raspberry-pi-4'])('says why %s has no meter', async (board) => {
  expect(await findEnergyMeter(recordedIo(board))).toEqual({ reason: expect.stringContaining('no energy meter') });
});

it.each(['', '-1', '1.5', '9223372036854775807', 'x'])('reads no count in %j', (text) => expect(parseCount(text)).toBeUndefined());
