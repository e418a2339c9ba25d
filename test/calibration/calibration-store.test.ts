import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, describe, expect, it } from 'vitest';
import { CalibrationStore, QUARANTINE_MS } from '#edge/calibration/calibration-store.ts';
import { createLogger } from '#edge/core/log.ts';
import { openDatabase } from '#edge/storage/sqlite.ts';
import { measurement } from './fixtures.ts';

const NOW = Date.parse('2026-03-01T12:00:00Z');
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const stores: CalibrationStore[] = [];

function setUp(path = join(mkdtempSync(join(tmpdir(), 'nearside-calibration-')), 'calibration.db')): {
  store: CalibrationStore;
  path: string;
  events: string[];
} {
  const events: string[] = [];
  const log = createLogger({ level: 'debug', format: 'json', write: (line) => events.push(JSON.parse(line).event) });
  const store = new CalibrationStore({ path, log });
  stores.push(store);
  return { store, path, events };
}

afterEach(() => {
  for (const store of stores.splice(0)) store[Symbol.dispose]();
});

describe('measurements', () => {
  it('come back whole, from another process too', () => {
    const { store, path } = setUp();
    const saved = [measurement({ atMs: NOW, threads: 1, joules: 1.5 }), measurement({ atMs: NOW, threads: 2 })];
    for (const one of saved) store.saveMeasurement(one);
    expect(store.measurements('here', NOW)).toEqual(saved);
    expect(setUp(path).store.measurements('here', NOW)).toEqual(saved);
  });

  it('give way to a later one of the same key, of another version of the library too', () => {
    const { store } = setUp();
    store.saveMeasurement(measurement({ atMs: NOW - HOUR, backendVersion: '1.29', joules: 2 }));
    const latest = measurement({ atMs: NOW, backendVersion: '1.30', rates: { short: 99, long: 9 } });
    store.saveMeasurement(latest);
    expect(store.measurements('here', NOW)).toEqual([latest]);
  });

  it('count on the device they were taken on, for 30 days', () => {
    const { store } = setUp();
    const here = measurement({ atMs: NOW });
    store.saveMeasurement(here);
    store.saveMeasurement(measurement({ atMs: NOW, fingerprint: 'elsewhere' }));
    expect(store.measurements('here', NOW)).toEqual([here]);
    expect(store.measurements('here', NOW + 30 * DAY - 1)).toEqual([here]);
    expect(store.measurements('here', NOW + 30 * DAY)).toEqual([]);
  });

  it('leave the file when they have expired', () => {
    const { store } = setUp();
    store.saveMeasurement(measurement({ atMs: NOW - 31 * DAY }));
    store.saveMeasurement(measurement({ atMs: NOW, threads: 7 }));
    expect(store.measurements('here', NOW - 30 * DAY).map(({ threads }) => threads)).toEqual([7]);
  });

  it('are forgotten by model, by backend and version, or all', () => {
    const { store } = setUp();
    store.saveMeasurement(measurement({ atMs: NOW, modelSha256: 'a' }));
    store.saveMeasurement(measurement({ atMs: NOW, modelSha256: 'b', backendVersion: '2' }));
    store.saveMeasurement(measurement({ atMs: NOW, modelSha256: 'b', backend: 'llama', provider: 'cpu-tuned', backendVersion: '3' }));
    expect(store.forgetMeasurements({ modelSha256: 'none' })).toBe(0);
    expect(store.forgetMeasurements({ backend: 'onnx', provider: 'cpu', exceptVersion: '2' })).toBe(1);
    expect(store.measurements('here', NOW).map(({ backendVersion }) => backendVersion)).toEqual(['3', '2']);
    expect(store.forgetMeasurements({ modelSha256: 'b', provider: 'cpu-tuned' })).toBe(1);
    expect(store.forgetMeasurements()).toBe(1);
    expect(store.measurements('here', NOW)).toEqual([]);
  });
});

