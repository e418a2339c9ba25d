import type { DeviceProfile } from '#edge/contracts/hardware.ts';
import type { ModelCard, StoredVariant, Task } from '#edge/contracts/model.ts';
import type { LocalBuild, Measurement, PlanProfile } from '#edge/contracts/plan.ts';

/** A candidate that failed and is not tried again for a while. */
export interface Quarantine {
  readonly candidateId: string;
  /** Milliseconds since 1970. */
  readonly untilMs: number;
  /** Of the failure, milliseconds since 1970: after a minute it may be tried again where nothing else can run. Never when absent. */
  readonly sinceMs?: number;
  /** What happened, such as `crashed with SIGSEGV`. */
  readonly reason: string;
}

/** What the engines of this device take already. */
export interface EngineMemory {
  /** Bytes they hold, which `device.memory.availableBytes` does not count any more. */
  readonly residentBytes: number;
  /** Bytes they were planned with and have not taken yet, which it still counts as available. */
  readonly expectedBytes: number;
}

/** The part of the configuration that the planner reads. */
export interface PlanSettings {
  /** Threads of an engine; 0 lets the planner choose. */
  readonly threads: number;
  /** Bytes all engines together may take; 0 stands for 60 % of what is available. */
  readonly memoryBytes: number;
  /** Context of a generator; a model trained for less gets its own maximum. */
  readonly contextTokens: number;
  /** Wins over every other model that can run. */
  readonly preferredModel?: string;
}

/** All that a plan depends on: equal input gives an equal plan. */
export interface PlanInput {
  readonly task: Task;
  /** Only this model may be chosen. */
  readonly model?: string;
  /** Context the caller insists on, in tokens: a model trained for less is rejected. Defaults to the setting, which is only a wish. */
  readonly requiredContextTokens?: number;
  readonly profile: PlanProfile;
  readonly device: DeviceProfile;
  readonly cards: readonly ModelCard[];
  readonly stored: readonly StoredVariant[];
  readonly measurements: readonly Measurement[];
  readonly localBuilds: readonly LocalBuild[];
  /** Candidate that serves now: another one must be clearly faster to take its place. */
  readonly current?: string;
  readonly quarantined: readonly Quarantine[];
  /** Milliseconds since 1970; decides which quarantines and measurements are over. */
  readonly nowMs: number;
  readonly settings: PlanSettings;
  readonly engineMemory: EngineMemory;
}
