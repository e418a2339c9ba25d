import { describe, expect, it, vi } from 'vitest';
import { probeDevice } from '#edge/hardware/device-profile.ts';
import { unverifiedParts } from '#edge/hardware/verified.ts';
import { makePlan } from '#edge/planner/make-plan.ts';
import { inputFor, RETRIEVAL } from '#test/planner/plan-inputs.ts';
import { boardNames, type RecordingChanges, readExpected, recordedIo } from './recorded-io.ts';

describe.each(boardNames())('%s', (board) => {
  it('is profiled as expected, each fact with its source', async () => {
    const device = await probeDevice(recordedIo(board));
    expect(device).toMatchObject(readExpected(board).device);
    const facts = [...device.evidence, ...device.accelerators.flatMap(({ evidence }) => evidence)];
    expect(facts.map(({ fact }) => fact)).toEqual(expect.arrayContaining(['cpu.model', 'cpu.flags', 'memory']));
    for (const { from, raw } of facts) {
      expect(from).not.toBe('');
      expect(raw.length).toBeLessThanOrEqual(200);
    }
  });

  it('gets the expected plans', async () => {
    const device = await probeDevice(recordedIo(board));
    const { plans } = readExpected(board);
    const settings = { threads: 0, memoryBytes: 0, contextTokens: 2048 };
    const chat = makePlan(inputFor(device));
    const retrieval = makePlan(inputFor(device, { task: 'embed', settings: { ...settings, preferredModel: RETRIEVAL } }));
    expect({ generate: chat.chosen?.id ?? null, embed: retrieval.chosen?.id ?? null }).toEqual(plans);
  });
});

