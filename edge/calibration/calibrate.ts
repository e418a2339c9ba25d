/** Measures what a choice should not be made without, one candidate at a time, within a budget and behind real work. */
import type { LoadSpec } from '#edge/contracts/backend.ts';
import type { DeviceProfile } from '#edge/contracts/hardware.ts';
import type { ModelCard } from '#edge/contracts/model.ts';
import type { Candidate, Measurement, Plan } from '#edge/contracts/plan.ts';
import type { OnProgress } from '#edge/contracts/progress.ts';
import { throwIfAborted } from '#edge/core/abort.ts';
import { sleep } from '#edge/core/clock.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { Logger } from '#edge/core/log.ts';
import type { ProbeIo } from '#edge/hardware/probe-io.ts';
import type { CalibrationStore } from './calibration-store.ts';
import { conditionsOf, type WatchConditions } from './conditions.ts';
import { blamesCandidate, type MeasuredCandidate, measureCandidate } from './measure-candidate.ts';
import { DEFAULT_BUDGET_MS, type MeasureOptions } from './measure-engine.ts';
import { type CalibrationState, candidatesToMeasure, threadCountsOf } from './next-candidate.ts';

/** A first plan of the default models shall take 20 s: time for waiting behind real work is left. */
const TOTAL_BUDGET_MS = 17_000;
/** How long the machine is watched before anything is measured. */
const LOOK_MS = 300;
/** Measurements in a row that others disturbed, after which the rest is put off. */
const MOST_DISTURBED = 2;
/** Why a run ended that was told to give way. */
const GAVE_WAY = { why: 'disturbed', detail: 'a model needed the memory' } as const;

const ENGINE_NAMES: Readonly<Record<LoadSpec['backend'], string>> = {
  onnx: 'ONNX Runtime',
  tflite: 'LiteRT',
  llama: 'llama.cpp',
  remote: 'a remote engine',
  fake: 'the fake engine',
};

/** A model whose candidates are measured. */
export interface CalibrationTarget {
  readonly card: ModelCard;
  /** The plan as things stand: asked again after each measurement, so that what was learned counts. */
  plan(): Promise<Plan>;
  /** What it takes to load a candidate of the plan, also with another number of threads. */
  specOf(candidate: Candidate): LoadSpec;
}

export interface CalibrateOptions extends MeasureOptions {
  /** Measured in turns: the best-predicted candidate of each, then the next of each. */
  readonly targets: readonly CalibrationTarget[];
  readonly store: CalibrationStore;
  readonly device: Pick<DeviceProfile, 'cpu' | 'fingerprint'>;
  readonly io: ProbeIo;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly log: Logger;
  /** Time for all of it, waiting for idleness left out; a candidate that was begun is measured to its end. Defaults to 17 s. */
  readonly totalBudgetMs?: number;
  /** Measures everything that can run anew, for a comparison, whoever disturbs it. Defaults to what a choice should not be made without. */
  readonly isExhaustive?: boolean;
  /** Defaults to {@link threadCountsOf} the device; empty when the number of threads is fixed. */
  readonly threadCounts?: readonly number[];
  /** Defaults to {@link conditionsOf} the device. */
  readonly watchConditions?: WatchConditions;
  /** Time that loading, and every call, of a candidate may take. Defaults to a minute. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
  /** Ends the run, and a measurement under way, for work that goes first: the rest counts as `disturbed`. `whenIdle` must end with it. */
  readonly giveWay?: AbortSignal;
  /** Told before each measurement; `total` changes as candidates turn out hopeless or promising. */
  readonly onProgress?: OnProgress;
}

/** Why a candidate was not measured, or its measurement not kept: it failed, other work disturbed it, or time was up. */
export interface SkippedCandidate {
  readonly candidateId: string;
  readonly why: 'failed' | 'disturbed' | 'no-time';
  readonly detail: string;
}

