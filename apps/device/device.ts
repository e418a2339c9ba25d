/** One device: everything wired together, in the order in which it starts and stops. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { llamaQuantizer } from '#edge/backends/llama/llama-quantize.ts';
import { CalibrationStore } from '#edge/calibration/calibration-store.ts';
import type { Config } from '#edge/config/schema.ts';
import type { ModelCard } from '#edge/contracts/model.ts';
import type { OnProgress } from '#edge/contracts/progress.ts';
import type { Recorder } from '#edge/contracts/telemetry.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { Logger } from '#edge/core/log.ts';
import { EdgeRuntime } from '#edge/runtime/edge-runtime.ts';
import { createApp } from '#edge/serve/app.ts';
import { type Listener, listen } from '#edge/serve/listen.ts';
import { loadCatalog } from '#edge/store/catalog.ts';
import { pullDefaults } from '#edge/store/extra-variants.ts';
import { ModelStore } from '#edge/store/model-store.ts';
import { deviceName } from '#edge/telemetry/device-name.ts';
import { Telemetry } from '#edge/telemetry/telemetry.ts';
import { BotHost } from './bot-host.ts';
import { CalibrationJob } from './calibration-job.ts';
import { FleetHost } from './fleet-host.ts';
import { HomeLease } from './home.ts';
import { sampleProcesses } from './process-sample.ts';

const WEB_ROOT = fileURLToPath(new URL('../web/dist/', import.meta.url));
/** Streams get this long to finish when the device stops. */
const DRAIN_MS = 5000;
const FLUSH_MS = 2000;
/** What `telemetry.enabled = false` records. */
const NO_RECORDER: Recorder = { event: () => undefined, observe: () => undefined };

export interface DeviceOptions {
  readonly config: Config;
  readonly log: Logger;
  readonly version: string;
}

/** Makes the model store that a configuration names; needs no device. */
export function openModelStore(config: Config, log: Logger): ModelStore {
  return new ModelStore({
    directory: config.paths.store,
    catalog: loadCatalog(),
    settings: config.store,
    environment: config.environment,
    quantize: llamaQuantizer(config.environment, log),
    log,
  });
}

export class Device {
  readonly config: Config;
  readonly store: ModelStore;
  readonly telemetry: Telemetry;
  readonly calibration: CalibrationStore;
  readonly runtime: EdgeRuntime;
  readonly bots: BotHost;
  readonly #recorder: Recorder;
  readonly #log: Logger;
  readonly #version: string;
  readonly #home: HomeLease;
  readonly #fleet: FleetHost;
  readonly #calibrating: CalibrationJob;
  #listener: Listener | undefined;
  #sampling: NodeJS.Timeout | undefined;

