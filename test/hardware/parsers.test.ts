import { describe, expect, it } from 'vitest';
import { parseAppleAccelerators } from '#edge/hardware/apple.ts';
import { parseDeviceTreeModel, parseTegraRelease } from '#edge/hardware/board.ts';
import { parseCgroup } from '#edge/hardware/cgroup.ts';
import { fastCpus } from '#edge/hardware/core-kinds.ts';
import { parseCpuInfo, parseSysctlCpu } from '#edge/hardware/cpu.ts';
import { probeDevice } from '#edge/hardware/device-profile.ts';
import { isPciEdgeTpu, isUsbEdgeTpu, probeEdgeTpu } from '#edge/hardware/edge-tpu.ts';
import { parseTegraChip } from '#edge/hardware/jetson.ts';
import { parseMuslVersion } from '#edge/hardware/libc.ts';
import { parseMemInfo, parseMemoryLimit, parseVmStat } from '#edge/hardware/memory.ts';
import { parseCudaVersion, parseGpuInformation, parseNvidiaDriver, parseNvidiaSmi } from '#edge/hardware/nvidia.ts';
import { parsePmset, parsePowerSupplies } from '#edge/hardware/power.ts';
import { parseLowPowerMode, parseNvpModel } from '#edge/hardware/power-mode.ts';
import { parseCoolingDevice, parseFrequencyCap, parsePiThrottled, parsePmsetTherm, parseTemperature } from '#edge/hardware/thermal.ts';
import { parseAffinity, parseCfsQuota, parseCpuList, parseCpuMax } from '#edge/hardware/usable-cores.ts';
import { hasVulkanDriver, parsePciId, parseUevent } from '#edge/hardware/vulkan.ts';
import { parseWindowsFacts } from '#edge/hardware/windows.ts';
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

  it('believes no list that is longer than any machine', () => {
    expect(parseCpuInfo('processor: 0\n\n'.repeat(8192))?.logicalCores).toBe(8192);
    expect(parseCpuInfo('processor: 0\n\n'.repeat(8193))).toBeUndefined();
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
    ['0-3,6', [0, 1, 2, 3, 6]],
    ['7', [7]],
    ['0-1\n,1', [0, 1]],
    ['', undefined],
    ['a-b', undefined],
    ['3-1', undefined],
    ['0-99999', undefined],
    ['0-9999999999999', undefined],
  ])('reads CPU list %j as %j', (text, cpus) => expect(parseCpuList(text)).toEqual(cpus));

  it.each([
    ['150000 100000', 1.5],
    ['max 100000', undefined],
    ['0 100000', undefined],
    ['nonsense', undefined],
    ['999999999999999999 1', undefined],
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
    expect(parseMemInfo('MemTotal: 0 kB\nMemFree: 1 kB')).toBeUndefined();
    expect(parseMemInfo('MemTotal: -5 kB')).toBeUndefined();
    expect(parseMemInfo('MemTotal: 1152921504606846976 kB')).toBeUndefined();
    expect(parseMemInfo('MemTotal: 1000 kB\nMemAvailable: 1152921504606846976 kB')?.availableBytes).toBe(1_024_000);
  });

  it('gives reclaimable file pages back to a limited process', () => {
    expect(parseMemoryLimit('1000', '600', 'anon 1\ninactive_file 200\n')).toEqual({ limitBytes: 1000, availableBytes: 600 });
    expect(parseMemoryLimit('1000', '5000', '')).toEqual({ limitBytes: 1000, availableBytes: 0 });
  });

  it.each(['max', '9223372036854771712', '', '0', '-1', 'x', '1152921504606846976'])('takes %j for no limit', (limit) => {
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
    expect(parseTegraChip('nvidia,p3737-0000+p3701-0000\0')).toBe('tegra234');
    expect(parseTegraChip('nvidia,p3768-0000+p3767-0000\0nvidia,tegra23x\0')).toBe('tegra234');
    expect(parseTegraChip('raspberrypi,5-model-b')).toBeUndefined();
    expect(parseDeviceTreeModel('NVIDIA Orin NX Developer Kit\0')?.kind).toBe('jetson');
  });

  it('reads the NVIDIA driver, GPUs and unsupported cells', () => {
    expect(parseNvidiaDriver('NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024')).toBe('550.54.15');
    expect(parseNvidiaDriver('')).toBeUndefined();
    expect(parseGpuInformation('Model: \t\t NVIDIA RTX A6000\nIRQ: 1\n')).toBe('NVIDIA RTX A6000');
    expect(parseNvidiaSmi('NVIDIA RTX A6000, 49140, 550.54.15\nGB10, [N/A], 580.1\n')).toEqual([
      { name: 'NVIDIA RTX A6000', memoryBytes: 49_140 * 1024 * 1024, driver: '550.54.15' },
      { name: 'GB10', driver: '580.1' },
    ]);
    expect(parseNvidiaSmi('No devices were found\n')).toEqual([]);
    expect(parseCudaVersion('{"cuda" : {"name" : "CUDA SDK", "version" : "12.6.11"}, "nsight" : {"version" : "2024.5"}}')).toBe('12.6.11');
    expect(parseCudaVersion('{"nsight" : {"version" : "2024.5"}}')).toBeUndefined();
  });

  it('shows no Neural Engine in a virtual Mac and nothing on an Intel one', () => {
    expect(parseAppleAccelerators('machdep.cpu.brand_string: Apple M1 (Virtual)\n').map(({ kind }) => kind)).toEqual(['metal']);
    expect(parseAppleAccelerators('machdep.cpu.brand_string: Intel(R) Core(TM) i7\n')).toEqual([]);
  });

  it('tells the software renderer from a Vulkan driver', () => {
    expect(hasVulkanDriver(['lvp_icd.x86_64.json'], 'i915')).toBe(false);
    expect(hasVulkanDriver(['lvp_icd.x86_64.json', 'intel_icd.x86_64.json'], 'xe')).toBe(true);
    expect(hasVulkanDriver(['intel_icd.x86_64.json'], 'amdgpu')).toBe(false);
    expect(hasVulkanDriver(['powervr_mesa_icd.json'], 'pvrsrvkm')).toBe(true);
    expect(parsePciId('DRIVER=i915\nPCI_ID=8086:3EA5\n')).toBe('8086:3ea5');
    expect(parsePciId('PCI_ID=')).toBeUndefined();
    expect(parseUevent('MAJOR=1\nDRIVER=i915\n')).toBe('i915');
  });

  it('finds a Coral stick by its ids before and after its firmware is loaded', async () => {
    expect(isUsbEdgeTpu('1a6e\n', '089a\n')).toBe(true);
    expect(isUsbEdgeTpu('18d1', '9302')).toBe(true);
    expect(isUsbEdgeTpu('18d1', '4ee7')).toBe(false);
    const stick = { '/sys/bus/usb/devices/1-1/idVendor': '18d1\n', '/sys/bus/usb/devices/1-1/idProduct': '9302\n' };
    expect(await probeEdgeTpu(recordedIo('raspberry-pi-5', { texts: stick }))).toMatchObject([
      {
        kind: 'edgetpu',
        name: 'Coral Edge TPU (USB 2)',
        confidence: 'device',
        problem: expect.stringContaining('udev rule'),
        evidence: [{ from: '/sys/bus/usb/devices/1-1' }],
      },
    ]);
    expect(isPciEdgeTpu('0x1ac1\n', '0x089a\n')).toBe(true);
    expect(isPciEdgeTpu('0x8086', '0x089a')).toBe(false);
  });
});

