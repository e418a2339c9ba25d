/** The models of this device behind one port: resolves names, plans, loads on demand, and calls the engine. */
import type { Config } from '#edge/config/schema.ts';
import type { CallOptions, LoadSpec } from '#edge/contracts/backend.ts';
import type { EmbedRequest, EmbedResponse } from '#edge/contracts/embed.ts';
import type { GenerateRequest } from '#edge/contracts/generate.ts';
import type { DeviceProfile } from '#edge/contracts/hardware.ts';
import { type ModelCard, TASKS, type Task } from '#edge/contracts/model.ts';
import type { ReplyPart } from '#edge/contracts/parts.ts';
import type { Plan } from '#edge/contracts/plan.ts';
import type { EngineStatus, ModelSummary, RuntimePort } from '#edge/contracts/runtime.ts';
import type { ScoreRequest, ScoreResponse } from '#edge/contracts/score.ts';
import type { Recorder } from '#edge/contracts/telemetry.ts';
import type { TensorRequest, TensorResponse } from '#edge/contracts/tensor.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { Logger } from '#edge/core/log.ts';
import { probeDevice } from '#edge/hardware/device-profile.ts';
import { makePlan } from '#edge/planner/make-plan.ts';
import type { EngineMemory, Quarantine } from '#edge/planner/plan-input.ts';
import type { ModelStore } from '#edge/store/model-store.ts';
import { EnginePool } from './engine-pool.ts';

export interface EdgeRuntimeDependencies {
  readonly config: Pick<Config, 'runtime' | 'environment'>;
  readonly store: ModelStore;
  readonly recorder: Recorder;
  readonly log: Logger;
  /** Looks at the hardware; injectable so that tests can be another board. */
  readonly probe?: () => Promise<DeviceProfile>;
}

/** Memory changes while the device runs; the rest of the profile hardly does. */
const PROFILE_MAX_AGE_MS = 5000;

export class EdgeRuntime implements RuntimePort {
  readonly #config: EdgeRuntimeDependencies['config'];
  readonly #store: ModelStore;
  readonly #pool: EnginePool;
  readonly #probe: () => Promise<DeviceProfile>;
  #profile: { readonly at: number; readonly value: Promise<DeviceProfile> } | undefined;

  constructor(dependencies: EdgeRuntimeDependencies) {
    const { config, store, recorder, log } = dependencies;
    this.#config = config;
    this.#store = store;
    this.#probe = dependencies.probe ?? (() => probeDevice());
    this.#pool = new EnginePool({
      plan: (model, quarantined, memory) => this.#planModel(model, quarantined, memory),
      environment: config.environment,
      idleUnloadMs: config.runtime.idleUnloadMs,
      deadlineMs: config.runtime.deadlineMs,
      recorder,
      log,
    });
  }

  async *generate(request: GenerateRequest, options?: CallOptions): AsyncGenerator<ReplyPart, void, undefined> {
    const model = this.#resolve(request.model);
    const queuedAt = performance.now();
    const cold = !this.#pool.isLoaded(model);
    if (cold) yield { type: 'status', text: `loading ${model}` };
    using lease = await this.#pool.acquire(model, options?.signal);
    // An engine that stopped when it was idle, or crashed, loads again.
    await lease.host.load(options);
    const loadMs = performance.now() - queuedAt;
    for await (const part of lease.host.generate({ ...request, model }, options)) {
      yield part.type === 'response-end' && cold ? { ...part, timings: { ...part.timings, loadMs } } : part;
    }
  }

  async embed(request: EmbedRequest, options?: CallOptions): Promise<EmbedResponse> {
    const model = this.#resolve(request.model);
    using lease = await this.#pool.acquire(model, options?.signal);
    return await lease.host.embed({ ...request, model }, options);
  }

  async score(request: ScoreRequest, options?: CallOptions): Promise<ScoreResponse> {
    const model = this.#resolve(request.model);
    using lease = await this.#pool.acquire(model, options?.signal);
    return await lease.host.score({ ...request, model }, options);
  }

  async runTensors(request: TensorRequest, options?: CallOptions): Promise<TensorResponse> {
    const model = this.#resolve(request.model);
    using lease = await this.#pool.acquire(model, options?.signal);
    return await lease.host.runTensors({ ...request, model }, options);
  }

  async listModels(): Promise<readonly ModelSummary[]> {
    const stored = this.#store.list();
    return this.#store.catalog.cards.map((card) => ({
      card,
      stored: stored.filter((entry) => entry.model === card.id).map((entry) => entry.variant),
      loaded: this.#pool.isLoaded(card.id),
    }));
  }

  async listEngines(): Promise<readonly EngineStatus[]> {
    return this.#pool.status();
  }

  /** How this device would run a task, with every model of the catalog that does it as a candidate. */
  async plan(task: Task): Promise<Plan> {
    return this.#plan(task, { preferred: this.#defaultModel(task), memory: this.#pool.memory });
  }

  /** The hardware this runtime plans for. */
  device(): Promise<DeviceProfile> {
    const now = performance.now();
    if (!this.#profile || now - this.#profile.at > PROFILE_MAX_AGE_MS) this.#profile = { at: now, value: this.#probe() };
    return this.#profile.value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]();
  }

  /** A model id of the catalog, from an id or a task name. */
  #resolve(name: string): string {
    const task = TASKS.find((known) => known === name);
    const id = task ? this.#defaultModel(task) : name;
    if (!id)
      throw new EdgeError('E_MODEL_UNKNOWN', {
        what: `there is no default model for the task "${name}"`,
        hint: 'Name a model of "nearside list".',
      });
    const card: ModelCard = this.#store.catalog.get(id);
    if (!this.#store.find(card.id))
      throw new EdgeError('E_MODEL_NOT_STORED', {
        what: `model "${card.id}" is not on this device`,
        hint: `Fetch it with "nearside pull ${card.id}".`,
      });
    return card.id;
  }

  #defaultModel(task: Task): string | undefined {
    const models: Partial<Record<Task, string>> = this.#config.runtime.models;
    return models[task];
  }

  async #planModel(model: string, quarantined: readonly Quarantine[], memory: EngineMemory): Promise<{ plan: Plan; loadSpec?: LoadSpec }> {
    const card = this.#store.catalog.get(model);
    // Engines that were loaded or unloaded a moment ago changed what memory is left.
    this.#profile = undefined;
    const plan = await this.#plan(card.task, { model, quarantined, memory });
    const stored = plan.chosen && this.#store.find(model, plan.chosen.variant);
    return plan.loadSpec && stored ? { plan, loadSpec: { ...plan.loadSpec, stored } } : { plan };
  }

  async #plan(
    task: Task,
    options: {
      readonly model?: string;
      readonly preferred?: string | undefined;
      readonly quarantined?: readonly Quarantine[];
      readonly memory: EngineMemory;
    },
  ): Promise<Plan> {
    const { profile, threads, memoryBytes, contextTokens } = this.#config.runtime;
    return makePlan({
      task,
      ...(options.model ? { model: options.model } : {}),
      profile,
      device: await this.device(),
      cards: this.#store.catalog.cards,
      stored: this.#store.list(),
      measurements: [],
      localBuilds: [],
      quarantined: options.quarantined ?? this.#pool.quarantined,
      nowMs: Date.now(),
      settings: { threads, memoryBytes, contextTokens, ...(options.preferred ? { preferredModel: options.preferred } : {}) },
      engineMemory: options.memory,
    });
  }
}