  /**
   * Takes the home folder and opens its stores; nothing listens and no model is loaded yet.
   * @throws EdgeError `E_HOME_IN_USE`, `E_HOME_UNUSABLE`, `E_DATABASE...`.
   */
  constructor({ config, log, version }: DeviceOptions) {
    this.config = config;
    this.#log = log;
    this.#version = version;
    this.store = openModelStore(config, log);
    this.#home = HomeLease.take({ home: config.home, ...config.paths });
    try {
      this.#home.publish({ pid: process.pid, version, startedAt: new Date().toISOString() });
      this.telemetry = new Telemetry({
        settings: config.telemetry,
        outboxPath: config.paths.outbox,
        device: config.telemetry.device ?? deviceName(join(config.paths.data, 'device-name')),
        log,
        inventory: { 'service.version': version },
      });
      this.telemetry.open();
    } catch (error) {
      this.#home[Symbol.dispose]();
      throw error;
    }
    this.#recorder = config.telemetry.enabled ? this.telemetry : NO_RECORDER;
    this.calibration = new CalibrationStore({ path: config.paths.calibration, log });
    this.runtime = new EdgeRuntime({ config, store: this.store, calibration: this.calibration, recorder: this.#recorder, log });
    this.bots = new BotHost({ config, runtime: this.runtime, recorder: this.#recorder, log });
    this.#calibrating = new CalibrationJob({ runtime: this.runtime, store: this.store, log });
    this.#fleet = new FleetHost({ config, recorder: this.#recorder, log }, (mqttUrl) => this.#connectTelemetry(mqttUrl));
  }

  /** Default models, and those the settings name, that are not in the store. */
  missingModels(): readonly ModelCard[] {
    const wanted = new Set([...Object.values(this.config.runtime.models), ...this.store.catalog.defaults().map((card) => card.id)]);
    return [...wanted].filter((id) => !this.#isStored(id)).map((id) => this.store.catalog.get(id));
  }

  /** Fetches {@link missingModels}, one after the other, each with the variants that the device shall choose among. */
  async fetchMissingModels(onProgress: OnProgress, signal?: AbortSignal): Promise<void> {
    for (const card of this.missingModels()) await pullDefaults(this.store, card.id, { onProgress, signal, log: this.#log });
  }

  /**
   * Begins to serve; resolves to the URL.
   * @throws EdgeError `E_PORT_IN_USE`, `E_KEYS_REQUIRED`.
   */
  async serve(): Promise<string> {
    const { config } = this;
    const app = createApp({
      runtime: this.runtime,
      bots: this.bots,
      telemetry: this.telemetry,
      recorder: this.#recorder,
      settings: config.serve,
      webRoot: WEB_ROOT,
      version: this.#version,
      log: this.#log,
    });
    this.#listener = await listen(app, config.serve);
    const { url } = this.#listener;
    this.#home.publish({ pid: process.pid, url, version: this.#version, startedAt: new Date().toISOString() });
    this.#recorder.event({ lane: 'lifecycle', name: 'nearside.device.started', attributes: { 'service.version': this.#version } });
    if (config.telemetry.enabled) this.#startTelemetry(config.telemetry.mqttUrl);
    if (config.agent.start === 'eager') void this.bots.start().catch((error) => this.#log.error('bots did not start', { error }));
    if (config.runtime.calibration === 'auto') this.#calibrating.start();
    this.#sampling = setInterval(() => this.#sample(), 10_000);
    this.#sampling.unref();
    this.#sample();
    return url;
  }

  /** Memory of every process of the device, in bytes. */
  async processes(): Promise<ReturnType<typeof sampleProcesses>> {
    return sampleProcesses(this.bots, this.#fleet, await this.runtime.listEngines());
  }

  /**
   * Stops in order: accept nothing, finish streams, close bots and engines, flush the outbox, close storage. The stack runs from
   * its end to its begin, and to its begin even when a step fails.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#sampling);
    await using stack = new AsyncDisposableStack();
    stack.use(this.#home);
    stack.use(this.#fleet);
    stack.use(this.telemetry);
    stack.defer(() => this.#flushTelemetry());
    stack.use(this.calibration);
    stack.use(this.runtime);
    stack.use(this.bots);
    stack.use(this.#calibrating);
    stack.defer(() => this.#listener?.drain(DRAIN_MS));
  }

  async #flushTelemetry(): Promise<void> {
    if (this.#listener) this.#recorder.event({ lane: 'lifecycle', name: 'nearside.device.stopped' });
    await this.telemetry.flush(this.#listener ? FLUSH_MS : 0);
  }

  /** A file that changed since it was verified counts as missing: the pull replaces it. */
  #isStored(model: string): boolean {
    try {
      return this.store.find(model) !== undefined;
    } catch (error) {
      if (!EdgeError.is(error, 'E_MODEL_CORRUPT')) throw error;
      this.#log.warn('stored model is damaged, fetching it anew', { model, error });
      return false;
    }
  }

  /** In the background: an answer never waits for a broker. */
  #startTelemetry(mqttUrl: string): void {
    if (mqttUrl === 'local') this.#fleet.start();
    else this.#connectTelemetry(mqttUrl);
  }

  #connectTelemetry(mqttUrl: string): void {
    void this.telemetry.connect(mqttUrl).catch((error) => this.#log.warn('telemetry waits in the outbox', { error }));
  }

  #sample(): void {
    void this.processes()
      .then((processes) => {
        for (const { role, residentBytes } of processes)
          this.#recorder.observe('nearside.process.memory', residentBytes, { 'nearside.process': role });
      })
      .catch((error) => this.#log.debug('process sample failed', { error }));
  }
}