export interface CalibrationResult {
  /** In the order of the work; all are stored. */
  readonly measured: readonly Measurement[];
  /** Taken while other work went on: told, not stored. */
  readonly disturbed: readonly Measurement[];
  /** Empty when nothing is left to do: candidates without a chance are not listed. */
  readonly skipped: readonly SkippedCandidate[];
}

/**
 * Measures the candidates that lack a measurement; keeps the results, quarantines what fails. What is skipped as `disturbed` or `no-time` can
 * be measured by a later call.
 * @throws EdgeError `E_CANCELLED`, and those of `plan` and the store; never those of an engine.
 */
export async function calibrate(options: CalibrateOptions): Promise<CalibrationResult> {
  return await new Calibration(options).run();
}

type Reason = Omit<SkippedCandidate, 'candidateId'>;

interface Turn {
  readonly target: CalibrationTarget;
  readonly candidate: Candidate;
}

class Calibration {
  readonly #options: CalibrateOptions;
  readonly #watchConditions: WatchConditions;
  readonly #threadCounts: readonly number[];
  readonly #over = new Set<string>();
  readonly #expectedSeconds = new Map<string, number>();
  readonly #measured: Measurement[] = [];
  readonly #disturbed: Measurement[] = [];
  readonly #skipped: SkippedCandidate[] = [];
  #spentMs = 0;
  #waitedMs = 0;
  #begun = 0;
  #disturbedInARow = 0;

  constructor(options: CalibrateOptions) {
    this.#options = options;
    this.#watchConditions = options.watchConditions ?? conditionsOf(options.io, options.device);
    this.#threadCounts = options.threadCounts ?? threadCountsOf(options.device.cpu);
  }

  async run(): Promise<CalibrationResult> {
    const { store, device, signal } = this.#options;
    for (const { candidateId } of store.quarantined(device.fingerprint, Date.now())) this.#over.add(candidateId);
    let open = await this.#open();
    let reason = open.length > 0 && !this.#options.isExhaustive ? await this.#lookAround() : undefined;
    while (open.length > 0 && !reason) {
      for (const turn of firstOfEach(open)) {
        throwIfAborted(signal, 'calibration');
        reason = this.#reasonToStop();
        if (reason) break;
        await this.#measure(turn, open.filter(({ candidate }) => !this.#over.has(candidate.id)).length);
      }
      open = await this.#open();
    }
    if (reason) this.#skipped.push(...open.map(({ candidate }) => ({ candidateId: candidate.id, ...reason })));
    return { measured: this.#measured, disturbed: this.#disturbed, skipped: this.#skipped };
  }

  /** What is left to measure as things stand, target by target. */
  async #open(): Promise<readonly Turn[]> {
    const state: CalibrationState = {
      over: this.#over,
      expectedSeconds: this.#expectedSeconds,
      threadCounts: this.#threadCounts,
      isExhaustive: this.#options.isExhaustive === true,
    };
    const turns: Turn[] = [];
    for (const target of this.#options.targets) {
      turns.push(...candidatesToMeasure(await target.plan(), state).map((candidate) => ({ target, candidate })));
    }
    return turns;
  }

  /** A measurement costs seconds of a busy machine's time; a look at it does not. */
  async #lookAround(): Promise<Reason | undefined> {
    const watch = await this.#watchConditions({ pid: undefined, threads: 0 });
    await sleep(LOOK_MS, this.#options.signal);
    const detail = await watch.disturbance();
    if (detail === undefined) return undefined;
    this.#options.log.info('calibration put off', { reason: detail });
    return { why: 'disturbed', detail };
  }

