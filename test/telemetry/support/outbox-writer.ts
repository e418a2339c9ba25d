/** Appends numbered rows for ever, as fast as it can, and prints how many are durable after each commit. */
import { LANES } from '#edge/contracts/telemetry.ts';
import { Outbox } from '#edge/telemetry/outbox.ts';

const outbox = new Outbox({ path: process.argv[2] as string, maxBytes: 64 * 1024 * 1024, now: Date.now });
outbox.open();
let next = LANES.reduce((sum, lane) => sum + outbox.ledger().lanes[lane].pending, 0);
for (;;) {
  const rows = Array.from({ length: 1 + (next % 37) }, (_, index) => ({
    lane: LANES[(next + index) % LANES.length] ?? 'traces',
    time: next + index,
    payload: JSON.stringify({ number: next + index, filler: 'x'.repeat((next * 31) % 900) }),
  }));
  outbox.append(rows, [{ lane: 'traces', reason: 'handover-full', count: 1 }]);
  next += rows.length;
  process.stdout.write(`${next}\n`);
  await new Promise((resolve) => setImmediate(resolve));
}
