import type { BackendId } from '#edge/contracts/backend.ts';
import type { ModelCard, ModelVariant, StoredVariant } from '#edge/contracts/model.ts';
import type { LocalBuild, Measurement, MemoryEstimate, Rejection } from '#edge/contracts/plan.ts';
import type { EngineBinaries } from './binaries.ts';
import type { PlanInput } from './plan-input.ts';

/** A candidate before it is judged, with all that a gate may look at. */
export interface Draft {
  readonly id: string;
  /** The id without its number of threads. */
  readonly way: string;
  readonly card: ModelCard;
  readonly variant: ModelVariant;
  readonly stored: StoredVariant | undefined;
  readonly backend: BackendId;
  readonly binaries: EngineBinaries;
  readonly provider: string;
  readonly localBuild?: LocalBuild;
  readonly measured: Measurement | null;
  readonly contextTokens: number;
  readonly sequences: number;
  readonly memory: MemoryEstimate;
  readonly budgetBytes: number;
  readonly input: PlanInput;
}

/** One question to a draft; answers with the reason against it, if there is one. */
export type Gate = (draft: Draft) => Rejection | undefined;