  #reasonToStop(): Reason | undefined {
    const { totalBudgetMs = TOTAL_BUDGET_MS, budgetMs = DEFAULT_BUDGET_MS, giveWay } = this.#options;
    if (giveWay?.aborted) return GAVE_WAY;
    if (this.#disturbedInARow >= MOST_DISTURBED && !this.#options.isExhaustive) {
      return { why: 'disturbed', detail: this.#skipped.findLast(({ why }) => why === 'disturbed')?.detail ?? '' };
    }
    const usualMs = Math.max(budgetMs, this.#begun === 0 ? 0 : this.#spentMs / this.#begun);
    if (this.#begun === 0 || this.#spentMs + usualMs <= totalBudgetMs) return undefined;
    return { why: 'no-time', detail: `${Math.round(this.#spentMs / 100) / 10} s of ${totalBudgetMs / 1000} s were spent` };
  }

  async #measure({ target, candidate }: Turn, open: number): Promise<void> {
    await this.#whenIdle();
    if (this.#options.giveWay?.aborted) return;
    const { id, model, backend, estimate } = candidate;
    this.#options.onProgress?.({
      label: `measuring ${model} on ${ENGINE_NAMES[backend]}`,
      done: this.#begun,
      total: this.#begun + open,
      unit: 'steps',
    });
    this.#begun++;
    this.#over.add(id);
    this.#expectedSeconds.set(id, estimate.callSeconds.value);
    const [startedAt, waitedMs] = [performance.now(), this.#waitedMs];
    const outcome = await this.#run(target, candidate).catch((error: unknown) =>
      this.#fail(id, EdgeError.from(error, `cannot measure ${id}`)),
    );
    this.#spentMs += performance.now() - startedAt - (this.#waitedMs - waitedMs);
    if (outcome) this.#take(id, outcome);
  }

  async #whenIdle(): Promise<void> {
    const startedAt = performance.now();
    await this.#options.whenIdle?.();
    this.#waitedMs += performance.now() - startedAt;
  }

  async #run(target: CalibrationTarget, candidate: Candidate): Promise<MeasuredCandidate> {
    const { signal, giveWay } = this.#options;
    return await measureCandidate({
      ...this.#options,
      signal: AbortSignal.any([signal, giveWay].filter((one) => one !== undefined)),
      spec: target.specOf(candidate),
      card: target.card,
      task: target.card.task,
      fingerprint: this.#options.device.fingerprint,
      watchConditions: this.#watchConditions,
      whenIdle: () => this.#whenIdle(),
    });
  }

  #fail(candidateId: string, error: EdgeError): undefined {
    const { store, device, log, signal, giveWay } = this.#options;
    if (giveWay?.aborted && !signal?.aborted) {
      this.#skipped.push({ candidateId, ...GAVE_WAY });
      return;
    }
    if (error.code === 'E_CANCELLED' || error.code === 'E_SHUTTING_DOWN') throw error;
    log.warn('candidate failed its calibration', { candidate: candidateId, code: error.code, reason: error.message });
    this.#skipped.push({ candidateId, why: 'failed', detail: error.message });
    if (blamesCandidate(error)) store.quarantine(candidateId, error.message, device.fingerprint, Date.now());
  }

  #take(id: string, { measurement, disturbance }: MeasuredCandidate): void {
    const { store, log } = this.#options;
    store.release(id);
    if (disturbance === undefined) {
      this.#disturbedInARow = 0;
      // An update of the library makes other numbers: what the old one did is not to be compared with this.
      const { backend, provider, backendVersion } = measurement;
      store.forgetMeasurements({ backend, provider, exceptVersion: backendVersion });
      store.saveMeasurement(measurement);
      this.#measured.push(measurement);
      return;
    }
    if (!this.#skipped.some(({ why }) => why === 'disturbed')) log.info('measurement put off', { candidate: id, reason: disturbance });
    this.#disturbedInARow++;
    this.#disturbed.push(measurement);
    this.#skipped.push({ candidateId: id, why: 'disturbed', detail: disturbance });
  }
}

/** The most promising candidate of each target. */
function firstOfEach(turns: readonly Turn[]): readonly Turn[] {
  return turns.filter(({ target }, index) => turns.findIndex((other) => other.target === target) === index);
}
