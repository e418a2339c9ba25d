/** Keeps one engine a model: loads on demand, falls back along the plan, makes room by unloading what was idle longest. */
import { EngineHost } from '#edge/backends/engine-host.ts';
import type { LoadSpec } from '#edge/contracts/backend.ts';
import type { Candidate, Plan } from '#edge/contracts/plan.ts';
import type { EngineStatus } from '#edge/contracts/runtime.ts';
import type { Recorder } from '#edge/contracts/telemetry.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { Logger } from '#edge/core/log.ts';
import type { ChildExit } from '#edge/core/process/child.ts';
import type { Quarantine } from '#edge/planner/plan-input.ts';

export interface EnginePoolDependencies {
  /** Plans one model, leaving the quarantined candidates out; `memoryInUseBytes` is what loaded engines will still take. */
  readonly plan: (
    model: string,
    quarantined: readonly Quarantine[],
    memoryInUseBytes: number,
  ) => Promise<{ plan: Plan; loadSpec?: LoadSpec }>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly idleUnloadMs: number;
  readonly deadlineMs: number;
  readonly recorder: Recorder;
  readonly log: Logger;
}

interface PooledEngine {
  readonly host: EngineHost;
  readonly candidate: Candidate;
  lastUsedAt: number;
}

/** First quarantine after a failed load; doubles with every further failure of the candidate. */
const QUARANTINE_MS = 60 * 60 * 1000;
/** Crashes of one engine after which the next candidate is tried, when there is one. */
const CRASHES_BEFORE_FALLBACK = 3;

export class EnginePool {
  readonly #dependencies: EnginePoolDependencies;
  readonly #engines = new Map<string, PooledEngine>();
  readonly #loading = new Map<string, Promise<EngineHost>>();
  #quarantined: readonly Quarantine[] = [];
  #closed = false;

  constructor(dependencies: EnginePoolDependencies) {
    this.#dependencies = dependencies;
  }

  /** Bytes that loaded engines were planned with and have not taken yet: the system still counts them as available. */
  get memoryInUseBytes(): number {
    return [...this.#engines.values()].reduce(
      (sum, { candidate, host }) => sum + Math.max(0, candidate.memory.totalBytes - host.status.residentBytes),
      0,
    );
  }

  get quarantined(): readonly Quarantine[] {
    const now = Date.now();
    this.#quarantined = this.#quarantined.filter((entry) => entry.untilMs > now);
    return this.#quarantined;
  }

  isLoaded(model: string): boolean {
    return this.#engines.get(model)?.host.status.info !== undefined;
  }

