import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAppleAccelerators } from '#edge/hardware/apple.ts';
import { parseDeviceTreeModel, parseTegraRelease } from '#edge/hardware/board.ts';
import { parseCgroup } from '#edge/hardware/cgroup.ts';
import { parseCpuInfo, parseSysctlCpu } from '#edge/hardware/cpu.ts';
import { isEdgeTpu, probeEdgeTpu } from '#edge/hardware/edge-tpu.ts';
import { parseTegraChip } from '#edge/hardware/jetson.ts';
import { parseMuslVersion } from '#edge/hardware/libc.ts';
import { parseMemInfo, parseMemoryLimit, parseVmStat } from '#edge/hardware/memory.ts';
import { parseGpuInformation, parseNvidiaDriver, parseNvidiaSmi } from '#edge/hardware/nvidia.ts';
import { parsePmset, parsePowerSupplies } from '#edge/hardware/power.ts';
import { parseSysctl } from '#edge/hardware/sysctl.ts';
import { parseCoolingDevice, parsePiThrottled, parseTemperature } from '#edge/hardware/thermal.ts';
import { parseAffinity, parseCfsQuota, parseCpuList, parseCpuMax } from '#edge/hardware/usable-cores.ts';
import { hasHardwareDriver, parseUevent } from '#edge/hardware/vulkan.ts';
import { recordedIo } from './recorded-io.ts';

describe('CPU', () => {
  it('counts physical cores over two sockets with hyper-threading', () => {
    const text = [0, 1, 2, 3, 4, 5, 6, 7]
      .map(
        (n) => `processor\t: ${n}\nmodel name\t: Xeon\nphysical id\t: ${n % 2}\ncore id\t\t: ${Math.floor(n / 2) % 2}\nflags\t\t: fpu avx2`,
      )
      .join('\n\n');
    expect(parseCpuInfo(text)).toEqual({ model: 'Xeon', flags: ['avx2'], logicalCores: 8, physicalCores: 4 });
  });

  it('names both kinds of cores of a big.LITTLE chip', () => {
    const core = (n: number, part: string): string => `processor: ${n}\nFeatures: fp asimd\nCPU implementer: 0x41\nCPU part: ${part}`;
    expect(parseCpuInfo([core(0, '0xd03'), core(1, '0xd08'), core(2, '0xfff')].join('\n\n'))?.model).toBe(
      'Cortex-A53 + Cortex-A72 + ARM 0x41/0xfff',
    );
  });

  it('reads RISC-V', () => {
    expect(parseCpuInfo('processor\t: 0\nisa\t\t: rv64imafdcv\nuarch\t\t: sifive,u74-mc\n')).toMatchObject({
      model: 'sifive,u74-mc',
      flags: ['rv64imafdcv'],
    });
  });

  it('translates the flags of an Intel Mac', () => {
    const text =
      'hw.logicalcpu: 8\nhw.physicalcpu: 4\nmachdep.cpu.features: FPU SSE4.2 AVX1.0 FMA\nmachdep.cpu.leaf7_features: AVX2 BMI2\n';
    expect(parseSysctlCpu(text)).toMatchObject({ flags: ['sse4_2', 'avx', 'fma', 'avx2', 'bmi2'], logicalCores: 8, physicalCores: 4 });
  });
});

describe('cores and control groups', () => {
  it.each([
    ['0-3,6', 5],
    ['7', 1],
    ['0-1\n', 2],
    ['', undefined],
    ['a-b', undefined],
    ['3-1', undefined],
  ])('counts CPU list %j as %j', (text, count) => expect(parseCpuList(text)).toBe(count));

  it.each([
    ['150000 100000', 1.5],
    ['max 100000', undefined],
    ['0 100000', undefined],
    ['nonsense', undefined],
  ])('reads cpu.max %j as %j', (text, cores) => expect(parseCpuMax(text)).toBe(cores));

  it('reads version 1 quotas and affinity', () => {
    expect(parseCfsQuota('50000\n', '100000\n')).toBe(0.5);
    expect(parseCfsQuota('-1\n', '100000\n')).toBeUndefined();
    expect(parseAffinity('Cpus_allowed:\tf\nCpus_allowed_list:\t0-3\n')).toBe(4);
    expect(parseAffinity('')).toBeUndefined();
  });

  it('lists every level of every tree that may limit the process', () => {
    expect(parseCgroup('0::/a/b\n', 'cpu').map(({ path }) => path)).toEqual([
      '/sys/fs/cgroup/a/b',
      '/sys/fs/cgroup/a',
      '/sys/fs/cgroup',
      '/sys/fs/cgroup/unified/a/b',
      '/sys/fs/cgroup/unified/a',
      '/sys/fs/cgroup/unified',
    ]);
    expect(parseCgroup('5:memory:/x\n4:cpu,cpuacct:/y\n', 'memory')).toEqual([
      { version: 1, path: '/sys/fs/cgroup/memory/x' },
      { version: 1, path: '/sys/fs/cgroup/memory' },
    ]);
    expect(parseCgroup('garbage', 'cpu')).toEqual([]);
  });
});

describe('memory', () => {
  it('uses free, buffers and cache on kernels without MemAvailable', () => {
    expect(parseMemInfo('MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 20 kB\nCached: 30 kB\n')).toEqual({
      totalBytes: 1_024_000,
      availableBytes: 153_600,
      swapBytes: 0,
    });
    expect(parseMemInfo('MemFree: 1 kB')).toBeUndefined();
  });

  it('gives reclaimable file pages back to a limited process', () => {
    expect(parseMemoryLimit('1000', '600', 'anon 1\ninactive_file 200\n')).toEqual({ limitBytes: 1000, availableBytes: 600 });
    expect(parseMemoryLimit('1000', '5000', '')).toEqual({ limitBytes: 1000, availableBytes: 0 });
  });

  it.each(['max', '9223372036854771712', '', '0', 'x'])('takes %j for no limit', (limit) => {
    expect(parseMemoryLimit(limit, '1', '')).toBeUndefined();
  });

  it('refuses what is not vm_stat', () => expect(parseVmStat('command not found')).toBeUndefined());
});

