/** The models of this device behind one port: resolves names, plans, loads on demand, and calls the engine. */

import { buildsFolder, listLocalBuilds } from '#edge/builds/local-builds.ts';
import { type CalibrateOptions, type CalibrationResult, type CalibrationTarget, calibrate } from '#edge/calibration/calibrate.ts';
import type { CalibrationStore } from '#edge/calibration/calibration-store.ts';
import type { Config } from '#edge/config/schema.ts';
import type { CallOptions, LoadSpec } from '#edge/contracts/backend.ts';
import type { EmbedRequest, EmbedResponse } from '#edge/contracts/embed.ts';
import type { GenerateRequest } from '#edge/contracts/generate.ts';
import type { DeviceProfile } from '#edge/contracts/hardware.ts';
import { TASKS, type Task } from '#edge/contracts/model.ts';
import type { ReplyPart } from '#edge/contracts/parts.ts';
import type { Plan } from '#edge/contracts/plan.ts';
import type { EngineStatus, ModelSummary, RuntimePort } from '#edge/contracts/runtime.ts';
import type { ScoreRequest, ScoreResponse } from '#edge/contracts/score.ts';
import type { Recorder } from '#edge/contracts/telemetry.ts';
import type { TensorRequest, TensorResponse } from '#edge/contracts/tensor.ts';
import { sleep } from '#edge/core/clock.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { Logger } from '#edge/core/log.ts';
import { probeDevice } from '#edge/hardware/device-profile.ts';
import { findEnergyMeter } from '#edge/hardware/energy.ts';
import { type ProbeIo, systemIo } from '#edge/hardware/probe-io.ts';
import { loadSpecOf, makePlan } from '#edge/planner/make-plan.ts';
import type { PlanInput, Quarantine } from '#edge/planner/plan-input.ts';
import { variantOf } from '#edge/store/catalog.ts';
import type { ModelStore } from '#edge/store/model-store.ts';
import { DriftWatch } from './drift-watch.ts';
import { EnginePool, type PoolPlanOptions } from './engine-pool.ts';
import { parseModelName } from './model-name.ts';

export interface EdgeRuntimeDependencies {
  readonly config: Pick<Config, 'runtime' | 'environment' | 'home'>;
  readonly store: ModelStore;
  /** What was measured here and what failed; the caller closes it. */
  readonly calibration: CalibrationStore;
  readonly recorder: Recorder;
  readonly log: Logger;
  /** Looks at the hardware; injectable so that tests can be another board. */
  readonly probe?: () => Promise<DeviceProfile>;
}

export interface CalibrateRuntimeOptions
  extends Pick<CalibrateOptions, 'budgetMs' | 'totalBudgetMs' | 'isExhaustive' | 'watchConditions' | 'signal' | 'onProgress'> {
  /** Ids of the catalog. Defaults to the stored default models. */
  readonly models?: readonly string[];
}

/** Longer than one plan takes. */
const LEFT_OUT_MS = 60_000;
/** Time over which the power of an idle machine is read. */
const IDLE_POWER_MS = 500;
/** Memory changes while the device runs; the rest of the profile hardly does. */
const PROFILE_MAX_AGE_MS = 5000;

export class EdgeRuntime implements RuntimePort {
  readonly #config: EdgeRuntimeDependencies['config'];
  readonly #store: ModelStore;
  readonly #calibration: CalibrationStore;
  readonly #drift: DriftWatch;
  readonly #log: Logger;
  readonly #pool: EnginePool;
  readonly #probe: () => Promise<DeviceProfile>;
  /** Of the last look at the device; every load begins with one. */
  #fingerprint = '';
  #measuring: { readonly stop: AbortController; readonly ended: Promise<unknown> } | undefined;
  #profile: { readonly at: number; readonly value: Promise<DeviceProfile> } | undefined;

