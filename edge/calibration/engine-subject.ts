import type { CallOptions, Engine, EngineInfo } from '#edge/contracts/backend.ts';
import type { Rates } from '#edge/contracts/plan.ts';

/** The calls of an engine, be it in this process or in its child. */
export type EngineCalls = Pick<Engine, 'generate' | 'embed' | 'score' | 'runTensors'>;

/** A loaded engine that is verified or measured. */
export interface EngineSubject {
  readonly engine: EngineCalls;
  readonly info: EngineInfo;
  /** Of every call. */
  readonly options: CallOptions;
}

/** A short piece of work that gives one observation of each of the task's `TASK_RATES`. */
export type Round = () => Promise<Rates>;
