/** Compares what engines are and do in operation with what was measured, and forgets measurements that hold no more. */
import type { CalibrationStore, MeasurementFilter } from '#edge/calibration/calibration-store.ts';
import { DriftDetector, speedOfGeneration, speedOfText } from '#edge/calibration/drift.ts';
import type { EmbedRequest } from '#edge/contracts/embed.ts';
import type { GenerateRequest } from '#edge/contracts/generate.ts';
import type { ResponseEnd } from '#edge/contracts/parts.ts';
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

  /** Takes the version of the library that an engine was loaded with: after an update, what the old one did is forgotten. */
  sawVersion({ id, measured }: Subject, backendVersion: string): void {
    if (!measured || measured.backendVersion === backendVersion) return;
    const { backend, provider } = measured;
    this.#dependencies.log.info('engine was updated', { candidate: id, from: measured.backendVersion, to: backendVersion });
    this.#forget({ backend, provider, exceptVersion: backendVersion });
  }

  /** Takes a generation that had the device to itself; one that a grammar constrains is slower than what was measured, and not counted. */
  sawGeneration(candidate: Subject, request: GenerateRequest, { usage, timings }: Pick<ResponseEnd, 'usage' | 'timings'>): void {
    if (request.grammar !== undefined || request.jsonSchema !== undefined) return;
    if (candidate.measured) this.#observe(candidate, candidate.measured, speedOfGeneration(candidate.measured.rates, usage, timings));
  }

  /** Takes a call for vectors that had the device to itself, if it was like those that were measured: one text, one vector. */
  sawTexts(candidate: Subject, { texts, output }: EmbedRequest, tokens: number, seconds: number): void {
    if (texts.length !== 1 || output === 'tokens') return;
    if (candidate.measured) this.#observe(candidate, candidate.measured, speedOfText(candidate.measured.rates, tokens, seconds));
  }

  #observe({ id, model }: Subject, measured: Measurement, speed: number | undefined): void {
    if (speed === undefined) return;
    const detector = this.#detectors.get(measured) ?? new DriftDetector();
    this.#detectors.set(measured, detector);
    if (!detector.observe(speed)) return;
    const { recorder, log } = this.#dependencies;
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
    this.#forget({ modelSha256, backend, provider });
  }

  /** A call goes on whatever becomes of the file. */
  #forget(filter: MeasurementFilter): void {
    const { calibration, log } = this.#dependencies;
    try {
      calibration.forgetMeasurements(filter);
    } catch (error) {
      log.error('measurements are not forgotten', { ...filter, error });
    }
  }
}
