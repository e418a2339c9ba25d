/** Notices that an engine has become slower or faster in operation than it was when it was measured. */
import type { Usage } from '#edge/contracts/generate.ts';
import type { Timings } from '#edge/contracts/parts.ts';
import type { Rates } from '#edge/contracts/plan.ts';
import { type Clock, systemClock } from '#edge/core/clock.ts';
import { LONG_TOKENS, SHORT_TOKENS } from './workload-encoder.ts';

/** Weight of the newest observation. */
const WEIGHT = 0.2;
/** Speed against the measured one, 1 = as measured, below which, or above whose inverse, an engine has drifted ... */
const SLOWEST = 0.6;
/** ... for so long, and in so many observations. */
const LASTING_MS = 30_000;
const LEAST_OBSERVATIONS = 10;
/** Fewer tokens than this say more about the overhead of a call than about the engine. */
const LEAST_TOKENS = 16;

/**
 * Exponentially weighted moving average of speeds seen against the one measured (S. W. Roberts, "Control Chart Tests Based on Geometric Moving
 * Averages", Technometrics 1(3), 1959), of their logarithms, because half as fast and twice as fast are equally far. It begins at "as
 * measured", so a single odd call proves nothing. One detector serves one measurement: make a new one after measuring again.
 */
export class DriftDetector {
  readonly #clock: Clock;
  #mean = 0;
  #observations = 0;
  #outsideSince: number | undefined;
  #isOver = false;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** Mean speed against the measured one; 1 before any observation. */
  get speed(): number {
    return Math.exp(this.#mean);
  }

  /**
   * Takes one call into account.
   * @param speed expected / needed time of the call, see {@link speedOfGeneration}; ignored unless finite and above 0
   * @returns true once, when the drift has lasted: for 30 s without a break and in at least 10 calls
   */
  observe(speed: number): boolean {
    if (this.#isOver || !(speed > 0 && speed < Number.POSITIVE_INFINITY)) return false;
    this.#observations++;
    this.#mean += WEIGHT * (Math.log(speed) - this.#mean);
    if (Math.abs(this.#mean) <= -Math.log(SLOWEST)) {
      this.#outsideSince = undefined;
      return false;
    }
    const now = this.#clock.monotonic();
    this.#outsideSince ??= now;
    this.#isOver = now - this.#outsideSince >= LASTING_MS && this.#observations >= LEAST_OBSERVATIONS;
    return this.#isOver;
  }
}

/** Expected / needed time of a generation; undefined when it was too short, or nothing it did was measured. */
export function speedOfGeneration(measured: Rates, usage: Usage, timings: Timings): number | undefined {
  const parts = [
    { tokens: usage.promptTokens - usage.cachedTokens, rate: measured.prefill, ms: timings.prefillMs },
    { tokens: usage.completionTokens - 1, rate: measured.decode, ms: timings.decodeMs },
  ];
  let [expected, needed] = [0, 0];
  for (const { tokens, rate, ms } of parts) {
    if (tokens < LEAST_TOKENS || rate === undefined || ms === undefined) continue;
    expected += tokens / rate;
    needed += ms / 1000;
  }
  return needed > 0 ? expected / needed : undefined;
}

/**
 * Expected / needed time of one encoded text: it grows evenly between the measured lengths of 16 and 128 tokens, and beyond them. Undefined
 * when nothing was measured. A batch would say nothing: how well its texts fit together makes it from a third to twice as fast.
 */
export function speedOfText(measured: Rates, tokens: number, seconds: number): number | undefined {
  const { short, long } = measured;
  if (short === undefined || long === undefined || seconds <= 0) return undefined;
  const perToken = Math.max(0, (1 / long - 1 / short) / (LONG_TOKENS - SHORT_TOKENS));
  const perText = Math.max(0, 1 / short - perToken * SHORT_TOKENS);
  return (perText + tokens * perToken) / seconds;
}
