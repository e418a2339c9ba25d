/**
 * The collector as a process: forked by the device (`FleetMethods` over IPC), or in the foreground:
 * `node_modules/.bin/node apps/fleet/main.ts --mqtt embedded|URL --db FILE --mqtt-port N`.
 */
import { parseArgs } from 'node:util';
import { loadConfig } from '#edge/config/load.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { createLogger } from '#edge/core/log.ts';
import { connectParent } from '#edge/core/process/parent.ts';
import type { RpcHandlers } from '#edge/core/process/rpc.ts';
import type { FleetMethods } from './fleet-methods.ts';
import { type FleetServer, startFleetServer } from './fleet-server.ts';

const USAGE = `Collects what devices tell over MQTT into one SQLite file.

  --mqtt embedded|URL   broker to use; "embedded" (default) runs one
  --mqtt-port N         port of the embedded broker (default: fleet.mqttPort)
  --db FILE             database (default: fleet.database)
  --home DIR            folder of state and config.json
  --help
`;

/** Serves the device that forked this process. */
function serveParent(): void {
  let running: Promise<FleetServer> | undefined;
  const log = createLogger({ level: 'info', format: 'json', write: (line) => process.stderr.write(line) });
  const handlers: RpcHandlers<FleetMethods> = {
    start: async ({ mqttHost: host, mqttPort: port, database }) => {
      running ??= startFleetServer({ broker: { host, port }, database, log });
      try {
        return { mqttUrl: (await running).mqttUrl };
      } catch (error) {
        running = undefined;
        throw error;
      }
    },
  };
  connectParent<Record<never, never>, FleetMethods>(handlers, async () => {
    // A start that failed has told its caller.
    const server = await running?.catch(() => undefined);
    await server?.[Symbol.asyncDispose]();
  });
}

/** Runs in the foreground until Ctrl-C. */
async function runInForeground(): Promise<void> {
  const { values } = parseArgs({
    options: {
      mqtt: { type: 'string', default: 'embedded' },
      'mqtt-port': { type: 'string' },
      db: { type: 'string' },
      home: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return;
  }
  const port = values['mqtt-port'];
  const config = loadConfig({ home: values.home, overrides: port === undefined ? {} : { fleet: { mqttPort: Number(port) } } });
  const log = createLogger({ ...config.log, write: (line) => process.stderr.write(line) });
  const { username, password } = config.telemetry;
  const { mqttHost, mqttPort } = config.fleet;
  const database = values.db ?? config.paths.fleet;
  const broker = values.mqtt === 'embedded' ? { host: mqttHost, port: mqttPort } : { url: values.mqtt, username, password };
  const server = await startFleetServer({ broker, database, log });
  process.stdout.write(`Collecting from ${server.mqttUrl} into ${database}. Ctrl-C ends.\n`);
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  await server[Symbol.asyncDispose]();
  process.stdout.write('Ended; everything acknowledged is stored.\n');
}

if (process.send) serveParent();
else {
  try {
    await runInForeground();
  } catch (error) {
    const coded = isUsageError(error) ? new EdgeError('E_USAGE', { what: error.message }) : EdgeError.from(error);
    process.stderr.write(`${coded.code}: ${coded.message}\n${coded.hint}\n`);
    process.exitCode = coded.code === 'E_USAGE' ? 2 : 1;
  }
}

function isUsageError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
}