describe('probeDevice', () => {
  it('runs no command on Linux without an NVIDIA device', async () => {
    for (const board of boardNames()) {
      const io = recordedIo(board);
      await probeDevice(io);
      if (io.system.platform === 'linux') expect([board, io.commands]).toEqual([board, board === 'nvidia-desktop' ? ['nvidia-smi'] : []]);
    }
  });

  it('gives equal facts an equal fingerprint, whatever is momentary', async () => {
    const board = 'raspberry-pi-5';
    const before = await probeDevice(recordedIo(board));
    const memory = 'MemTotal: 8256000 kB\nMemAvailable: 100000 kB\n';
    const later = await probeDevice(
      recordedIo(board, { texts: { '/sys/class/thermal/thermal_zone0/temp': '40000', '/proc/meminfo': memory } }),
    );
    expect(later.thermal.maxCelsius).toBe(40);
    expect(later.fingerprint).toBe(before.fingerprint);
  });

  it.each<[string, string, RecordingChanges]>([
    ['the power mode of a Jetson', 'jetson-orin-nx-jetpack5', { texts: { '/var/lib/nvpmodel/status': 'pmode:0002' } }],
    ['the kinds of cores', 'x64-avx-vnni-hybrid', { texts: { '/sys/devices/cpu_core/cpus': '0-7\n' } }],
    ['the governor', 'x64-avx2-intel-igpu', { texts: { '/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor': 'performance\n' } }],
    ['the CUDA version', 'jetson-orin-nx-jetpack5', { texts: { '/usr/local/cuda/version.json': undefined } }],
    [
      'the driver',
      'nvidia-desktop',
      { texts: { '/proc/driver/nvidia/version': 'NVRM version: NVIDIA UNIX x86_64 Kernel Module  999.1  x' } },
    ],
    ['the memory limit', 'container-cgroup-v2', { texts: { '/sys/fs/cgroup/memory.max': '2147483648' } }],
    ['the C library', 'x64-no-avx', { system: { glibcVersion: '2.99' } }],
    ['the release of JetPack', 'jetson-orin-nano', { texts: { '/etc/nv_tegra_release': '# R36 (release), REVISION: 5.0, GCID: 1' } }],
  ])('changes the fingerprint with %s', async (_, board, changes) => {
    const [before, after] = await Promise.all([probeDevice(recordedIo(board)), probeDevice(recordedIo(board, changes))]);
    expect(after.fingerprint).not.toBe(before.fingerprint);
  });

  it.each<[string, string, RecordingChanges]>([
    [
      'unplugged',
      'laptop-battery-avx512-vnni',
      { texts: { '/sys/class/power_supply/BAT0/status': 'Full\n', '/sys/class/power_supply/AC/online': '1\n' } },
    ],
    ['throttled', 'jetson-agx-orin-jetpack6', { texts: { '/sys/class/thermal/cooling_device2/cur_state': '0\n' } }],
    ['capped', 'laptop-battery-avx512-vnni', { texts: { '/sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq': '4800000\n' } }],
    ['filled', 'container-cgroup-v2', { texts: { '/sys/fs/cgroup/memory.current': '1000000000' } }],
  ])('keeps the fingerprint of a device that is %s', async (_, board, changes) => {
    const [before, after] = await Promise.all([probeDevice(recordedIo(board)), probeDevice(recordedIo(board, changes))]);
    expect(after).not.toMatchObject({ power: before.power, thermal: before.thermal, memory: before.memory });
    expect(after.fingerprint).toBe(before.fingerprint);
  });

  it('says that a Jetson in a container lacks the device nodes, and reads no GPU without a device tree', async () => {
    const io = recordedIo('jetson-orin-nano');
    const inContainer = await probeDevice({ ...io, exists: async () => false, mayOpen: async () => false });
    expect(inContainer.accelerators).toMatchObject([
      { kind: 'cuda', confidence: 'device', problem: expect.stringContaining('--runtime nvidia') },
    ]);
  });

  it('tells a slow port and a closed card of a Coral', async () => {
    const slow = await probeDevice(recordedIo('coral-usb', { texts: { '/sys/bus/usb/devices/2-1/speed': '480\n' } }));
    expect(slow.accelerators).toMatchObject([{ name: 'Coral Edge TPU (USB 2)', confidence: 'library' }]);
    const io = recordedIo('coral-pcie');
    const closed = await probeDevice({ ...io, exists: async (path) => path === '/dev/apex_0' || io.exists(path) });
    expect(closed.accelerators).toMatchObject([
      { confidence: 'device', problem: expect.stringContaining('/dev/apex_0 may not be opened') },
    ]);
    const open = await probeDevice({ ...io, mayOpen: async (path) => path === '/dev/apex_0' });
    expect(open.accelerators).toMatchObject([{ confidence: 'library' }]);
    expect(open.accelerators[0]).not.toHaveProperty('problem');
  });

  it('gives up a source that never answers', async () => {
    vi.useFakeTimers();
    try {
      const probing = probeDevice({ ...recordedIo('raspberry-pi-4'), readText: () => new Promise(() => undefined) });
      await vi.advanceTimersByTimeAsync(10_000);
      expect((await probing).cpu.logicalCores).toBe(4);
    } finally {
      vi.useRealTimers();
    }
  });

  it('names what the project never ran on', async () => {
    const parts = async (board: string): Promise<readonly string[]> => unverifiedParts(await probeDevice(recordedIo(board)));
    expect(await parts('x64-avx512-vm')).toEqual([]);
    expect(await parts('jetson-orin-nano')).toEqual(['NVIDIA Jetson', 'cuda']);
    expect(await parts('alpine-musl')).toEqual(['musl']);
    expect(await parts('windows-laptop')).toEqual(['win32 on x64', 'cuda', 'directml', 'vulkan']);
  });

  it('changes the fingerprint with the cores that a quota leaves', async () => {
    const whole = await probeDevice(recordedIo('container-cgroup-v2'));
    const less = await probeDevice(recordedIo('container-cgroup-v2', { texts: { '/sys/fs/cgroup/cpu.max': '50000 100000' } }));
    expect(less.cpu.usableCores).toBe(0.5);
    expect(less.fingerprint).not.toBe(whole.fingerprint);
  });

  it.each([
    ['missing', undefined],
    ['empty', ''],
    ['garbage', '\0\u0001<html>not a kernel file</html>\n:::\nprocessor\nMemTotal: many kB'],
  ])('falls back to what Node.js knows when every file is %s', async (_, text) => {
    const names = ['/proc/cpuinfo', '/proc/meminfo', '/proc/self/cgroup', '/proc/self/status', '/proc/device-tree/model'];
    const texts = Object.fromEntries(names.map((name) => [name, text]));
    const device = await probeDevice(recordedIo('x64-avx512-vm', { texts }));
    expect(device.cpu).toMatchObject({ model: 'AMD EPYC', logicalCores: 2, physicalCores: 2, usableCores: 2 });
    expect(device.memory).toMatchObject({ totalBytes: 25_276_510_208, availableBytes: 24_471_470_080 });
  });

  it('survives a port that throws', async () => {
    const io = { ...recordedIo('raspberry-pi-4'), readText: () => Promise.reject(new TypeError('broken')) };
    const device = await probeDevice(io);
    expect(device.cpu.logicalCores).toBe(4);
    expect(device.memory.totalBytes).toBe(3_980_107_776);
  });

  it('profiles the machine that runs this test', async () => {
    const device = await probeDevice();
    expect(device.cpu.logicalCores).toBeGreaterThanOrEqual(1);
    expect(device.cpu.usableCores).toBeGreaterThanOrEqual(0.1);
    expect(device.memory.availableBytes).toBeGreaterThan(0);
    expect(device.memory.availableBytes).toBeLessThanOrEqual(device.memory.totalBytes);
    expect(device.disk.totalBytes).toBeGreaterThan(0);
    expect(device.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(Object.isFrozen(device.cpu.flags)).toBe(true);
  });
});
