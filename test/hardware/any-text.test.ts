import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAppleAccelerators } from '#edge/hardware/apple.ts';
import { parseDeviceTreeModel, parseTegraRelease } from '#edge/hardware/board.ts';
import { parseCgroup } from '#edge/hardware/cgroup.ts';
import { parseCpuInfo, parseSysctlCpu } from '#edge/hardware/cpu.ts';
import { parseCpuTimes } from '#edge/hardware/cpu-times.ts';
import { probeDevice } from '#edge/hardware/device-profile.ts';
import { isUsbEdgeTpu } from '#edge/hardware/edge-tpu.ts';
import { findEnergyMeter } from '#edge/hardware/energy.ts';
import { parseCount, parsePmicAdc } from '#edge/hardware/energy-sources.ts';
import { parseTegraChip } from '#edge/hardware/jetson.ts';
import { parseMuslVersion } from '#edge/hardware/libc.ts';
import { parseLoadAverage, parsePressure, probeLoad } from '#edge/hardware/load.ts';
import { parseMemInfo, parseMemoryLimit, parseVmStat } from '#edge/hardware/memory.ts';
import { parseCudaVersion, parseGpuInformation, parseNvidiaDriver, parseNvidiaSmi } from '#edge/hardware/nvidia.ts';
import { parsePmset, parsePowerSupplies } from '#edge/hardware/power.ts';
import { parseLowPowerMode, parseNvpModel } from '#edge/hardware/power-mode.ts';
import type { ProbeIo } from '#edge/hardware/probe-io.ts';
import { parseSysctl } from '#edge/hardware/sysctl.ts';
import { parseCoolingDevice, parseFrequencyCap, parsePiThrottled, parsePmsetTherm, parseTemperature } from '#edge/hardware/thermal.ts';
import { parseAffinity, parseCfsQuota, parseCpuList, parseCpuMax } from '#edge/hardware/usable-cores.ts';
import { hasVulkanDriver, parsePciId, parseUevent } from '#edge/hardware/vulkan.ts';
import { parseWindowsFacts } from '#edge/hardware/windows.ts';
import { recordedIo } from './recorded-io.ts';

describe('any text whatever', () => {
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.json(),
    fc.string().map((value) => `${value}: 99999999999999999999 kB\n\n`),
  );
  const parsers: readonly ((text: string) => unknown)[] = [
    (value) => parseCpuInfo(value, [0, 1]),
    parseSysctlCpu,
    parseSysctl,
    parseAppleAccelerators,
    parseMemInfo,
    parseVmStat,
    parseDeviceTreeModel,
    parseTegraRelease,
    parseTegraChip,
    parseMuslVersion,
    parseNvidiaDriver,
    parseNvidiaSmi,
    parseCudaVersion,
    parseGpuInformation,
    parsePmset,
    parsePmsetTherm,
    parseLowPowerMode,
    parseTemperature,
    parsePiThrottled,
    parseCpuList,
    parseAffinity,
    parseCpuMax,
    parseCpuTimes,
    parsePressure,
    parseLoadAverage,
    parseCount,
    parsePmicAdc,
    parseUevent,
    parsePciId,
    parseWindowsFacts,
    (value) => parseCfsQuota(value, value),
    (value) => parseNvpModel(value, value),
    (value) => parseFrequencyCap(value, value),
    (value) => parseCoolingDevice(value, value),
    (value) => parsePowerSupplies([{ type: value, status: value, online: value, scope: value }]),
    (value) => parseMemoryLimit(value, value, value),
    (value) => parseCgroup(value, 'memory'),
    (value) => isUsbEdgeTpu(value, value),
    (value) => hasVulkanDriver([value], value),
  ];

  it('throws in no parser', () => {
    fc.assert(
      fc.property(text, (value) => {
        for (const parse of parsers) parse(value);
      }),
    );
  });

  it('leaves numbers that a machine can have', () => {
    const numbers = fc.oneof(fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }), fc.double(), fc.constant('NaN'));
    fc.assert(
      fc.property(numbers, numbers, (one, two) => {
        const memory = parseMemInfo(`MemTotal: ${one} kB\nMemAvailable: ${two} kB\nSwapTotal: ${two} kB\n`);
        expect(memory?.totalBytes ?? 1).toBeGreaterThan(0);
        expect(memory?.totalBytes ?? 1).toBeLessThan(2 ** 48);
        expect(memory?.availableBytes ?? 0).toBeLessThanOrEqual(memory?.totalBytes ?? 0);
        const cpu = parseSysctlCpu(`hw.logicalcpu: ${one}\nhw.physicalcpu: ${two}\nhw.perflevel0.physicalcpu: ${two}\n`);
        expect(cpu?.logicalCores ?? 1).toBeGreaterThanOrEqual(1);
        expect(cpu?.logicalCores ?? 1).toBeLessThanOrEqual(8192);
        expect(cpu?.physicalCores ?? 1).toBeLessThanOrEqual(cpu?.logicalCores ?? 1);
        expect(parseCpuMax(`${one} ${two}`) ?? 1).toBeGreaterThan(0);
        expect(parseCfsQuota(`${one}`, `${two}`) ?? 1).toBeLessThanOrEqual(8192);
        expect(parseMemoryLimit(`${one}`, `${two}`, '')?.availableBytes ?? 0).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it('as every file and every output gives a profile with usable numbers', async () => {
    const boards = fc.constantFrom(
      'jetson-orin-nano',
      'raspberry-pi-5',
      'nvidia-desktop',
      'apple-m1',
      'windows-laptop',
      'coral-usb',
      'alpine-musl',
    );
    await fc.assert(
      fc.asyncProperty(boards, fc.infiniteStream(fc.option(text, { nil: undefined })), async (board, answers) => {
        const io = recordedIo(board);
        const answer = async (): Promise<string | undefined> => answers.next().value;
        const port: ProbeIo = {
          ...io,
          readText: answer,
          run: answer,
          readDir: async () => [(await answer()) ?? '', 'renderD128', 'hwmon0'],
        };
        const { cpu, memory, thermal, evidence, accelerators } = await probeDevice(port);
        expect(cpu.logicalCores).toBeGreaterThanOrEqual(1);
        expect(cpu.usableCores).toBeGreaterThanOrEqual(0.1);
        expect(cpu.usableCores).toBeLessThanOrEqual(cpu.logicalCores);
        expect(memory.totalBytes).toBeGreaterThan(0);
        expect(memory.availableBytes).toBeLessThanOrEqual(memory.totalBytes);
        expect(Number.isFinite(thermal.maxCelsius ?? 0)).toBe(true);
        for (const { raw } of [...evidence, ...accelerators.flatMap((one) => one.evidence)]) expect(raw.length).toBeLessThanOrEqual(200);
        expect(await findEnergyMeter(port)).toBeDefined();
        expect((await probeLoad(port, cpu.logicalCores, { windowMs: 0 })).busyCores).toBeLessThanOrEqual(cpu.logicalCores);
      }),
      { numRuns: 50 },
    );
  });
});
