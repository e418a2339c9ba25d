import { existsSync } from 'node:fs';
import { openFleetDatabase } from '#apps/fleet/query.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { action } from '../context.ts';
import { connectDevice } from '../device-client.ts';
import { paint, print, printJson, table } from '../terminal.ts';

/** `nearside telemetry status`: of the running device, else of its outbox. */
export const status = action(async (context) => {
  await using device = await connectDevice(context, { models: 'as-they-are' });
  const ledger = await device.telemetryStatus();
  if (context.json) return printJson(ledger);
  print(
    `${paint('bold', `produced ${ledger.produced} = stored ${ledger.stored} + dropped ${ledger.dropped} + pending ${ledger.pending}`)}`,
  );
  print(
    `device ${ledger.tenant}/${ledger.device}, boot ${ledger.boot}, ${ledger.connected ? `connected to ${ledger.url}` : `not connected${ledger.lastError ? `: ${ledger.lastError.message}` : ''}`}`,
  );
  print(
    table(
      [
        ['LANE', 'PRODUCED', 'STORED', 'DROPPED', 'PENDING'],
        ...Object.entries(ledger.lanes).map(([lane, counts]) => [
          lane,
          String(counts.produced),
          String(counts.stored),
          String(counts.dropped),
          String(counts.pending),
        ]),
      ],
      [1, 2, 3, 4],
    ),
  );
  for (const [reason, count] of Object.entries(ledger.droppedByReason)) print(`dropped ${count}: ${reason}`);
});

/** `nearside fleet devices`: read from the collector's database. */
export const devices = action(async ({ config, json }) => {
  if (!existsSync(config.paths.fleet)) {
    throw new EdgeError('E_NOT_FOUND', {
      what: 'no device has reported here yet',
      expected: `a collector's database at ${config.paths.fleet}`,
      hint: 'Start a device ("nearside start"), or name the database with NEARSIDE_FLEET_DATABASE.',
    });
  }
  using fleet = openFleetDatabase(config.paths.fleet);
  const rows = fleet.listDevices();
  if (json) return printJson({ devices: rows });
  print(
    table(
      [
        ['DEVICE', 'STATE', 'LAST SEEN', 'STORED'],
        ...rows.map((row) => [`${row.tenant}/${row.device}`, row.state, new Date(row.lastSeen).toISOString(), String(row.stored)]),
      ],
      [3],
    ),
  );
});
