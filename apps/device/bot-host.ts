/** The bots as the device sees them: a child process that starts with the first question and stops when idle. */
import { fileURLToPath } from 'node:url';
import type { BotMethods } from '#apps/bots/bot-methods.ts';
import type { Config } from '#edge/config/schema.ts';
import type { BotPort } from '#edge/contracts/bot.ts';
import type { RuntimePort } from '#edge/contracts/runtime.ts';
import type { Recorder } from '#edge/contracts/telemetry.ts';
import type { Logger } from '#edge/core/log.ts';
import { SupervisedChild } from '#edge/core/process/child.ts';
import { type RuntimeMethods, runtimeHandlers } from '#edge/runtime/runtime-methods.ts';

export interface BotHostDependencies {
  readonly config: Pick<Config, 'agent' | 'environment'>;
  readonly runtime: RuntimePort;
  readonly recorder: Recorder;
  readonly log: Logger;
}

export class BotHost implements BotPort {
  readonly #child: SupervisedChild<BotMethods, RuntimeMethods>;

  constructor({ config, runtime, recorder, log }: BotHostDependencies) {
    this.#child = new SupervisedChild<BotMethods, RuntimeMethods>({
      name: 'agent host',
      entry: fileURLToPath(new URL('../bots/main.ts', import.meta.url)),
      env: config.environment,
      handlers: runtimeHandlers(runtime, recorder),
      idleStopMs: config.agent.idleStopMs,
      log,
      onExit: (exit) => {
        if (exit.unexpected)
          recorder.event({
            lane: 'alerts',
            name: 'nearside.bots.crashed',
            attributes: { 'nearside.exit': exit.signal ?? String(exit.code) },
          });
      },
    });
  }

  /** Resident memory of the child; 0 while it does not run. */
  get residentBytes(): number {
    return this.#child.residentBytes;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Starts the child ahead of the first question. */
  async start(): Promise<void> {
    await this.#child.start();
  }

  listBots: BotPort['listBots'] = () => this.#child.lease((peer) => peer.call('listBots', undefined));
  reply: BotPort['reply'] = (request, options) => this.#child.leaseStream((peer) => peer.stream('reply', request, options));
  addDocuments: BotPort['addDocuments'] = (request, options) =>
    this.#child.leaseStream((peer) => peer.stream('addDocuments', request, options));
  listDocuments: BotPort['listDocuments'] = () => this.#child.lease((peer) => peer.call('listDocuments', undefined));
  removeDocuments: BotPort['removeDocuments'] = (names) => this.#child.lease((peer) => peer.call('removeDocuments', names));
  reindexDocuments: BotPort['reindexDocuments'] = (options) =>
    this.#child.leaseStream((peer) => peer.stream('reindexDocuments', undefined, options));
  listSessions: BotPort['listSessions'] = () => this.#child.lease((peer) => peer.call('listSessions', undefined));
  readSession: BotPort['readSession'] = (id) => this.#child.lease((peer) => peer.call('readSession', id));
  deleteSession: BotPort['deleteSession'] = (id) => this.#child.lease((peer) => peer.call('deleteSession', id));
  addFeedback: BotPort['addFeedback'] = (request) => this.#child.lease((peer) => peer.call('addFeedback', request));

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stop();
  }
}
