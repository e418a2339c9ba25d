/** The read side of the fleet's SQLite file; works while a collector writes to it, and without one. */
import { existsSync } from 'node:fs';
import { EdgeError } from '#edge/core/errors.ts';
import { openDatabase, toEdgeError } from '#edge/storage/sqlite.ts';
import type { DeviceRow, EventRow, FleetLedger } from './contracts.ts';
import { FLEET_MIGRATIONS } from './sinks/sqlite-schema.ts';

export interface FleetQueries extends Disposable {
  /** Every device ever seen, by name. */
  listDevices(): DeviceRow[];
  /** Events, newest first. `limit` defaults to 100. */
  listEvents(filter?: { readonly device?: string; readonly name?: string; readonly limit?: number }): EventRow[];
  /** The collector's side of one boot's ledger; `undefined` when nothing of it is stored. `tenant` defaults to any. */
  ledgerOf(device: string, boot: string, tenant?: string): FleetLedger | undefined;
  /** Boots of which anything is stored. */
  listLedgers(): FleetLedger[];
  /** Messages put aside as unreadable. */
  countDeadLetters(): number;
}

const LEDGER = `
  SELECT d.tenant, d.device, b.boot, l.lane, l.produced, l.dropped,
    (SELECT count(*) FROM event e WHERE e.boot_id = b.id AND e.lane = l.lane)
      + (SELECT count(*) FROM metric m WHERE m.boot_id = b.id AND m.lane = l.lane) AS stored
  FROM lane l JOIN boot b ON b.id = l.boot_id JOIN device d ON d.id = b.device_id`;

interface LedgerLine {
  readonly tenant: string;
  readonly device: string;
  readonly boot: string;
  readonly lane: FleetLedger['lanes'][number]['lane'];
  readonly produced: number;
  readonly dropped: number;
  readonly stored: number;
}

/** @throws EdgeError `E_DATABASE` when there is no such file, `E_DATABASE_CORRUPT`. */
export function openFleetDatabase(path: string): FleetQueries {
  if (!existsSync(path)) {
    throw new EdgeError('E_DATABASE', {
      what: `there is no fleet database ${path}`,
      hint: 'Start the device, which runs a collector when telemetry.mqttUrl is "local", or name the file with fleet.database.',
    });
  }
  const database = openDatabase({ path, migrations: FLEET_MIGRATIONS, readOnly: true });
  const all = <T>(sql: string, ...values: unknown[]): T[] => {
    try {
      return database.prepare(sql).all(...values) as T[];
    } catch (error) {
      throw toEdgeError(error, path);
    }
  };
  return {
    listDevices: () =>
      all<Omit<DeviceRow, 'inventory' | 'online'> & { inventory: string }>(
        `SELECT tenant, device, state, d.boot, inventory, first_seen AS firstSeen, last_seen AS lastSeen,
           (SELECT count(*) FROM event WHERE boot_id IN (SELECT id FROM boot WHERE device_id = d.id))
             + (SELECT count(*) FROM metric WHERE boot_id IN (SELECT id FROM boot WHERE device_id = d.id)) AS stored
         FROM device d ORDER BY tenant, device`,
      ).map((row) => ({ ...row, online: row.state === 'online', inventory: JSON.parse(row.inventory) as DeviceRow['inventory'] })),
    listEvents: ({ device = null, name = null, limit = 100 }: { device?: string | null; name?: string | null; limit?: number } = {}) =>
      all<Omit<EventRow, 'attributes'> & { attributes: string }>(
        `SELECT d.tenant, d.device, b.boot, e.seq, e.lane, e.time, e.received_at AS receivedAt, e.name, e.attributes
         FROM event e JOIN boot b ON b.id = e.boot_id JOIN device d ON d.id = b.device_id
         WHERE (@device IS NULL OR d.device = @device) AND (@name IS NULL OR e.name = @name)
         ORDER BY e.time DESC, e.seq DESC LIMIT @limit`,
        { device, name, limit },
      ).map((row) => ({ ...row, attributes: JSON.parse(row.attributes) as EventRow['attributes'] })),
    ledgerOf: (device, boot, tenant) =>
      toLedgers(
        all<LedgerLine>(`${LEDGER} WHERE d.device = ? AND b.boot = ? AND d.tenant = coalesce(?, d.tenant)`, device, boot, tenant ?? null),
      )[0],
    listLedgers: () => toLedgers(all<LedgerLine>(`${LEDGER} ORDER BY d.tenant, d.device, b.id`)),
    countDeadLetters: () => all<{ count: number }>('SELECT count(*) AS count FROM dead_letter')[0]?.count ?? 0,
    [Symbol.dispose]: () => database.close(),
  };
}

function toLedgers(lines: readonly LedgerLine[]): FleetLedger[] {
  return Array.from(Map.groupBy(lines, ({ tenant, device, boot }) => JSON.stringify([tenant, device, boot])).values(), (group) => {
    const { tenant, device, boot } = group[0] as LedgerLine;
    const lanes = group.map(({ lane, stored, produced, dropped }) => ({ lane, stored, produced, dropped }));
    return { tenant, device, boot, stored: lanes.reduce((sum, lane) => sum + lane.stored, 0), lanes };
  });
}