describe('boards and accelerators', () => {
  it('reads the device tree and the Jetson release', () => {
    expect(parseDeviceTreeModel('NVIDIA Jetson AGX Orin\0')).toEqual({ kind: 'jetson', name: 'NVIDIA Jetson AGX Orin' });
    expect(parseDeviceTreeModel('Radxa ROCK 5B\0')).toEqual({ kind: 'generic', name: 'Radxa ROCK 5B' });
    expect(parseDeviceTreeModel('\0')).toBeUndefined();
    expect(parseTegraRelease('# R35 (release), REVISION: 3.1, GCID: 32798077, BOARD: t186ref, EABI: aarch64')).toBe('35.3.1');
    expect(parseTegraRelease('Debian')).toBeUndefined();
    expect(parseTegraChip('nvidia,p3701-0000\0nvidia,tegra234\0')).toBe('tegra234');
    expect(parseTegraChip('raspberrypi,5-model-b')).toBeUndefined();
  });

  it('reads the NVIDIA driver, GPUs and unsupported cells', () => {
    expect(parseNvidiaDriver('NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024')).toBe('550.54.15');
    expect(parseNvidiaDriver('')).toBeUndefined();
    expect(parseGpuInformation('Model: \t\t NVIDIA RTX A6000\nIRQ: 1\n')).toBe('NVIDIA RTX A6000');
    expect(parseNvidiaSmi('NVIDIA RTX A6000, 49140, 550.54.15\nGB10, [N/A], 580.1\n')).toEqual([
      { name: 'NVIDIA RTX A6000', memoryBytes: 49_140 * 1024 * 1024 },
      { name: 'GB10' },
    ]);
    expect(parseNvidiaSmi('No devices were found\n')).toEqual([]);
  });

  it('shows no Neural Engine in a virtual Mac and nothing on an Intel one', () => {
    expect(parseAppleAccelerators('machdep.cpu.brand_string: Apple M1 (Virtual)\n').map(({ kind }) => kind)).toEqual(['metal']);
    expect(parseAppleAccelerators('machdep.cpu.brand_string: Intel(R) Core(TM) i7\n')).toEqual([]);
  });

  it('tells the software renderer from a Vulkan driver', () => {
    expect(hasHardwareDriver(['lvp_icd.x86_64.json'])).toBe(false);
    expect(hasHardwareDriver(['lvp_icd.x86_64.json', 'intel_icd.x86_64.json'])).toBe(true);
    expect(parseUevent('MAJOR=1\nDRIVER=i915\n')).toBe('i915');
  });

  it('finds a Coral stick by its ids before and after its firmware is loaded', async () => {
    expect(isEdgeTpu('1a6e\n', '089a\n')).toBe(true);
    expect(isEdgeTpu('18d1', '9302')).toBe(true);
    expect(isEdgeTpu('18d1', '4ee7')).toBe(false);
    const stick = { '/sys/bus/usb/devices/1-1/idVendor': '18d1\n', '/sys/bus/usb/devices/1-1/idProduct': '9302\n' };
    expect(await probeEdgeTpu(recordedIo('raspberry-pi-5', { texts: stick }))).toMatchObject([
      { kind: 'edgetpu', confidence: 'device', evidence: [{ from: '/sys/bus/usb/devices/1-1' }] },
    ]);
  });
});

describe('libc, power and heat', () => {
  it('reads them', () => {
    expect(parseMuslVersion('P:musl-utils\nV:9.9\n\nP:musl\nV:1.2.5-r9\n')).toBe('1.2.5');
    expect(parsePmset("Now drawing from 'AC Power'")).toEqual({ source: 'mains' });
    expect(parsePowerSupplies([{ type: 'Mains\n', status: '', online: '1\n' }])).toEqual({ source: 'mains' });
    expect(
      parsePowerSupplies([
        { type: 'Battery\n', status: 'Discharging\n', online: '' },
        { type: 'Mains\n', status: '', online: '0\n' },
      ]),
    ).toEqual({ source: 'battery' });
    expect(parseTemperature('48312\n')).toBe(48.312);
    expect(parseTemperature('-256000')).toBeUndefined();
    expect(parseTemperature('')).toBeUndefined();
  });

  it('counts slowed processors as throttling, and neither fans nor what happened in the past', () => {
    expect(parseCoolingDevice('cpufreq-cpu0\n', '2\n')).toBe(true);
    expect(parseCoolingDevice('Processor', '0')).toBe(false);
    expect(parseCoolingDevice('pwm-fan', '4')).toBe(false);
    expect(parsePiThrottled('throttled=0x50005')).toBe(true);
    expect(parsePiThrottled('e0008\n')).toBe(true);
    expect(parsePiThrottled('50000\n')).toBe(false);
    expect(parsePiThrottled('nonsense')).toBe(false);
  });
});

it('throws on no text whatever', () => {
  const parsers = [
    parseCpuInfo,
    parseSysctlCpu,
    parseSysctl,
    parseMemInfo,
    parseVmStat,
    parseDeviceTreeModel,
    parseTegraRelease,
    parseNvidiaSmi,
    parseTemperature,
    parsePiThrottled,
    parseCpuList,
    parseCpuMax,
    (text: string) => parseMemoryLimit(text, text, text),
    (text: string) => parseCgroup(text, 'memory'),
  ];
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' })), (text) => {
      for (const parse of parsers) parse(text);
    }),
  );
});
