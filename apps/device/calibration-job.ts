/** Keeps the choice of engines measured while the device serves: at the start, again when others disturbed it, and after a drift. */
import { sleep } from '#edge/core/clock.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { Logger } from '#edge/core/log.ts';
import type { EdgeRuntime } from '#edge/runtime/edge-runtime.ts';
import { deriveMissing } from '#edge/store/extra-variants.ts';
import type { ModelStore } from '#edge/store/model-store.ts';

/** First requests go before measuring. */
const START_MS = 1000;
/** Wait after a run that was disturbed, ran out of time or failed; doubled each time up to the longest. */
const RETRY_MS = 30_000;
const LONGEST_RETRY_MS = 30 * 60_000;
/** Looks for new models, new builds and a machine that changed. */
const REVIEW_MS = 10 * 60_000;

export interface CalibrationJobDependencies {
  readonly runtime: Pick<EdgeRuntime, 'calibrate'>;
  readonly store: ModelStore;
  readonly log: Logger;
}

export class CalibrationJob {
  readonly #dependencies: CalibrationJobDependencies;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;

  constructor(dependencies: CalibrationJobDependencies) {
    this.#dependencies = dependencies;
  }

  start(): void {
    this.#running ??= this.#run(this.#stopping.signal).catch((error: unknown) => {
      if (!this.#stopping.signal.aborted)
        this.#dependencies.log.error('calibration ended', { error: EdgeError.from(error, 'calibration') });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(signal: AbortSignal): Promise<void> {
    await sleep(START_MS, signal);
    await this.#derive(signal);
    for (let retryMs = RETRY_MS; ; ) {
      const isUnfinished = !(await this.#calibrate(signal));
      await sleep(isUnfinished ? retryMs : REVIEW_MS, signal);
      retryMs = isUnfinished ? Math.min(LONGEST_RETRY_MS, 2 * retryMs) : RETRY_MS;
    }
  }

  /** Makes the variants that need no download, such as weights that suit this CPU better; without them the device works too. */
  async #derive(signal: AbortSignal): Promise<void> {
    const { store, log } = this.#dependencies;
    try {
      await deriveMissing(store, { log, signal });
    } catch (error) {
      if (signal.aborted) throw error;
      log.warn('variants were not derived', { error: EdgeError.from(error, 'derivation') });
    }
  }

  /** Returns whether nothing is left to do for now. */
  async #calibrate(signal: AbortSignal): Promise<boolean> {
    const { runtime, log } = this.#dependencies;
    const startedAt = performance.now();
    try {
      const { measured, skipped } = await runtime.calibrate({
        signal,
        onProgress: ({ label, done, total }) => log.info(label, { step: `${done + 1} of ${total}` }),
      });
      const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
      if (measured.length > 0) log.info('engines measured', { candidates: measured.length, skipped: skipped.length, seconds });
      return skipped.every(({ why }) => why === 'failed');
    } catch (error) {
      if (signal.aborted) throw error;
      log.warn('calibration failed', { error: EdgeError.from(error, 'calibration'), next: 'tried again later' });
      return false;
    }
  }
}
