import { describe, expect, it } from 'vitest';
import { probeDevice } from '#edge/hardware/device-profile.ts';
import { makePlan } from '#edge/planner/make-plan.ts';
import { inputFor, RETRIEVAL } from '#test/planner/plan-inputs.ts';
import { boardNames, readExpected, recordedIo } from './recorded-io.ts';

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