describe('libc, power and heat', () => {
  it('reads them', () => {
    expect(parseMuslVersion('P:musl-utils\nV:9.9\n\nP:musl\nV:1.2.5-r9\n')).toBe('1.2.5');
    expect(parsePmset("Now drawing from 'AC Power'")).toBe('mains');
    const plug = { type: 'Mains\n', status: '', online: '1\n', scope: '' };
    const battery = { type: 'Battery\n', status: 'Discharging\n', online: '', scope: 'System\n' };
    expect(parsePowerSupplies([plug])).toBe('mains');
    expect(parsePowerSupplies([battery, { ...plug, online: '0\n' }])).toBe('battery');
    expect(parsePowerSupplies([{ ...battery, scope: 'Device\n' }, plug])).toBe('mains');
    expect(parsePowerSupplies([])).toBe('unknown');
    expect(parseTemperature('48312\n')).toBe(48.312);
    expect(parseTemperature('-256000')).toBeUndefined();
    expect(parseTemperature('')).toBeUndefined();
  });

  it('counts slowed processors as throttling, and neither fans nor what happened in the past', () => {
    expect(parseCoolingDevice('cpufreq-cpu0\n', '2\n')).toBe(true);
    expect(parseCoolingDevice('Processor', '0')).toBe(false);
    expect(parseCoolingDevice('pwm-fan', '4')).toBe(false);
    expect(parseCoolingDevice('gpu-throttle-alert', '1')).toBe(true);
    expect(parseCoolingDevice('hot-surface-alert', '1')).toBe(false);
    expect(parseCoolingDevice('intel_powerclamp', '-1')).toBe(false);
    expect(parsePmsetTherm('CPU Power notify\n\tCPU_Scheduler_Limit \t= 100\n\tCPU_Speed_Limit \t= 70\n')).toBe(true);
    expect(parsePmsetTherm('Note: No thermal warning level has been recorded\n')).toBe(false);
    expect(parseFrequencyCap('1800000\n', '4800000\n')).toBe(true);
    expect(parseFrequencyCap('4700000', '4800000')).toBe(false);
    expect(parseFrequencyCap('', '')).toBe(false);
    expect(parsePiThrottled('throttled=0x50005')).toBe(true);
    expect(parsePiThrottled('e0008\n')).toBe(true);
    expect(parsePiThrottled('50000\n')).toBe(false);
    expect(parsePiThrottled('nonsense')).toBe(false);
  });
});

