import type { ModelCard } from '#edge/contracts/model.ts';
import type { Candidate } from '#edge/contracts/plan.ts';
import { formatBytes } from '#edge/core/format.ts';
import { ENGINE_BINARIES, isOnCpu, packagedProvider } from './binaries.ts';
import { formatJoules, formatSeconds } from './format-rates.ts';
import type { PlanInput } from './plan-input.ts';
import { usualThreads } from './thread-options.ts';

/** Below this a task is no fun: reading speed for text, in tokens a second; a quarter of a second for every other call. */
const TARGET_DECODE = 10;
const TARGET_CALL_SECONDS = 0.25;
const TARGET_MARGIN = 1.2;

/** Loss below full precision that nobody notices. */
const ACCEPTABLE_QUALITY = 0.95;

/** Watts of a busy core, and of a busy accelerator, where no meter told; assumed, and only the order follows from them. */
const CORE_WATTS = 5;
const ACCELERATOR_WATTS = 20;

/** One thing that counts in a choice. */
interface Criterion {
  /** A number of which more is better. */
  readonly value: (candidate: Candidate, card: ModelCard, input: PlanInput) => number;
  /** Why one candidate wins by it, with both numbers: the end of "..., for it ...". */
  readonly tell: (winner: Candidate, loser: Candidate) => string;
}

/** What counts. The order is in `choose.ts`. */
export const CRITERIA = {
  'preferred model': {
    value: ({ model }, _, { settings }) => Number(model === settings.preferredModel),
    tell: (_, loser) => `is the default model, before ${loser.id}`,
  },
  /** The bots compare questions and passages token by token, which finds more: an engine without token vectors comes last for `embed`. */
  'token vectors': {
    value: ({ backend }, _, { task }) => Number(task !== 'embed' || ENGINE_BINARIES[backend]?.givesTokenVectors === true),
    tell: (_, loser) => `gives a vector for each token, which ${loser.id} does not`,
  },
  /** Unusual numbers of threads, local builds and shared GPUs are taken for what they did here, never for what they should do. */
  'measured or usual': {
    value: (candidate, _, input) => Number(isMeasuredOrUsual(candidate, input)),
    tell: (_, loser) => `is measured or usual, while ${loser.id} has yet to be measured here`,
  },
  'target speed': {
    value: (candidate) => Number(targetShare(candidate) >= 1),
    tell: (winner, loser) => `reaches ${describeTarget(winner)}, which ${loser.id} does not`,
  },
  'acceptable quality': {
    value: ({ quality }) => Number(quality >= ACCEPTABLE_QUALITY),
    tell: (winner, loser) => `keeps a quality of ${winner.quality.toFixed(3)} against ${loser.quality.toFixed(3)} of ${loser.id}`,
  },
  'model size': {
    value: (_, { parameters }) => parameters,
    tell: (_, loser) => `is a larger model than ${loser.id}`,
  },
  quality: {
    value: ({ quality }) => quality,
    tell: (winner, loser) => `has a quality of ${winner.quality.toFixed(4)} against ${loser.quality.toFixed(4)} of ${loser.id}`,
  },
  'call time': {
    value: ({ estimate }) => -estimate.callSeconds.value,
    tell: (winner, loser) =>
      `takes ${formatSeconds(winner.estimate.callSeconds.value)} a call against ${formatSeconds(loser.estimate.callSeconds.value)} of ${loser.id}`,
  },
  'energy a call': {
    value: (candidate) => -joulesOf(candidate),
    tell: (winner, loser) => `takes ${formatJoules(joulesOf(winner))} a call against ${formatJoules(joulesOf(loser))} of ${loser.id}`,
  },
  'less memory': {
    value: ({ estimate }) => -estimate.memory.totalBytes,
    tell: (winner, loser) =>
      `takes ${formatBytes(winner.estimate.memory.totalBytes)} against ${formatBytes(loser.estimate.memory.totalBytes)} of ${loser.id}`,
  },
} as const satisfies Readonly<Record<string, Criterion>>;

export type CriterionName = keyof typeof CRITERIA;

/** What a candidate is worth by one criterion: more is better. */
export function worthOf(criterion: CriterionName, candidate: Candidate, input: PlanInput): number {
  const { value }: Criterion = CRITERIA[criterion];
  const card = input.cards.find(({ id }) => id === candidate.model);
  return card === undefined ? 0 : value(candidate, card, input);
}

/** How much better `a` is than `b` by one criterion; negative when it is worse. */
export function difference(criterion: CriterionName, a: Candidate, b: Candidate, input: PlanInput): number {
  return worthOf(criterion, a, input) - worthOf(criterion, b, input);
}

/** True for a candidate that was measured, or that is what anybody would try first. */
export function isMeasuredOrUsual({ measured, backend, provider, threads }: Candidate, input: PlanInput): boolean {
  if (measured !== null) return true;
  const isPackaged = packagedProvider(provider) === provider;
  return isPackaged && threads === usualThreads(backend, input) && !isSharedVulkan(provider, input);
}

/** Vulkan on a GPU that shares the main memory reads no faster than the processor, and often decodes slower. */
function isSharedVulkan(provider: string, { device }: PlanInput): boolean {
  return provider === 'vulkan' && device.accelerators.filter(({ kind }) => kind === 'vulkan').every(({ unified }) => unified);
}

/** Speed against the target speed, 1 = reached: with a margin, on the lower bound of what is known. */
export function targetShare({ estimate: { rates, callSeconds } }: Candidate): number {
  if (rates.decode) return (rates.decode.value * rates.decode.confidence) / (TARGET_DECODE * TARGET_MARGIN);
  return (TARGET_CALL_SECONDS * callSeconds.confidence) / (callSeconds.value * TARGET_MARGIN);
}

function describeTarget({ estimate }: Candidate): string {
  return estimate.rates.decode ? `${TARGET_DECODE} tokens/s` : `${formatSeconds(TARGET_CALL_SECONDS)} a call`;
}

/** Energy of one call: measured, else the watts of what is busy for its time. */
function joulesOf({ measured, provider, threads, estimate }: Candidate): number {
  return measured?.joules ?? estimate.callSeconds.value * (isOnCpu(provider) ? threads * CORE_WATTS : ACCELERATOR_WATTS);
}
