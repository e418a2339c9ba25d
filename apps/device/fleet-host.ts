/** The collector of a device that has no fleet: broker and database in a child process, so that the ledger closes at home. */
import { fileURLToPath } from 'node:url';
import type { FleetMethods } from '#apps/fleet/fleet-methods.ts';
import type { Config } from '#edge/config/schema.ts';
import type { Recorder } from '#edge/contracts/telemetry.ts';
import { sleep } from '#edge/core/clock.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { Logger } from '#edge/core/log.ts';
import { SupervisedChild } from '#edge/core/process/child.ts';
import { backoffMs } from '#edge/core/retry.ts';

const RESTART = { initialMs: 1000, maxMs: 60_000 };

export interface FleetHostDependencies {
  readonly config: Pick<Config, 'fleet' | 'paths' | 'environment'>;
  readonly recorder: Recorder;
  readonly log: Logger;
}

export class FleetHost {
  readonly #config: FleetHostDependencies['config'];
  readonly #log: Logger;
  readonly #child: SupervisedChild<FleetMethods>;
  readonly #onRunning: (mqttUrl: string) => void;
  readonly #stopped = new AbortController();
  #keeping: Promise<void> | undefined;

  /** @param onRunning - told the URL of the broker each time that it runs */
  constructor({ config, recorder, log }: FleetHostDependencies, onRunning: (mqttUrl: string) => void) {
    this.#config = config;
    this.#log = log;
    this.#onRunning = onRunning;
    this.#child = new SupervisedChild<FleetMethods>({
      name: 'local fleet collector',
      entry: fileURLToPath(new URL('../fleet/main.ts', import.meta.url)),
      env: config.environment,
      handlers: {},
      log,
      onExit: (exit) => {
        if (!exit.unexpected) return;
        recorder.event({ lane: 'alerts', name: 'nearside.fleet.crashed' });
        this.start();
      },
    });
  }

  get residentBytes(): number {
    return this.#child.residentBytes;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Starts broker and collector in the background, and again after a crash or a failure, until the host is disposed. */
  start(): void {
    this.#keeping ??= this.#run().finally(() => {
      this.#keeping = undefined;
    });
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        return this.#onRunning(await this.#startChild());
      } catch (error) {
        if (signal.aborted) return;
        if (attempt === 0)
          this.#log.error('local fleet collector did not start', { error, next: 'tried again, events wait in the outbox' });
      }
      await sleep(backoffMs(attempt, RESTART), signal).catch(() => undefined);
    }
  }

  /** On a free port when the configured one is taken; resolves to the URL devices connect to. */
  async #startChild(): Promise<string> {
    const { mqttPort } = this.#config.fleet;
    try {
      return await this.#startOn(mqttPort);
    } catch (error) {
      if (!EdgeError.is(error, 'E_PORT_IN_USE')) throw error;
      const mqttUrl = await this.#startOn(0);
      this.#log.warn('local broker fell back', { from: mqttPort, to: mqttUrl, reason: error.message });
      return mqttUrl;
    }
  }

  async #startOn(mqttPort: number): Promise<string> {
    const { fleet, paths } = this.#config;
    const { mqttUrl } = await this.#child.lease((peer) =>
      peer.call('start', { mqttHost: fleet.mqttHost, mqttPort, database: paths.fleet }),
    );
    return mqttUrl;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort();
    await this.#child.stop();
    await this.#keeping;
  }
}
