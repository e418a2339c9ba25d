/** The packaged llama.cpp against one that was built here: the same model, by turns in one sitting. */
import type { OpenRuntime } from '#apps/device/open-runtime.ts';
import { callSeconds } from '#edge/calibration/call-seconds.ts';
import { conditionsOf } from '#edge/calibration/conditions.ts';
import { measureCandidate } from '#edge/calibration/measure-candidate.ts';
import type { Config } from '#edge/config/schema.ts';
import type { LoadSpec } from '#edge/contracts/backend.ts';
import type { ModelCard } from '#edge/contracts/model.ts';
import type { LocalBuild, Measurement } from '#edge/contracts/plan.ts';
import type { OnProgress } from '#edge/contracts/progress.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { Logger } from '#edge/core/log.ts';
import type { ProbeIo } from '#edge/hardware/probe-io.ts';
import { loadSpecOf, makePlan } from '#edge/planner/make-plan.ts';

const TASK = 'generate';
/** Odd, for the median. */
const ROUNDS = 3;
const ROUND_MS = 2000;

/** What both builds are compared with: the default generator as the planner runs it on the packaged library. */
export interface TuneSubject {
  readonly card: ModelCard;
  readonly packaged: LoadSpec;
  /** Why the packaged library cannot run here at all; absent where it can. */
  readonly unpackaged?: string;
}

export interface BuildComparison {
  readonly tuned: Measurement;
  /** Absent where the packaged library cannot run. */
  readonly packaged?: Measurement;
  /** Seconds of a typical call, packaged by tuned: above 1 the tuned one is faster. */
  readonly speedup?: number;
  /** What else went on meanwhile, when it was too much to remember the numbers. */
  readonly disturbance?: string;
}

export interface CompareOptions {
  readonly config: Config;
  readonly open: OpenRuntime;
  readonly io: ProbeIo;
  readonly log: Logger;
  readonly onProgress: OnProgress;
  readonly signal: AbortSignal;
}

/**
 * The default generator, which must be on the device.
 * @throws EdgeError `E_MODEL_NOT_STORED`, `E_UNSUPPORTED` when it has no GGUF variant here.
 */
export async function tuneSubject({ runtime, store }: OpenRuntime, model: string): Promise<TuneSubject> {
  const card = store.catalog.cards.find(({ id }) => id === model);
  if (!card || !store.find(model)) {
    throw new EdgeError('E_MODEL_NOT_STORED', {
      what: `the default generator "${model}" is not on this device: nothing to measure with`,
      hint: `Fetch it with "nearside pull ${model}".`,
    });
  }
  const input = await runtime.planInput(TASK, { model, localBuilds: [] });
  const candidates = makePlan(input).candidates.filter(({ backend, downloaded }) => backend === 'llama' && downloaded);
  const candidate = candidates.find(({ reasons }) => reasons.length === 0) ?? candidates.find(({ provider }) => provider === 'cpu');
  const stored = candidate && store.find(model, candidate.variant);
  if (!candidate || !stored) {
    throw new EdgeError('E_UNSUPPORTED', {
      what: `cannot tune for "${model}"`,
      expected: 'a model that llama.cpp runs',
      found: 'no GGUF file',
    });
  }
  const [reason] = candidate.reasons;
  return {
    card,
    packaged: { ...loadSpecOf(candidate, input), stored },
    ...(reason ? { unpackaged: `${reason.code}: ${reason.detail}` } : {}),
  };
}

/**
 * Verifies the build with the model's golden cases and measures both by turns; each measurement is the median round's.
 * Those of an undisturbed machine are remembered for the planner.
 * @throws EdgeError of the engine: `E_MODEL_LOAD`, `E_GOLDEN_MISMATCH`, `E_ENGINE_CRASHED` ..., `E_CANCELLED`.
 */
export async function compareBuilds(subject: TuneSubject, build: LocalBuild, options: CompareOptions): Promise<BuildComparison> {
  const { card, packaged, unpackaged } = subject;
  const { config, open, io, log, onProgress, signal } = options;
  const device = await open.runtime.device();
  const tuned: LoadSpec = {
    ...packaged,
    provider: build.provider,
    localBuild: build.folder,
    gpuLayers: build.provider === 'cuda-tuned' ? card.architecture.layers + 1 : 0,
  };
  const measure = (spec: LoadSpec): ReturnType<typeof measureCandidate> =>
    measureCandidate({
      spec,
      card,
      task: TASK,
      budgetMs: ROUND_MS,
      fingerprint: device.fingerprint,
      environment: config.environment,
      io,
      watchConditions: conditionsOf(io, device),
      log,
      signal,
    });
  const specs = unpackaged === undefined ? [packaged, tuned] : [tuned];
  const rounds: Awaited<ReturnType<typeof measureCandidate>>[][] = specs.map(() => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, spec] of specs.entries()) {
      onProgress({ label: 'verifying and measuring', done: round * specs.length + index, total: ROUNDS * specs.length, unit: 'steps' });
      rounds[index]?.push(await measure(spec));
    }
  }
  const middles = rounds.map((measured) => medianRound(measured.map(({ measurement }) => measurement)));
  const disturbance = rounds.flat().find((measured) => measured.disturbance !== undefined)?.disturbance;
  if (disturbance === undefined) for (const measurement of middles) open.calibration.saveMeasurement(measurement);
  const [ofTuned, ofPackaged] = [middles.at(-1) as Measurement, middles.length > 1 ? middles[0] : undefined];
  return {
    tuned: ofTuned,
    ...(ofPackaged ? { packaged: ofPackaged, speedup: secondsOf(ofPackaged) / secondsOf(ofTuned) } : {}),
    ...(disturbance === undefined ? {} : { disturbance }),
  };
}

/** Seconds of a typical generation. */
export function secondsOf({ rates }: Measurement): number {
  return callSeconds(TASK, rates);
}

function medianRound(rounds: readonly Measurement[]): Measurement {
  return rounds.toSorted((a, b) => secondsOf(a) - secondsOf(b))[Math.floor(rounds.length / 2)] as Measurement;
}
