/** Keeps one engine a model: loads on demand, falls back along the plan, makes room by unloading what was idle longest. */
import { EngineHost } from '#edge/backends/engine-host.ts';
import { blamesCandidate } from '#edge/calibration/measure-candidate.ts';
import type { EngineInfo, LoadSpec } from '#edge/contracts/backend.ts';
import type { Candidate, Plan } from '#edge/contracts/plan.ts';
import type { EngineStatus } from '#edge/contracts/runtime.ts';
import type { Recorder } from '#edge/contracts/telemetry.ts';
import { orAborted, throwIfAborted } from '#edge/core/abort.ts';
import { sleep } from '#edge/core/clock.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { Logger } from '#edge/core/log.ts';
import { Pool } from '#edge/core/pool.ts';
import type { ChildExit } from '#edge/core/process/child-exit.ts';
import type { EngineMemory } from '#edge/planner/plan-input.ts';
import { describeFailure, noCandidate, reportCrash, reportFallback, reportLoad } from './engine-reports.ts';
import { parseModelName } from './model-name.ts';

export interface PoolPlanOptions {
  readonly engineMemory: EngineMemory;
  /** Candidates to leave out, besides those that are quarantined. */
  readonly without?: readonly string[];
  /** Engine that serves now and would make room for its successor. */
  readonly current?: { readonly candidateId: string; readonly residentBytes: number };
}

/** Remembers which candidates failed; plans leave those out for a while. */
export interface FailureBook {
  add(candidateId: string, reason: string): void;
  /** The candidate has served well: its next failure is the first again. */
  release(candidateId: string): void;
}

export interface EnginePoolDependencies {
  /** Plans one model, or one variant of it (`model:variant`). */
  readonly plan: (name: string, options: PoolPlanOptions) => Promise<{ plan: Plan; loadSpec?: LoadSpec }>;
  readonly failures: FailureBook;
  /** Ends work that takes memory and can be put off; false when there was none. */
  readonly giveWay: () => Promise<boolean>;
  readonly onLoad: (candidate: Candidate, info: EngineInfo) => void;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly idleUnloadMs: number;
  readonly deadlineMs: number;
  readonly recorder: Recorder;
  readonly log: Logger;
}

/** An engine that stays loaded, or loads again when it is called, until the lease is disposed. */
export interface EngineLease {
  readonly host: EngineHost;
  /** What it was planned as. */
  readonly candidate: Candidate;
  [Symbol.dispose](): void;
}

interface PooledEngine {
  /** What it was asked for as: `model` or `model:variant`. */
  readonly name: string;
  readonly model: string;
  readonly host: EngineHost;
  /** As it was planned last. */
  candidate: Candidate;
  /** A `retired` engine is given to nobody any more, and ends with its last lease. */
  state: 'loading' | 'ready' | 'retired';
  leases: number;
  /** By `performance.now()`. */
  lastUsedAt: number;
  /** Resolves when it is gone, and its memory free. */
  readonly ended: PromiseWithResolvers<void>;
}

interface Admission {
  readonly plan: Plan;
  /** Absent when nothing can run. */
  readonly engine?: PooledEngine;
  /** Settles when another attempt is worth it: the same engine is loaded for somebody else, or one that goes is gone. */
  readonly wait?: Promise<void>;
}

const IDLE_POLL_MS = 50;
/** Times the planned memory at which an idle engine is started anew. */
const LEAK_FACTOR = 2;
/** Crashes of one engine after which the next candidate is tried, when there is one. */
const CRASHES_BEFORE_FALLBACK = 3;

export class EnginePool {
  readonly #dependencies: EnginePoolDependencies;
  readonly #engines = new Set<PooledEngine>();
  readonly #loads = new Map<string, Promise<void>>();
  /** Admission is one model at a time: two that load together must not count on the same memory. */
  readonly #admission = new Pool(['turn']);
  #closed = false;

  constructor(dependencies: EnginePoolDependencies) {
    this.#dependencies = dependencies;
  }

  get memory(): EngineMemory {
    return this.#memoryWithout();
  }