  constructor(dependencies: EdgeRuntimeDependencies) {
    const { config, store, calibration, recorder, log } = dependencies;
    this.#config = config;
    this.#store = store;
    this.#calibration = calibration;
    this.#drift = new DriftWatch({ calibration, recorder, log });
    this.#log = log;
    this.#probe = dependencies.probe ?? (() => probeDevice());
    this.#pool = new EnginePool({
      plan: (name, options) => this.#planModel(name, options),
      failures: {
        add: (candidateId, reason) => this.#calibration.quarantine(candidateId, reason, this.#fingerprint, Date.now()),
        release: (candidateId) => this.#calibration.release(candidateId),
      },
      giveWay: () => this.#giveWay(),
      onLoad: (candidate, { version }) => this.#drift.sawVersion(candidate, version),
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
    const isAlone = this.#pool.working === 0;
    for await (const part of lease.host.generate({ ...request, model }, options)) {
      if (part.type === 'response-end' && isAlone && this.#pool.working <= 1) this.#drift.sawGeneration(lease.candidate, request, part);
      yield part.type === 'response-end' && cold ? { ...part, timings: { ...part.timings, loadMs } } : part;
    }
  }

  async embed(request: EmbedRequest, options?: CallOptions): Promise<EmbedResponse> {
    const model = this.#resolve(request.model);
    using lease = await this.#pool.acquire(model, options?.signal);
    const { host, candidate } = lease;
    const isAlone = host.status.info !== undefined && this.#pool.working === 0;
    const startedAt = performance.now();
    const response = await host.embed({ ...request, model }, options);
    const seconds = (performance.now() - startedAt) / 1000;
    if (isAlone && this.#pool.working === 0) this.#drift.sawTexts(candidate, request, response.promptTokens, seconds);
    return response;
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
    const model = this.#defaultModel(task);
    const serving = model === undefined ? undefined : this.#pool.serving(model);
    return makePlan(serving ? await this.#succession(task, serving) : await this.planInput(task));
  }

  /** All that a plan for the task depends on, here and now; `changes` replace parts of it. */
  async planInput(task: Task, changes: Partial<PlanInput> = {}): Promise<PlanInput> {
    const { profile, threads, memoryBytes, contextTokens } = this.#config.runtime;
    const preferredModel = this.#defaultModel(task);
    const device = await this.device();
    const nowMs = Date.now();
    return {
      task,
      profile,
      device,
      cards: this.#store.catalog.cards,
      stored: this.#store.list(),
      measurements: this.#calibration.measurements(device.fingerprint, nowMs),
      localBuilds: listLocalBuilds(buildsFolder(this.#config.home), this.#log),
      quarantined: this.#calibration.quarantined(device.fingerprint, nowMs),
      nowMs,
      settings: { threads, memoryBytes, contextTokens, ...(preferredModel ? { preferredModel } : {}) },
      engineMemory: this.#pool.memory,
      ...changes,
    };
  }

  /** The hardware this runtime plans for. */
  async device(): Promise<DeviceProfile> {
    const now = performance.now();
    if (!this.#profile || now - this.#profile.at > PROFILE_MAX_AGE_MS) this.#profile = { at: now, value: this.#probe() };
    const device = await this.#profile.value;
    this.#fingerprint = device.fingerprint;
    return device;
  }

  /**
   * Measures the candidates of stored models that lack a measurement, while no engine works, and plans the loaded ones anew. It ends early,
   * with the rest as `disturbed`, when a model that is called for needs the memory. See {@link calibrate} for what is measured and kept.
   * @throws EdgeError `E_CANCELLED`, `E_MODEL_UNKNOWN`, `E_BUSY` while another calibration runs, and those of the calibration file.
   */
  async calibrate(options: CalibrateRuntimeOptions = {}): Promise<CalibrationResult> {
    if (this.#measuring) throw new EdgeError('E_BUSY', { what: 'cannot calibrate now', found: 'another calibration in progress' });
    const stop = new AbortController();
    const work = this.#measure(options, stop.signal);
    this.#measuring = { stop, ended: Promise.allSettled([work]) };
    const result = await work.finally(() => {
      this.#measuring = undefined;
    });
    await this.#pool.replan();
    return result;
  }

  async #measure({ models = this.#defaultModels(), ...rest }: CalibrateRuntimeOptions, giveWay: AbortSignal): Promise<CalibrationResult> {
    const device = await this.device();
    const io = systemIo();
    const { threads } = this.#config.runtime;
    const stopped = rest.signal ? AbortSignal.any([rest.signal, giveWay]) : giveWay;
    const whenIdle = async (): Promise<void> => {
      try {
        await this.#pool.whenIdle(stopped);
      } catch (error) {
        if (!giveWay.aborted) throw error;
      }
    };
    // For the power of an idle machine.
    await whenIdle();
    return await calibrate({
      ...rest,
      giveWay,
      targets: models.map((model) => this.#calibrationTarget(model)),
      store: this.#calibration,
      device,
      io,
      ...(await energyBasis(io)),
      environment: this.#config.environment,
      log: this.#log,
      whenIdle,
      ...(threads > 0 ? { threadCounts: [] } : {}),
    });
  }

  /** Ends a calibration under way: an engine that is measured takes memory that a model needs now. */
  async #giveWay(): Promise<boolean> {
    if (!this.#measuring) return false;
    this.#measuring.stop.abort();
    await this.#measuring.ended;
    return true;
  }

  #defaultModels(): readonly string[] {
    return [...new Set(Object.values(this.#config.runtime.models))].filter((model) => this.#isStored(model));
  }

  #isStored(model: string): boolean {
    return this.#store.list().some((stored) => stored.model === model && stored.state === 'verified');
  }

  #calibrationTarget(model: string): CalibrationTarget {
    const card = this.#store.catalog.get(model);
    let input: PlanInput | undefined;
    return {
      card,
      plan: async () => {
        input = await this.planInput(card.task, { model });
        return makePlan(input);
      },
      specOf: (candidate) => {
        const stored = this.#store.find(model, candidate.variant);
        if (!input || !stored) throw new EdgeError('E_MODEL_NOT_STORED', { what: `${candidate.id} is not on this device any more` });
        return { ...loadSpecOf(candidate, input), stored };
      },
    };
  }

  /** Plans every loaded model again, after new measurements or a change of the machine. */
  async replan(): Promise<void> {
    await this.#pool.replan();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]();
  }

  /** `model` or `model:variant` of the catalog, from one of them or a task name; either is on this device. */
  #resolve(name: string): string {
    const task = TASKS.find((known) => known === name);
    const id = task ? this.#defaultModel(task) : name;
    if (!id)
      throw new EdgeError('E_MODEL_UNKNOWN', {
        what: `there is no default model for the task "${name}"`,
        hint: 'Name a model of "nearside list".',
      });
    const { model, variant } = parseModelName(id);
    if (!this.#store.find(model, variant))
      throw new EdgeError('E_MODEL_NOT_STORED', {
        what: `model "${id}" is not on this device`,
        hint: `Fetch it with "nearside pull ${model}${variant === undefined ? '' : ` --variant ${variant}`}".`,
      });
    return id;
  }

  #defaultModel(task: Task): string | undefined {
    const models: Partial<Record<Task, string>> = this.#config.runtime.models;
    return models[task];
  }

  async #planModel(name: string, options: PoolPlanOptions): Promise<{ plan: Plan; loadSpec?: LoadSpec }> {
    const { model, variant } = parseModelName(name);
    const card = this.#store.catalog.get(model);
    const wanted = variant === undefined ? card : { ...card, variants: [variantOf(card, variant)] };
    const plan = makePlan(await this.#succession(card.task, options, { model, cards: [wanted] }));
    const stored = plan.chosen && this.#store.find(model, plan.chosen.variant);
    return plan.loadSpec && stored ? { plan, loadSpec: { ...plan.loadSpec, stored } } : { plan };
  }

  /** The input of a plan that may take the place of the engine that serves now. */
  async #succession(task: Task, options: PoolPlanOptions, changes: Partial<PlanInput> = {}): Promise<PlanInput> {
    const { engineMemory, without = [], current } = options;
    // Engines that were loaded or unloaded a moment ago changed what memory is left.
    this.#profile = undefined;
    const input = await this.planInput(task, { engineMemory, ...changes });
    return {
      ...input,
      ...(current ? { current: current.candidateId, device: withMemory(input.device, current.residentBytes) } : {}),
      quarantined: [...input.quarantined, ...without.map(leftOut)],
    };
  }
}

/** The meter of this machine, and what it reads while nothing of ours works; nothing where there is none. */
async function energyBasis(io: ProbeIo): Promise<Pick<CalibrateOptions, 'energy'>> {
  const found = await findEnergyMeter(io);
  if (!('meter' in found)) return {};
  const { seconds, joules } = await found.meter.measure(() => sleep(IDLE_POWER_MS));
  return joules === undefined ? {} : { energy: { meter: found.meter, idleWatts: joules / seconds } };
}

function withMemory(device: DeviceProfile, bytes: number): DeviceProfile {
  return { ...device, memory: { ...device.memory, availableBytes: device.memory.availableBytes + bytes } };
}

function leftOut(candidateId: string): Quarantine {
  return { candidateId, untilMs: Date.now() + LEFT_OUT_MS, reason: 'failed a moment ago' };
}
