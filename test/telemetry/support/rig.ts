import { startFleetServer } from '#apps/fleet/fleet-server.ts';
import { type FleetQueries, openFleetDatabase } from '#apps/fleet/query.ts';
import type { Logger } from '#edge/core/log.ts';
import { silentLogger } from '#edge/core/log.ts';
import { Telemetry, type TelemetryOptions, type TelemetryStatus } from '#edge/telemetry/telemetry.ts';

/** A device's telemetry with short times; `options` replace any part. */
export function makeTelemetry(outboxPath: string, options: Partial<TelemetryOptions> & { log?: Logger } = {}): Telemetry {
  return new Telemetry({
    settings: { tenant: 'test', outboxBytes: 8 * 1024 * 1024, flushMs: 50 },
    outboxPath,
    device: 'device-1',
    log: silentLogger,
    ackTimeoutMs: 500,
    ...options,
  });
}

/** The ledger of a device that is not running, from its outbox file. */
export async function ledgerOnDisk(outboxPath: string): Promise<TelemetryStatus> {
  await using telemetry = makeTelemetry(outboxPath);
  telemetry.open();
  return telemetry.status();
}

/** Records `count` events of the lane traces, numbered from `from`. */
export function recordNumbered(telemetry: Telemetry, count: number, from = 0): void {
  for (let number = from; number < from + count; number++) {
    telemetry.event({ lane: 'traces', name: 'nearside.request.failed', attributes: { number } });
  }
}

/** The numbers of {@link recordNumbered} that are stored, ascending. */
export function storedNumbers(queries: FleetQueries): number[] {
  return queries
    .listEvents({ name: 'nearside.request.failed', limit: 1_000_000 })
    .map((event) => Number(event.attributes.number))
    .toSorted((a, b) => a - b);
}

export function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, number) => number);
}

export function readFleet<T>(database: string, use: (queries: FleetQueries) => T): T {
  using queries = openFleetDatabase(database);
  return use(queries);
}

export const startEmbeddedFleet = (database: string, port = 0, log = silentLogger) =>
  startFleetServer({ broker: { host: '127.0.0.1', port }, database, log });

export const startFleetOn = (url: string, database: string, log = silentLogger) => startFleetServer({ broker: { url }, database, log });