  status(): readonly EngineStatus[] {
    return [...this.#engines.values()].flatMap(({ host }) => {
      const { info, pid, residentBytes, active, crashes } = host.status;
      return info && pid ? [{ ...info, pid, residentBytes, active, crashes }] : [];
    });
  }

  /**
   * The engine of a model, loaded.
   * @throws EdgeError `E_NO_CANDIDATE` with every reason, or the load error of the last candidate.
   */
  async acquire(model: string): Promise<EngineHost> {
    if (this.#closed) throw new EdgeError('E_SHUTTING_DOWN', { what: 'the device is stopping' });
    const pooled = this.#engines.get(model);
    if (pooled) {
      pooled.lastUsedAt = Date.now();
      return pooled.host;
    }
    const loading = this.#loading.get(model) ?? this.#load(model).finally(() => this.#loading.delete(model));
    this.#loading.set(model, loading);
    return loading;
  }

  /** Unloads a model, if it is loaded. */
  async unload(model: string): Promise<void> {
    const pooled = this.#engines.get(model);
    this.#engines.delete(model);
    await pooled?.host.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#loading.values());
    await Promise.all([...this.#engines.keys()].map((model) => this.unload(model)));
  }

  async #load(model: string): Promise<EngineHost> {
    let failure: EdgeError | undefined;
    let from: string | undefined;
    for (;;) {
      const { plan, loadSpec } = await this.#dependencies.plan(model, this.quarantined, this.memoryInUseBytes);
      if (!plan.chosen || !loadSpec) {
        if (await this.#makeRoom(plan)) continue;
        throw failure ?? noCandidate(model, plan);
      }
      if (from) this.#reportFallback(model, from, plan.chosen.id, failure?.code ?? 'unknown', failure?.message);
      try {
        return await this.#start(model, plan.chosen, loadSpec);
      } catch (error) {
        failure = EdgeError.from(error, `cannot load ${model}`);
        // A damaged file or a caller's deadline says nothing about the candidate.
        if (failure.code === 'E_MODEL_CORRUPT' || failure.code === 'E_CANCELLED' || failure.code === 'E_SHUTTING_DOWN') throw failure;
        from = plan.chosen.id;
        this.#quarantine(plan.chosen.id, failure.message);
      }
    }
  }

  async #start(model: string, candidate: Candidate, spec: LoadSpec): Promise<EngineHost> {
    const { environment, idleUnloadMs, deadlineMs, recorder, log } = this.#dependencies;
    const startedAt = performance.now();
    const host = new EngineHost({
      spec,
      environment,
      log,
      deadlineMs,
      idleStopMs: idleUnloadMs,
      onCrash: (exit) => this.#onCrash(model, candidate, exit),
    });
    try {
      await host.load();
    } catch (error) {
      await host.stop();
      throw error;
    }
    this.#engines.set(model, { host, candidate, lastUsedAt: Date.now() });
    const seconds = (performance.now() - startedAt) / 1000;
    recorder.observe('nearside.engine.load.duration', seconds, { 'gen_ai.request.model': model, 'nearside.backend': candidate.backend });
    log.info('model loaded', {
      model,
      engine: `${candidate.backend}/${candidate.provider}`,
      threads: candidate.threads,
      ms: Math.round(seconds * 1000),
    });
    return host;
  }

  #onCrash(model: string, candidate: Candidate, exit: ChildExit): void {
    const { recorder, log } = this.#dependencies;
    const attributes = {
      'gen_ai.request.model': model,
      'nearside.backend': candidate.backend,
      'nearside.exit': exit.signal ?? String(exit.code),
    };
    recorder.event({ lane: 'alerts', name: 'nearside.engine.crashed', attributes });
    recorder.observe('nearside.engine.crashes', 1, { 'gen_ai.request.model': model, 'nearside.backend': candidate.backend });
    const pooled = this.#engines.get(model);
    if (!pooled || pooled.host.status.crashes < CRASHES_BEFORE_FALLBACK) return;
    void this.#fallBack(model, candidate, exit).catch((error) => log.error('fallback failed', { model, error }));
  }

  /** Gives up on a candidate that keeps crashing, but only when the plan has another one. */
  async #fallBack(model: string, candidate: Candidate, exit: ChildExit): Promise<void> {
    const without = [...this.quarantined, quarantineOf(candidate.id, `crashed ${CRASHES_BEFORE_FALLBACK} times`, 1)];
    const { plan } = await this.#dependencies.plan(model, without, 0);
    if (!plan.chosen) return;
    this.#reportFallback(model, candidate.id, plan.chosen.id, 'E_ENGINE_CRASHED', String(exit.signal ?? exit.code));
    this.#quarantined = without;
    await this.unload(model);
  }

  #reportFallback(model: string, from: string, to: string, code: string, reason: string | undefined): void {
    const { recorder, log } = this.#dependencies;
    log.warn('backend fell back', { model, from, to, code, reason });
    recorder.event({
      lane: 'alerts',
      name: 'nearside.engine.fell_back',
      attributes: { 'gen_ai.request.model': model, 'nearside.from': from, 'nearside.to': to, 'error.type': code },
    });
    recorder.observe('nearside.engine.fallbacks', 1, { 'gen_ai.request.model': model });
  }

  #quarantine(candidateId: string, reason: string): void {
    const before = this.#quarantined.filter((entry) => entry.candidateId === candidateId).length;
    this.#quarantined = [
      ...this.#quarantined.filter((entry) => entry.candidateId !== candidateId),
      quarantineOf(candidateId, reason, 2 ** before),
    ];
  }

  /** Unloads the engine that was idle longest when memory was the reason for having no candidate. */
  async #makeRoom(plan: Plan): Promise<boolean> {
    if (
      !plan.candidates.some(
        (candidate) => candidate.reasons.length > 0 && candidate.reasons.every((reason) => reason.code === 'mem-exceeds'),
      )
    )
      return false;
    const idle = [...this.#engines]
      .filter(([, engine]) => engine.host.status.active === 0)
      .sort(([, a], [, b]) => a.lastUsedAt - b.lastUsedAt);
    const victim = idle[0];
    if (!victim) return false;
    this.#dependencies.log.info('model unloaded to make room', { model: victim[0] });
    await this.unload(victim[0]);
    return true;
  }
}

function quarantineOf(candidateId: string, reason: string, factor: number): Quarantine {
  return { candidateId, reason, untilMs: Date.now() + QUARANTINE_MS * factor };
}

function noCandidate(model: string, plan: Plan): EdgeError {
  const reasons = plan.candidates.map(
    (candidate) => `${candidate.id}: ${candidate.reasons.map((reason) => `${reason.code} (${reason.detail})`).join(', ')}`,
  );
  return new EdgeError('E_NO_CANDIDATE', {
    what: `no engine can run ${model} here`,
    expected: 'at least one candidate without an objection',
    found: reasons.join('; ') || 'no candidate at all',
    details: { reasons },
  });
}
