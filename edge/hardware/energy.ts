import { sleep, systemClock } from '#edge/core/clock.ts';
import { type EnergyCounter, findJetsonRails, findPiPmic, findRapl, type PowerGauge } from './energy-sources.ts';
import type { ProbeIo } from './probe-io.ts';

/** What a piece of work took. */
export interface Metered<T> {
  readonly result: T;
  readonly seconds: number;
  /** Of everything behind the meter, idle power included; absent when the meter gave no reading. */
  readonly joules?: number;
}

/** Measures the energy of work. What is behind it stands in `source`: the processor packages, or a whole board. */
export interface EnergyMeter {
  /** Files or command it reads. */
  readonly source: string;
  /** Runs `work` and meters it; one call at a time. Throws what `work` throws. */
  measure<T>(work: () => Promise<T>): Promise<Metered<T>>;
}

/** The meter of this device, or why there is none: a sentence for people. */
export type EnergyMeterSearch = { readonly meter: EnergyMeter } | { readonly reason: string };

/**
 * Looks for a meter: RAPL counters (x86), the power sensors of a Jetson, the power chip of a Raspberry Pi 5. Gauges are
 * read on a timer while the work runs and integrated by the trapezoidal rule; counters are read before and after. macOS
 * and Windows show no meter to a process without special rights.
 */
export async function findEnergyMeter(io: ProbeIo): Promise<EnergyMeterSearch> {
  if (io.system.platform !== 'linux') return { reason: `no energy meter that an ordinary process may read on ${io.system.platform}` };
  const reasons: string[] = [];
  for (const find of [findRapl, findJetsonRails, findPiPmic]) {
    const found = await find(io);
    if (typeof found === 'string') reasons.push(found);
    else if (found) return { meter: meterOf(found) };
  }
  return { reason: reasons.join('; ') || 'no energy meter: neither RAPL, nor INA3221 sensors, nor a Raspberry Pi 5' };
}

/** Joules between two readings of counters that start anew after their range; undefined when a counter stood still, as virtual ones do. */
export function joulesBetween(before: readonly number[], after: readonly number[], ranges: readonly number[]): number | undefined {
  const parts = before.map((start, index) => {
    const difference = (after[index] ?? Number.NaN) - start;
    return difference < 0 ? difference + (ranges[index] ?? Number.NaN) : difference;
  });
  return parts.length > 0 && parts.every((part) => part > 0) ? parts.reduce((total, part) => total + part, 0) : undefined;
}

function meterOf(source: EnergyCounter | PowerGauge): EnergyMeter {
  return {
    source: source.source,
    measure: (work) => (source.kind === 'counter' ? readAround(source, work) : integrate(source, work)),
  };
}

async function readAround<T>(counter: EnergyCounter, work: () => Promise<T>): Promise<Metered<T>> {
  const before = await counter.joules();
  const start = systemClock.monotonic();
  const result = await work();
  const seconds = (systemClock.monotonic() - start) / 1000;
  const after = await counter.joules();
  const joules = before && after ? joulesBetween(before, after, counter.rangesJoules) : undefined;
  return { result, seconds, ...(joules === undefined ? {} : { joules }) };
}

async function integrate<T>(gauge: PowerGauge, work: () => Promise<T>): Promise<Metered<T>> {
  const readings: { readonly atMs: number; readonly watts: number }[] = [];
  const look = async (): Promise<void> => {
    const watts = await gauge.watts();
    if (watts !== undefined) readings.push({ atMs: systemClock.monotonic(), watts });
  };
  await look();
  const start = systemClock.monotonic();
  const done = new AbortController();
  const watching = watch(look, gauge.periodMs, done.signal);
  let end = start;
  const result = await work().finally(async () => {
    end = systemClock.monotonic();
    done.abort();
    await watching;
  });
  await look();
  const seconds = (end - start) / 1000;
  const watts = meanWatts(readings);
  return { result, seconds, ...(watts === undefined ? {} : { joules: watts * seconds }) };
}

async function watch(look: () => Promise<void>, periodMs: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    // The rejection only says that the work is over.
    await sleep(periodMs, signal).catch(() => undefined);
    if (!signal.aborted) await look();
  }
}

/** Mean over time by the trapezoidal rule; undefined for fewer than two readings. */
function meanWatts(readings: readonly { readonly atMs: number; readonly watts: number }[]): number | undefined {
  let area = 0;
  let span = 0;
  for (const [index, { atMs, watts }] of readings.entries()) {
    const previous = readings[index - 1];
    if (!previous) continue;
    area += ((watts + previous.watts) / 2) * (atMs - previous.atMs);
    span += atMs - previous.atMs;
  }
  return span > 0 ? area / span : undefined;
}
