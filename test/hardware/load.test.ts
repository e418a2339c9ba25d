import { expect, it } from 'vitest';
import { busyCoresBetween, parseCpuTimes } from '#edge/hardware/cpu-times.ts';
import { parseLoadAverage, parsePressure, probeLoad } from '#edge/hardware/load.ts';
import { type ProbeIo, systemIo } from '#edge/hardware/probe-io.ts';
import { type RecordingChanges, recordedIo } from './recorded-io.ts';

const STAT_BEFORE = 'cpu  100 0 50 800 40 5 5 0 0 0\ncpu0 50 0 25 400 20 2 3 0 0 0\nintr 1\n';
const STAT_AFTER = 'cpu  200 0 100 850 40 5 5 50 7 0\ncpu0 100 0 50 425 20 2 3 25 7 0\nintr 1\n';

it('counts what a hypervisor takes as busy, and guests once', () => {
  expect(parseCpuTimes(STAT_BEFORE)).toEqual({ busy: 160, total: 1000 });
  expect(parseCpuTimes(STAT_AFTER)).toEqual({ busy: 360, total: 1250 });
  expect(busyCoresBetween({ busy: 160, total: 1000 }, { busy: 360, total: 1250 }, 4)).toBe(3.2);
});

it.each(['', 'cpu  0 0 0 0 0 0 0 0 0 0\n', 'cpu user nice', 'cpu  9223372036854775807 1 1 1', 'intr 1\ncpu0 1 2 3 4'])(
  'knows no CPU time in %j',
  (text) => expect(parseCpuTimes(text)).toBeUndefined(),
);

it('reads pressure and the load average', () => {
  expect(parsePressure('some avg10=63.90 avg60=89.16 avg300=71.00 total=1\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n')).toBe(63.9);
  expect(parsePressure('full avg10=63.90')).toBeUndefined();
  expect(parsePressure('some avg10=101.00 avg60=0')).toBeUndefined();
  expect(parseLoadAverage('1.25 0.28 0.31 1/94 2355\n')).toBe(1.25);
  expect(parseLoadAverage('nan nan nan')).toBeUndefined();
});

/** A board whose `/proc/stat` moves on with each look. */
function ticking(changes: RecordingChanges): ProbeIo {
  const io = recordedIo('container-cgroup-v2', changes);
  const stats = [STAT_BEFORE, STAT_AFTER];
  return { ...io, readText: async (path) => (path === '/proc/stat' ? stats.shift() : io.readText(path)) };
}

it('takes the higher pressure of the machine and the control group, with its path', async () => {
  const texts = { '/proc/pressure/cpu': 'some avg10=1.50 avg60=0\n', '/sys/fs/cgroup/cpu.pressure': 'some avg10=20.00 avg60=0\n' };
  const load = await probeLoad(ticking({ texts }), 4, { windowMs: 0 });
  expect(load).toMatchObject({ busyCores: 3.2, pressureAvg10: 20 });
  expect(load.evidence.map(({ from }) => from)).toEqual(['CPU times', '/sys/fs/cgroup/cpu.pressure']);
});

it('falls back to the load average where no time is counted, at most the cores', async () => {
  const io = recordedIo('raspberry-pi-5', { texts: { '/proc/loadavg': '7.50 2.00 1.00 1/94 2355\n' } });
  const load = await probeLoad(io, 4, { windowMs: 0 });
  expect(load).toMatchObject({ busyCores: 4, evidence: [{ from: '/proc/loadavg' }] });
  expect(load).not.toHaveProperty('pressureAvg10');
  expect(await probeLoad(recordedIo('apple-m2'), 8, { windowMs: 0 })).toMatchObject({ busyCores: 0 });
});

it('sees work on this machine, and stops waiting when aborted', async () => {
  const end = performance.now() + 300;
  const looking = probeLoad(systemIo(), 1, { windowMs: 200 });
  const spin = (): void => {
    if (performance.now() < end) setImmediate(spin);
  };
  spin();
  expect((await looking).busyCores).toBeGreaterThan(0.1);
  await expect(probeLoad(systemIo(), 1, { windowMs: 60_000, signal: AbortSignal.timeout(10) })).rejects.toMatchObject({
    code: 'E_CANCELLED',
  });
});
