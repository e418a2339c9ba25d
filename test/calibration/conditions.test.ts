import { spawn } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { conditionsOf, parseProcessTime } from '#edge/calibration/conditions.ts';
import type { CpuProfile } from '#edge/contracts/hardware.ts';
import { type ProbeIo, systemIo } from '#edge/hardware/probe-io.ts';

const CPU: CpuProfile = { architecture: 'x64', model: '', flags: [], logicalCores: 4, physicalCores: 4, usableCores: 4 };
const stat = (ticks: number): string => `77 (node (x) y) S 1 77 77 0 -1 4194560 100 0 0 0 ${ticks} 0 0 0 20 0 11 0 100 1000 100`;

/** A machine of which everything is told: CPU ticks of all cores (busy, idle) and of process 77, before and after. */
function machine(before: readonly [number, number, number], after: readonly [number, number, number], throttled = '0'): ProbeIo {
  let [busy, idle, own] = before;
  const texts: Record<string, () => string> = {
    '/proc/stat': () => {
      const text = `cpu  ${busy} 0 0 ${idle} 0 0 0 0 0 0\n`;
      return text;
    },
    '/proc/77/stat': () => {
      const text = stat(own);
      [busy, idle, own] = after;
      return text;
    },
    '/sys/devices/platform/soc/soc:firmware/get_throttled': () => throttled,
  };
  const io = systemIo();
  return {
    ...io,
    system: { ...io.system, platform: 'linux' },
    readDir: async () => [],
    readText: async (path) => texts[path]?.(),
  };
}

async function disturbanceOf(io: ProbeIo, cpu: CpuProfile = CPU, threads = 2): Promise<string | undefined> {
  const watch = await conditionsOf(io, { cpu })({ pid: 77, threads });
  // What the measured process did is compared with the time that has passed.
  await new Promise((resolve) => setTimeout(resolve, 200));
  return await watch.disturbance();
}

describe('conditions', () => {
  it('are fit when only the measured process works', async () => {
    expect(await disturbanceOf(machine([100, 300, 0], [150, 650, 20]))).toBeUndefined();
  });

  it('are unfit when others take more than a quarter of the usable cores', async () => {
    expect(await disturbanceOf(machine([100, 300, 0], [500, 300, 1]))).toMatch(/^other work took [34]\.\d of 4 cores$/);
  });

  it('are unfit when others take from a core that a measured thread needs, however many cores there are', async () => {
    // The others took 0.95 of 4 cores.
    const io = (): ProbeIo => machine([100, 300, 0], [195, 605, 0]);
    expect(await disturbanceOf(io())).toBeUndefined();
    expect(await disturbanceOf(io(), CPU, 4)).toMatch(/^other work took 0\.\d of 4 cores$/);
  });

  it('are fit when others work on cores that this process may not use anyway', async () => {
    const io = (): ProbeIo => machine([100, 300, 0], [300, 500, 1]);
    expect(await disturbanceOf(io())).toMatch(/^other work/);
    expect(await disturbanceOf(io(), { ...CPU, usableCores: 1 })).toBeUndefined();
  });

  it('are unfit under throttling', async () => {
    expect(await disturbanceOf(machine([100, 300, 0], [150, 650, 20], '0x4'))).toMatch(/heat or weak power/);
  });

  it('are fit where nothing is told', async () => {
    expect(await disturbanceOf(machine([100, 300, 0], [100, 300, 0]))).toBeUndefined();
  });

  it.skipIf(process.platform !== 'linux')('see a real neighbour', async () => {
    const io = systemIo();
    const neighbours = [1, 2, 3, 4].map(() => spawn(process.execPath, ['-e', 'for (;;) {}'], { stdio: 'ignore' }));
    try {
      const cores = io.system.logicalCores;
      const watch = await conditionsOf(io, { cpu: { ...CPU, logicalCores: cores, usableCores: cores } })({ pid: process.pid, threads: 1 });
      await new Promise((resolve) => setTimeout(resolve, 1500));
      // A sandbox whose clocks stand still tells nothing; elsewhere four busy processes take a quarter of up to 16 cores.
      const first = await io.readText('/proc/stat');
      await new Promise((resolve) => setTimeout(resolve, 200));
      const isTold = first !== undefined && first !== (await io.readText('/proc/stat')) && cores < 16;
      expect(await watch.disturbance()).toEqual(isTold ? expect.stringMatching(/^other work took/) : undefined);
    } finally {
      for (const neighbour of neighbours) neighbour.kill('SIGKILL');
    }
  });
});

describe('the time of a process', () => {
  it('is read whatever its name', () => {
    expect(parseProcessTime(stat(12))).toBe(120);
  });

  it('is not told by another file', () => {
    for (const text of ['', 'garbage', '77 (x) S 1']) expect(parseProcessTime(text)).toBeUndefined();
  });
});