describe('power modes and kinds of cores', () => {
  it('names the mode of a Jetson, by number when it is not listed', () => {
    const modes = '# < POWER_MODEL ID=1 NAME=OLD >\n< POWER_MODEL ID=0 NAME=15W >\n< POWER_MODEL NAME=MAXN_SUPER ID=2 >\nGPU MAX_FREQ -1\n';
    expect(parseNvpModel('pmode:0000', modes)).toBe('15W');
    expect(parseNvpModel('pmode:0002', modes)).toBe('MAXN_SUPER');
    expect(parseNvpModel('pmode:0001', modes)).toBe('mode 1');
    expect(parseNvpModel('fmode:quiet', modes)).toBeUndefined();
    expect(parseLowPowerMode(' standby 1\n lowpowermode         1\n')).toBe(true);
    expect(parseLowPowerMode(' lowpowermode         0\n')).toBe(false);
  });

  it('tells fast cores from slow ones', () => {
    expect(fastCpus([414, 414, 1024, 1024])).toEqual([2, 3]);
    expect(fastCpus([1024, 1024])).toBeUndefined();
    expect(fastCpus([undefined, undefined])).toBeUndefined();
    expect(fastCpus([])).toBeUndefined();
  });

  it('reads capacities of a big.LITTLE board', async () => {
    const capacity = (cpu: number, value: string): readonly [string, string] => [`/sys/devices/system/cpu/cpu${cpu}/cpu_capacity`, value];
    const texts = Object.fromEntries([capacity(0, '445\n'), capacity(1, '445\n'), capacity(2, '1024\n'), capacity(3, 'x')]);
    expect((await probeDevice(recordedIo('raspberry-pi-5', { texts }))).cpu).toMatchObject({ physicalCores: 4, performanceCores: 1 });
  });
});

describe('Windows', () => {
  it('takes a list, one object or null for a list, and nothing that is not JSON', () => {
    const facts = parseWindowsFacts(
      '{"cpu":{"Name":" Xeon ","NumberOfCores":4,"NumberOfLogicalProcessors":8},"gpu":null,"system":[],"battery":null}',
    );
    expect(facts).toEqual({ processors: [{ name: 'Xeon', cores: 4, logicalCores: 8 }], flags: [], gpus: [], manufacturer: '', model: '' });
    expect(parseWindowsFacts('{"cpu":[7],"features":["x",40],"battery":[{"BatteryStatus":"?"}]}')).toMatchObject({
      flags: ['avx2'],
      batteryStatus: 0,
    });
    for (const text of ['', '[]', '7', 'null', '\ufeffAccess denied']) expect(parseWindowsFacts(text)).toBeUndefined();
  });

  it('falls back to what Node.js knows without PowerShell', async () => {
    const io = recordedIo('windows-laptop');
    const device = await probeDevice({ ...io, run: async () => undefined });
    expect(device.cpu).toMatchObject({ model: io.system.cpuModel, flags: [], logicalCores: 8 });
    expect([device.accelerators, device.board.name, device.power]).toEqual([[], '', { source: 'unknown' }]);
  });

  it('finds the CUDA toolkit where its installer puts it', async () => {
    const io = recordedIo('windows-laptop');
    const library = 'C:\\Program Files\\NVIDIA GPU Computing Toolkit\\CUDA\\v12.6\\bin\\cudart64_12.dll';
    const { accelerators } = await probeDevice({
      ...io,
      readDir: async (folder) => (folder.endsWith('CUDA') ? ['v10.2', 'v12.6', 'v13.0'] : io.readDir(folder)),
      exists: async (path) => path === library || io.exists(path),
    });
    expect(accelerators[0]).toMatchObject({ kind: 'cuda', confidence: 'library', runtime: '12.6', memoryBytes: 2 * 1024 ** 3 });
  });

  it('asks PowerShell once, without a double quote in the script', async () => {
    const io = recordedIo('windows-laptop');
    const scripts: string[] = [];
    await probeDevice({
      ...io,
      run: (command, args, timeoutMs) => io.run(command, args, timeoutMs).finally(() => scripts.push(args.join(' '))),
    });
    expect(scripts.filter((script) => script.includes('Get-CimInstance'))).toHaveLength(1);
    for (const script of scripts) expect(script).not.toContain('"');
  });
});
