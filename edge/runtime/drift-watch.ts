/** Compares what engines do in operation with what was measured, and forgets measurements that hold no more. */
import type { CalibrationStore } from '#edge/calibration/calibration-store.ts';
import { DriftDetector, speedOfGeneration, speedOfTexts } from '#edge/calibration/drift.ts';
import type { Usage } from '#edge/contracts/generate.ts';
import type { Timings } from '#edge/contracts/parts.ts';
import type { Candidate, Measurement } from '#edge/contracts/plan.ts';
import type { Recorder } from '#edge/contracts/telemetry.ts';
import type { Logger } from '#edge/core/log.ts';

export interface DriftWatchDependencies {
  readonly calibration: Pick<CalibrationStore, 'forgetMeasurements'>;
  readonly recorder: Recorder;
  readonly log: Logger;
}

type Subject = Pick<Candidate, 'id' | 'model' | 'measured'>;

/**
 * One detector for each measurement that engines run by. When one has drifted, all measurements of its weights on that provider are
 * forgotten: the next calibration takes them anew, on a machine that is not disturbed.
 */
export class DriftWatch {
  readonly #dependencies: DriftWatchDependencies;
  readonly #detectors = new WeakMap<Measurement, DriftDetector>();

  constructor(dependencies: DriftWatchDependencies) {
    this.#dependencies = dependencies;
  }

  /** Takes a generation that had its engine to itself. */
  sawGeneration(candidate: Subject, usage: Usage, timings: Timings): void {
    if (candidate.measured) this.#observe(candidate, candidate.measured, speedOfGeneration(candidate.measured.rates, usage, timings));
  }

  /** Takes a call for vectors that had its engine to itself. */
  sawTexts(candidate: Subject, seen: { readonly texts: number; readonly tokens: number; readonly seconds: number }): void {
    if (candidate.measured) this.#observe(candidate, candidate.measured, speedOfTexts(candidate.measured.rates, seen));
  }

  #observe({ id, model }: Subject, measured: Measurement, speed: number | undefined): void {
    if (speed === undefined) return;
    const detector = this.#detectors.get(measured) ?? new DriftDetector();
    this.#detectors.set(measured, detector);
    if (!detector.observe(speed)) return;
    const { calibration, recorder, log } = this.#dependencies;
    const { modelSha256, backend, provider } = measured;
    log.warn('engine drifted from its measurement', {
      candidate: id,
      speed: Number(detector.speed.toFixed(2)),
      next: 'measured again when idle',
    });
    recorder.event({
      lane: 'alerts',
      name: 'nearside.engine.drifted',
      attributes: { 'gen_ai.request.model': model, 'nearside.backend': backend, 'nearside.speed': Number(detector.speed.toFixed(2)) },
    });
    try {
      calibration.forgetMeasurements({ modelSha256, backend, provider });
    } catch (error) {
      log.error('measurement is not forgotten', { candidate: id, error });
    }
  }
}
