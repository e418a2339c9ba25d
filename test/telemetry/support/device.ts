/** A device that records numbered events for ever and prints how many are durable after each commit. */
import { makeTelemetry, recordNumbered } from './rig.ts';

const [outboxPath, url] = process.argv.slice(2) as [string, string];
const telemetry = makeTelemetry(outboxPath);
telemetry.open();
await telemetry.connect(url);
let next = telemetry.status().lanes.traces.produced;
for (;;) {
  recordNumbered(telemetry, 20, next);
  next += 20;
  await telemetry.flush();
  process.stdout.write(`${next}\n`);
  await new Promise((resolve) => setTimeout(resolve, 5));
}