describe('quarantine', () => {
  it('lasts longer with each failure in a row', () => {
    const { store } = setUp();
    let now = NOW;
    for (const expected of [HOUR, DAY, 7 * DAY, 7 * DAY]) {
      const entry = store.quarantine('m/v/onnx/cpu/t2', 'crashed with SIGSEGV', 'here', now);
      expect(entry).toEqual({ candidateId: 'm/v/onnx/cpu/t2', untilMs: now + expected, sinceMs: now, reason: 'crashed with SIGSEGV' });
      expect(store.quarantined('here', now + expected - 1)).toEqual([entry]);
      expect(store.quarantined('here', now + expected)).toEqual([]);
      now += expected;
    }
  });

  it('does not count a second report of the same failure', () => {
    const { store, path } = setUp();
    store.quarantine('x', 'hung', 'here', NOW);
    const again = setUp(path).store.quarantine('x', 'crashed', 'here', NOW + 1000);
    expect(again).toEqual({ candidateId: 'x', untilMs: NOW + 1000 + HOUR, sinceMs: NOW + 1000, reason: 'crashed' });
  });

  it('begins anew after a success', () => {
    const { store } = setUp();
    store.quarantine('x', 'hung', 'here', NOW);
    store.release('x');
    expect(store.quarantined('here', NOW)).toEqual([]);
    expect(store.quarantine('x', 'hung', 'here', NOW + DAY).untilMs).toBe(NOW + DAY + HOUR);
  });

  it('ends when the device changes, and counts from one there', () => {
    const { store } = setUp();
    store.quarantine('x', 'hung', 'here', NOW);
    expect(store.quarantined('changed', NOW)).toEqual([]);
    expect(store.quarantine('x', 'hung', 'changed', NOW + 2 * HOUR).untilMs).toBe(NOW + 3 * HOUR);
  });

  it('does not last for ever when the clock ran ahead', () => {
    const { store } = setUp();
    store.quarantine('x', 'hung', 'here', NOW + 365 * DAY);
    expect(store.quarantined('here', NOW)).toEqual([]);
  });

  it('lists by id', () => {
    const { store } = setUp();
    for (const id of ['b', 'c', 'a']) store.quarantine(id, 'hung', 'here', NOW);
    expect(store.quarantined('here', NOW).map(({ candidateId }) => candidateId)).toEqual(['a', 'b', 'c']);
    expect(QUARANTINE_MS).toEqual([HOUR, DAY, 7 * DAY]);
  });
});

describe('a damaged file', () => {
  it('is put aside and begun anew, said once', () => {
    const { store, path, events } = setUp();
    writeFileSync(path, 'this is no database, and it is longer than a header of one hundred bytes would be. '.repeat(4));
    expect(store.measurements('here', NOW)).toEqual([]);
    store.saveMeasurement(measurement({ atMs: NOW }));
    expect(store.measurements('here', NOW)).toHaveLength(1);
    expect(events).toEqual(['calibration file was damaged, measuring begins anew']);
    expect(readdirSync(join(path, '..')).some((name) => name.includes('.corrupt-'))).toBe(true);
  });

  it('is noticed where only its content is damaged', () => {
    const { store, path, events } = setUp();
    store.saveMeasurement(measurement({ atMs: NOW }));
    store[Symbol.dispose]();
    const bytes = readFileSync(path);
    // The first page stays: the file opens, and fails with the first look at its content.
    writeFileSync(path, bytes.fill(0xff, 4096));
    expect(store.measurements('here', NOW)).toEqual([]);
    expect(events).toEqual(['calibration file was damaged, measuring begins anew']);
  });
});

describe('a file that cannot be used', () => {
  it('of a newer version is left as it is, and the device measures for itself', () => {
    const { store, path, events } = setUp();
    openDatabase({ path, migrations: ['CREATE TABLE a (b)', 'CREATE TABLE c (d)', 'CREATE TABLE e (f)'] }).close();
    const before = readFileSync(path);
    expect(store.measurements('here', NOW)).toEqual([]);
    store.saveMeasurement(measurement({ atMs: NOW }));
    store.quarantine('x', 'hung', 'here', NOW);
    expect(store.measurements('here', NOW)).toHaveLength(1);
    expect(store.quarantined('here', NOW)).toHaveLength(1);
    expect(events).toEqual(['measurements are not kept']);
    expect(readFileSync(path)).toEqual(before);
  });

  it('for want of a folder does not keep the device from choosing', () => {
    const folder = mkdtempSync(join(tmpdir(), 'nearside-calibration-'));
    writeFileSync(join(folder, 'data'), 'a file where the folder should be');
    const { store, events } = setUp(join(folder, 'data', 'calibration.db'));
    expect(store.measurements('here', NOW)).toEqual([]);
    store.saveMeasurement(measurement({ atMs: NOW }));
    expect(store.measurements('here', NOW)).toHaveLength(1);
    expect(events).toEqual(['measurements are not kept']);
  });

  it('keeps nothing back when it only fails later', () => {
    const { store, path, events } = setUp();
    store.saveMeasurement(measurement({ atMs: NOW }));
    const other = new Database(path);
    other.exec("CREATE TRIGGER no_space BEFORE INSERT ON quarantine BEGIN SELECT RAISE(ABORT, 'no space'); END");
    other.close();
    store.quarantine('x', 'hung', 'here', NOW);
    expect(store.quarantined('here', NOW)).toHaveLength(1);
    expect(events).toEqual(['measurements are not kept']);
  });
});
