/** What the parts that open a runtime of their own are given. */
import type { WatchConditions } from '#edge/calibration/conditions.ts';
import type { Config } from '#edge/config/schema.ts';
import type { OnProgress } from '#edge/contracts/progress.ts';
import type { Logger } from '#edge/core/log.ts';

export interface BenchContext {
  readonly config: Config;
  readonly log: Logger;
  readonly onProgress: OnProgress;
  readonly signal: AbortSignal;
}

/** A busy machine puts calibration off; a benchmark measures in any case, in a home folder that is thrown away. */
export const UNWATCHED: WatchConditions = async () => ({ disturbance: async () => undefined });
