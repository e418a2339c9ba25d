import { EdgeError } from '#edge/core/errors.ts';
import type { Logger } from '#edge/core/log.ts';
import { quarantineDatabase } from '#edge/storage/sqlite.ts';
import { EmbeddedBroker } from './broker.ts';
import { Collector } from './collector.ts';
import { SqliteSink } from './sinks/sqlite-sink.ts';
import { MqttSource } from './sources/mqtt-source.ts';

export interface FleetServerOptions {
  /** The broker to use, or the address at which to run the embedded one. */
  readonly broker:
    | { readonly url: string; readonly username?: string | undefined; readonly password?: string | undefined }
    | { readonly host: string; readonly port: number };
  /** SQLite file. */
  readonly database: string;
  readonly log: Logger;
}

/** A running collector, with the embedded broker when it has one. Dispose it to end both cleanly. */
export interface FleetServer extends AsyncDisposable {
  readonly mqttUrl: string;
}

/**
 * Starts broker (when embedded), sink, source and collector.
 * @throws EdgeError `E_PORT_IN_USE`, `E_BROKER_UNREACHABLE`, `E_DATABASE` ...; what had started is ended again.
 */
export async function startFleetServer({ broker, database, log }: FleetServerOptions): Promise<FleetServer> {
  await using stack = new AsyncDisposableStack();
  const sink = openSink(database, log);
  let source: MqttSource;
  let mqttUrl: string;
  if ('url' in broker) {
    mqttUrl = broker.url;
    source = new MqttSource({ ...broker, log });
  } else {
    const embedded = stack.use(new EmbeddedBroker({ ...broker, log }));
    await embedded.start();
    mqttUrl = embedded.url;
    source = new MqttSource({ url: mqttUrl, log });
  }
  await stack.use(new Collector({ source, sink, log })).start();
  const running = stack.move();
  return { mqttUrl, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

/** A file that is no sound database is put aside, and a new one begun: what is collected from now on matters more. */
function openSink(database: string, log: Logger): SqliteSink {
  const sink = new SqliteSink(database);
  try {
    sink.open();
  } catch (error) {
    if (!EdgeError.is(error, 'E_DATABASE_CORRUPT')) throw error;
    const kept = quarantineDatabase(database, Date.now());
    log.error('fleet database quarantined', { path: database, kept, found: error.message });
    sink.open();
  }
  return sink;
}
