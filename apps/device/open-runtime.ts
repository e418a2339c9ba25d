/** The runtime of a home folder without a device around it, for commands that plan, measure or look. */

import { CalibrationStore } from '#edge/calibration/calibration-store.ts';
import type { Config } from '#edge/config/schema.ts';
import type { Recorder } from '#edge/contracts/telemetry.ts';
import type { Logger } from '#edge/core/log.ts';
import { EdgeRuntime } from '#edge/runtime/edge-runtime.ts';
import type { ModelStore } from '#edge/store/model-store.ts';
import { openModelStore } from './device.ts';

const NO_RECORDER: Recorder = { event: () => undefined, observe: () => undefined };

export interface OpenRuntime extends AsyncDisposable {
  readonly runtime: EdgeRuntime;
  readonly store: ModelStore;
  readonly calibration: CalibrationStore;
}

/** Opens the model store, the calibration and a runtime on both; nothing is loaded yet. */
export function openRuntime(config: Config, log: Logger): OpenRuntime {
  const store = openModelStore(config, log);
  const calibration = new CalibrationStore({ path: config.paths.calibration, log });
  const runtime = new EdgeRuntime({ config, store, calibration, recorder: NO_RECORDER, log });
  return {
    runtime,
    store,
    calibration,
    [Symbol.asyncDispose]: async () => {
      await runtime[Symbol.asyncDispose]();
      calibration[Symbol.dispose]();
    },
  };
}