  /** What the engines take, except one that would make room for its successor. */
  #memoryWithout(left?: PooledEngine): EngineMemory {
    let residentBytes = 0;
    let expectedBytes = 0;
    for (const engine of this.#engines) {
      if (engine === left) continue;
      const { candidate, host } = engine;
      residentBytes += host.status.residentBytes;
      expectedBytes += Math.max(0, candidate.estimate.memory.totalBytes - host.status.residentBytes);
    }
    return { residentBytes, expectedBytes };
  }

  isLoaded(name: string): boolean {
    return this.#ready(name)?.host.status.info !== undefined;
  }

  /** What a plan has to know when a model is served already: the engine that does would make room for its successor. */
  serving(name: string): PoolPlanOptions | undefined {
    const engine = this.#ready(name);
    return engine && this.#successionOf(engine);
  }

  #successionOf(engine: PooledEngine): PoolPlanOptions {
    const { candidate, host } = engine;
    return {
      engineMemory: this.#memoryWithout(engine),
      current: { candidateId: candidate.id, residentBytes: host.status.residentBytes },
    };
  }

  status(): readonly EngineStatus[] {
    return [...this.#engines].flatMap(({ host }) => {
      const { info, pid, residentBytes, active, crashes } = host.status;
      return info && pid ? [{ ...info, pid, residentBytes, active, crashes }] : [];
    });
  }

  /**
   * Lends the engine of a model (`model`, or `model:variant` where only that variant will do), which is loaded when it is lent
   * for the first time.
   * @throws EdgeError `E_NO_CANDIDATE` with every reason, the load error of the last candidate, or `E_CANCELLED`; giving up
   * does not stop the load for others.
   */
  async acquire(name: string, signal?: AbortSignal): Promise<EngineLease> {
    for (;;) {
      if (this.#closed) throw shuttingDown();
      throwIfAborted(signal, `loading ${name}`);
      const engine = this.#ready(name);
      if (engine) return this.#lend(engine);
      const load = this.#loads.get(name) ?? this.#load(name).finally(() => this.#loads.delete(name));
      this.#loads.set(name, load);
      await orAborted(load, signal, `loading ${name}`);
    }
  }

  /** Number of engines that work. */
  get working(): number {
    return [...this.#engines].filter(({ host }) => host.status.active > 0).length;
  }

  /** Resolves once no engine works and none loads. */
  async whenIdle(signal?: AbortSignal): Promise<void> {
    while (this.#loads.size > 0 || this.working > 0) await sleep(IDLE_POLL_MS, signal);
  }

  /**
   * Plans every loaded model again, for measurements or a machine that changed. An engine that another candidate beats is lent to nobody
   * any more and ends with its last lease; the next caller gets the better one.
   */
  async replan(): Promise<void> {
    for (const engine of [...this.#engines].filter(({ state }) => state === 'ready')) {
      const { name, model, candidate } = engine;
      const { plan } = await this.#dependencies.plan(name, this.#successionOf(engine));
      if (engine.state !== 'ready' || !plan.chosen) continue;
      if (plan.chosen.id === candidate.id) {
        engine.candidate = plan.chosen;
        continue;
      }
      this.#dependencies.log.info('engine changes', { model, from: candidate.id, to: plan.chosen.id, because: plan.because });
      engine.state = 'retired';
      this.#endUnused(engine);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#engines].map((engine) => this.#end(engine)));
    await Promise.allSettled(this.#loads.values());
  }

  /** An engine that serves the name; without a variant any of the model's will do, but the one that was planned for it comes first. */
  #ready(name: string): PooledEngine | undefined {
    const { model, variant } = parseModelName(name);
    const fitting = [...this.#engines].filter(
      (engine) => engine.state === 'ready' && engine.model === model && (variant === undefined || engine.candidate.variant === variant),
    );
    return fitting.find((engine) => engine.name === name) ?? fitting[0];
  }

  #lend(engine: PooledEngine): EngineLease {
    let held = true;
    engine.leases++;
    return {
      host: engine.host,
      candidate: engine.candidate,
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        engine.leases--;
        engine.lastUsedAt = performance.now();
        if (engine.state === 'retired') this.#endUnused(engine);
      },
    };
  }

  async #end(engine: PooledEngine): Promise<void> {
    const hasServedWell = engine.state === 'ready' && engine.host.status.crashes === 0;
    engine.state = 'retired';
    try {
      await engine.host[Symbol.asyncDispose]();
    } finally {
      this.#engines.delete(engine);
      engine.ended.resolve();
    }
    if (hasServedWell) this.#remember((failures) => failures.release(engine.candidate.id));
  }

  /** A book that cannot be written, as on a full disk, stops nobody's work. */
  #remember(write: (failures: FailureBook) => void): void {
    try {
      write(this.#dependencies.failures);
    } catch (error) {
      this.#dependencies.log.error('failures are not remembered', { error });
    }
  }

  #endUnused(engine: PooledEngine): void {
    if (engine.leases > 0) return;
    void this.#end(engine).catch((error) => this.#dependencies.log.error('engine did not end', { model: engine.model, error }));
  }

  async #load(name: string): Promise<void> {
    const without: string[] = [];
    let failed: { readonly id: string; readonly error: EdgeError } | undefined;
    for (;;) {
      const { engine, plan, wait } = await this.#admit(name, without);
      if (wait) {
        await wait;
        if (this.#ready(name)) return;
        continue;
      }
      if (!engine) throw failed?.error ?? noCandidate(name, plan);
      const { id } = engine.candidate;
      if (failed) reportFallback(this.#dependencies, engine.model, failed.id, id, failed.error);
      try {
        return await this.#start(engine);
      } catch (cause) {
        await this.#end(engine);
        const error = EdgeError.from(cause, `cannot load ${name}`);
        if (error.code === 'E_SHUTTING_DOWN') throw error;
        failed = { id, error };
        without.push(id);
        if (blamesCandidate(error)) this.#remember((failures) => failures.add(id, describeFailure(error)));
      }
    }
  }

  /** Plans a model, makes room for it, and counts its memory as taken. */
  async #admit(name: string, without: readonly string[]): Promise<Admission> {
    using _turn = await this.#admission.acquire();
    for (;;) {
      const leaving = [...this.#engines].find((one) => one.state === 'retired' && (one.leases === 0 || one.name === name));
      const { plan, loadSpec } = await this.#dependencies.plan(name, { engineMemory: this.memory, without });
      if (this.#closed) throw shuttingDown();
      if (plan.chosen && loadSpec) {
        const twin = [...this.#engines].find(({ candidate, state }) => candidate.id === plan.chosen?.id && state !== 'retired');
        return twin ? { plan, wait: this.#settled(twin) } : { plan, engine: this.#register(name, plan.chosen, loadSpec) };
      }
      if (!plan.candidates.some(lacksOnlyMemory)) return { plan };
      if (leaving) return { plan, wait: leaving.ended.promise };
      if (!(await this.#dependencies.giveWay()) && !(await this.#makeRoom(plan))) return { plan };
    }
  }

  /** Resolves when the load of an engine is over, one way or the other. */
  async #settled({ name }: PooledEngine): Promise<void> {
    await Promise.allSettled([this.#loads.get(name)]);
  }

  #register(name: string, candidate: Candidate, spec: LoadSpec): PooledEngine {
    const { environment, idleUnloadMs, deadlineMs, log } = this.#dependencies;
    const host = new EngineHost({
      spec,
      environment,
      log,
      deadlineMs,
      idleStopMs: idleUnloadMs,
      maxResidentBytes: LEAK_FACTOR * candidate.estimate.memory.totalBytes,
      onCrash: (exit) => this.#onCrash(engine, exit),
    });
    const engine: PooledEngine = {
      name,
      model: candidate.model,
      host,
      candidate,
      state: 'loading',
      leases: 0,
      lastUsedAt: performance.now(),
      ended: Promise.withResolvers<void>(),
    };
    this.#engines.add(engine);
    return engine;
  }

  async #start(engine: PooledEngine): Promise<void> {
    const startedAt = performance.now();
    const info = await engine.host.load();
    engine.state = 'ready';
    this.#dependencies.onLoad(engine.candidate, info);
    reportLoad(this.#dependencies, engine.candidate, performance.now() - startedAt);
  }

  #onCrash(engine: PooledEngine, exit: ChildExit): void {
    const { model, candidate } = engine;
    reportCrash(this.#dependencies, candidate, exit);
    if (engine.state !== 'ready' || engine.host.status.crashes < CRASHES_BEFORE_FALLBACK) return;
    void this.#fallBack(engine, exit).catch((error) => this.#dependencies.log.error('fallback failed', { model, error }));
  }

  /** Gives up on a candidate that keeps crashing, but only when the plan has another one. */
  async #fallBack(engine: PooledEngine, exit: ChildExit): Promise<void> {
    const { name, model, candidate } = engine;
    const { plan } = await this.#dependencies.plan(name, { ...this.#successionOf(engine), without: [candidate.id] });
    if (!plan.chosen || engine.state !== 'ready') return;
    engine.state = 'retired';
    reportFallback(this.#dependencies, model, candidate.id, plan.chosen.id, exit.error);
    const reason = `crashed ${CRASHES_BEFORE_FALLBACK} times, ${describeFailure(exit.error)}`;
    this.#remember((failures) => failures.add(candidate.id, reason));
    this.#endUnused(engine);
  }

  /** Unloads the engine that was idle longest, when memory is all that stands against a candidate and unloading can give enough. */
  async #makeRoom(plan: Plan): Promise<boolean> {
    const idle = [...this.#engines]
      .filter(({ state, leases }) => state === 'ready' && leases === 0)
      .sort((a, b) => a.lastUsedAt - b.lastUsedAt);
    const reclaimableBytes = idle.reduce(
      (sum, { candidate, host }) => sum + Math.max(candidate.estimate.memory.totalBytes, host.status.residentBytes),
      0,
    );
    const couldFit = plan.candidates.some(
      (candidate) => lacksOnlyMemory(candidate) && candidate.estimate.memory.totalBytes <= plan.budgetBytes + reclaimableBytes,
    );
    const victim = idle[0];
    if (!victim || !couldFit) return false;
    this.#dependencies.log.info('model unloaded to make room', { model: victim.model });
    await this.#end(victim);
    return true;
  }
}

function lacksOnlyMemory({ reasons }: Candidate): boolean {
  return reasons.length > 0 && reasons.every(({ code }) => code === 'mem-exceeds');
}

function shuttingDown(): EdgeError {
  return new EdgeError('E_SHUTTING_DOWN', { what: 'the device is stopping' });
}
