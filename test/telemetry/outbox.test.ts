import { closeSync, openSync, readdirSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { LANES, type Lane } from '#edge/contracts/telemetry.ts';
import { MAX_ROW_BYTES, Outbox } from '#edge/telemetry/outbox.ts';
import { tempFolder } from './support/harness.ts';

const MIB = 1024 * 1024;

function openOutbox(path: string, maxBytes = 4 * MIB): Outbox {
  const outbox = new Outbox({ path, maxBytes, now: () => 1000 });
  outbox.open();
  return outbox;
}

function rows(lane: Lane, count: number, bytes = 100) {
  return Array.from({ length: count }, (_, time) => ({ lane, time, payload: 'x'.repeat(bytes) }));
}

/** The identity, with `pending` as the file itself counts its rows. */
function expectBalanced(outbox: Outbox): void {
  for (const lane of LANES) {
    const { produced, stored, dropped, pending } = outbox.ledger().lanes[lane];
    expect(produced).toBe(stored + dropped + pending);
  }
}

describe('the outbox', () => {
  test('numbers rows over all lanes, lends each once, and forgets only what was acknowledged', () => {
    using folder = tempFolder();
    const outbox = openOutbox(folder.file('o.db'));
    outbox.append([...rows('traces', 3), ...rows('alerts', 2)], []);
    const first = outbox.lease('traces', 2);
    const second = outbox.lease('traces', 2);
    expect([...first, ...second].map((row) => row.time)).toEqual([0, 1, 2]);
    expect(outbox.lease('traces', 2)).toEqual([]);
    outbox.release('traces');
    expect(outbox.lease('traces', 9)).toHaveLength(3);

    const [from, to] = [first[0]?.seq ?? 0, first[1]?.seq ?? 0];
    expect(outbox.acknowledge({ boot: outbox.boot, lane: 'traces', ranges: [[from, to]] })).toBe(2);
    expect(outbox.acknowledge({ boot: outbox.boot, lane: 'traces', ranges: [[from, to]] })).toBe(0);
    expect(outbox.ledger().lanes.traces).toEqual({ produced: 3, stored: 2, dropped: 0, pending: 1 });
    expect(outbox.ledger().lanes.alerts).toEqual({ produced: 2, stored: 0, dropped: 0, pending: 2 });
    outbox.close();
  });

  test('does not believe an acknowledgement of another boot, another lane, or of rows it never sent', () => {
    using folder = tempFolder();
    const outbox = openOutbox(folder.file('o.db'));
    outbox.append(rows('traces', 10), []);
    const [first] = outbox.lease('traces', 1);
    expect(outbox.acknowledge({ boot: 'another', lane: 'traces', ranges: [[1, 100]] })).toBe(0);
    expect(outbox.acknowledge({ boot: outbox.boot, lane: 'alerts', ranges: [[1, 100]] })).toBe(0);
    expect(outbox.acknowledge({ boot: outbox.boot, lane: 'traces', ranges: [[1, 100]] })).toBe(1);
    expect(first?.seq).toBe(1);
    expect(outbox.ledger().lanes.traces.pending).toBe(9);
    outbox.close();
  });

  test('keeps boot, numbers and ledger over a restart, and never gives a number twice', () => {
    using folder = tempFolder();
    const path = folder.file('o.db');
    const before = openOutbox(path);
    before.append(rows('traces', 4), [{ lane: 'alerts', reason: 'unknown-name', count: 3 }]);
    before.lease('traces', 10);
    before.acknowledge({ boot: before.boot, lane: 'traces', ranges: [[1, 4]] });
    const { boot } = before;
    before.close();
    const after = openOutbox(path);
    expect(after.boot).toBe(boot);
    after.append(rows('traces', 1), []);
    expect(after.lease('traces', 1)[0]?.seq).toBe(5);
    expect(after.ledger()).toMatchObject({
      boot,
      droppedByReason: { 'unknown-name': 3 },
      lanes: { alerts: { produced: 3, dropped: 3 }, traces: { produced: 5, stored: 4, pending: 1 } },
    });
    after.close();
  });

  test('two files have two boots', () => {
    using folder = tempFolder();
    const [a, b] = [openOutbox(folder.file('a.db')), openOutbox(folder.file('b.db'))];
    expect(a.boot).not.toBe(b.boot);
    a.close();
    b.close();
  });

  test('a row that is too large is dropped and counted', () => {
    using folder = tempFolder();
    const outbox = openOutbox(folder.file('o.db'));
    outbox.append([...rows('alerts', 1, MAX_ROW_BYTES + 1), ...rows('alerts', 1, MAX_ROW_BYTES)], []);
    expect(outbox.ledger()).toMatchObject({
      droppedByReason: { 'too-large': 1 },
      lanes: { alerts: { produced: 2, dropped: 1, pending: 1 } },
    });
    outbox.close();
  });
});

describe('the byte cap', () => {
  test('is kept by evicting the oldest of the least precious lane, each one counted', () => {
    using folder = tempFolder();
    const path = folder.file('o.db');
    const maxBytes = 2 * MIB;
    const outbox = openOutbox(path, maxBytes);
    outbox.append(rows('lifecycle', 50, 200), []);
    let largest = 0;
    for (let round = 0; round < 200; round++) {
      outbox.append([...rows('traces', 100, 300), ...rows('metrics', 10, 300)], []);
      largest = Math.max(largest, outbox.bytes());
    }
    const { lanes, droppedByReason } = outbox.ledger();
    expectBalanced(outbox);
    expect(lanes.traces.produced).toBe(20_000);
    expect(lanes.traces.dropped).toBeGreaterThan(10_000);
    expect(lanes.lifecycle).toEqual({ produced: 50, stored: 0, dropped: 0, pending: 50 });
    expect(droppedByReason['outbox-full']).toBe(lanes.traces.dropped + lanes.metrics.dropped);
    expect(largest).toBeLessThanOrEqual(maxBytes);
    expect(largest).toBeGreaterThan(maxBytes / 2);
    expect(statSync(path).size).toBeLessThanOrEqual(maxBytes);
    outbox.close();
  });

  test('never evicts a more precious lane for a lesser one', () => {
    using folder = tempFolder();
    const outbox = openOutbox(folder.file('o.db'), MIB);
    for (let round = 0; round < 40; round++) outbox.append(rows('lifecycle', 20, 1000), []);
    const full = outbox.ledger().lanes.lifecycle;
    expect(full.dropped).toBeGreaterThan(0);
    outbox.append(rows('traces', 300, 1000), []);
    expect(outbox.ledger().lanes.lifecycle).toEqual(full);
    expect(outbox.ledger().lanes.traces).toMatchObject({ produced: 300 });
    expect(outbox.ledger().lanes.traces.dropped).toBeGreaterThan(250);
    expectBalanced(outbox);
    outbox.close();
  });

  test('leaves alone what is on its way', () => {
    using folder = tempFolder();
    const outbox = openOutbox(folder.file('o.db'), MIB);
    outbox.append(rows('traces', 100, 300), []);
    const sent = outbox.lease('traces', 100);
    for (let round = 0; round < 100; round++) outbox.append(rows('traces', 100, 300), []);
    const range = [sent[0]?.seq ?? 0, sent.at(-1)?.seq ?? 0] as const;
    expect(outbox.acknowledge({ boot: outbox.boot, lane: 'traces', ranges: [range] })).toBe(100);
    expectBalanced(outbox);
    outbox.close();
  });
});

describe('a broken file', () => {
  test('that is no database is E_DATABASE_CORRUPT; quarantine begins a new boot and keeps the old file', () => {
    using folder = tempFolder();
    const path = folder.file('o.db');
    writeFileSync(path, 'no database at all '.repeat(1000));
    const outbox = new Outbox({ path, maxBytes: MIB, now: () => 0 });
    expect(() => outbox.open()).toThrow(expect.objectContaining({ code: 'E_DATABASE_CORRUPT' }));
    const kept = outbox.quarantine();
    outbox.append(rows('alerts', 1), []);
    expect(outbox.ledger().lanes.alerts.pending).toBe(1);
    expect(readdirSync(folder.path).map((name) => folder.file(name))).toContain(kept);
    outbox.close();
  });

  test('with damage inside is E_DATABASE_CORRUPT when the damage is met', () => {
    using folder = tempFolder();
    const path = folder.file('o.db');
    const outbox = openOutbox(path);
    outbox.append(rows('traces', 2000, 200), []);
    outbox.close();
    const file = openSync(path, 'r+');
    for (let page = 8; page < statSync(path).size / 4096; page++) writeSync(file, Buffer.alloc(4096, 0xa5), 0, 4096, page * 4096);
    closeSync(file);
    const reopened = openOutbox(path);
    expect(() => reopened.lease('traces', 2000)).toThrow(expect.objectContaining({ code: 'E_DATABASE_CORRUPT' }));
    reopened.close();
  });

  test('a closed one says so', () => {
    using folder = tempFolder();
    const outbox = openOutbox(folder.file('o.db'));
    outbox.close();
    expect(() => outbox.append(rows('traces', 1), [])).toThrow(expect.objectContaining({ code: 'E_DATABASE' }));
  });
});
