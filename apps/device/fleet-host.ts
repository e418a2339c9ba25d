/** The collector of a device that has no fleet: broker and database in a child process, so that the ledger closes at home. */
import { fileURLToPath } from 'node:url';
import type { FleetMethods } from '#apps/fleet/fleet-methods.ts';
import type { Config } from '#edge/config/schema.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { Logger } from '#edge/core/log.ts';
import { SupervisedChild } from '#edge/core/process/child.ts';

const RESTART_MS = 1000;

export class FleetHost {
  readonly #config: Pick<Config, 'fleet' | 'paths' | 'environment'>;
  readonly #log: Logger;
  readonly #child: SupervisedChild<FleetMethods>;

  /** @param onRestart - told the URL of the broker that runs again after a crash */
  constructor(config: Pick<Config, 'fleet' | 'paths' | 'environment'>, log: Logger, onRestart: (mqttUrl: string) => void) {
    this.#config = config;
    this.#log = log;
    const restart = (): void =>
      void this.start()
        .then(onRestart)
        .catch((error) => log.error('local fleet collector did not restart', { error }));
    this.#child = new SupervisedChild<FleetMethods>({
      name: 'local fleet collector',
      entry: fileURLToPath(new URL('../fleet/main.ts', import.meta.url)),
      env: config.environment,
      handlers: {},
      log,
      onExit: (exit) => {
        if (exit.unexpected) setTimeout(restart, RESTART_MS).unref();
      },
    });
  }

  get residentBytes(): number {
    return this.#child.residentBytes;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Starts broker and collector, on a free port when the configured one is taken; resolves to the URL devices connect to. */
  async start(): Promise<string> {
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
    await this.#child.stop();
  }
}
