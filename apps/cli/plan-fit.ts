/** Whether a model fits the memory with a context, and what would fit instead: asked of the planner, by planning again. */
import type { ModelCard, ModelVariant } from '#edge/contracts/model.ts';
import type { Candidate, MemoryEstimate, Plan, RejectionCode } from '#edge/contracts/plan.ts';
import { formatBytes } from '#edge/core/format.ts';
import { makePlan } from '#edge/planner/make-plan.ts';
import type { PlanInput } from '#edge/planner/plan-input.ts';

/** Step in which contexts are tried: llama.cpp pads them to it. */
const CONTEXT_STEP = 256;
/** Bits a weight of usual GGUF mixes, an 8B model as a whole (`tools/quantize/README.md` of llama.cpp). */
const MIXES: readonly (readonly [name: string, bitsPerWeight: number])[] = [
  ['Q8_0', 8.5],
  ['Q6_K', 6.56],
  ['Q5_K_M', 5.7],
  ['Q4_0', 4.65],
];

/** Reasons that say nothing against the hardware. */
const CURABLE: readonly RejectionCode[] = ['mem-exceeds', 'ctx-exceeds-train', 'not-downloaded', 'quarantined'];
const TOO_LARGE: readonly RejectionCode[] = ['mem-exceeds', 'ctx-exceeds-train'];

/** A mix is named only when it is this much smaller than the file. */
const WORTHWHILE = 0.9;

/** The memory of one candidate against what there is. */
export interface Fit {
  /** Id of the candidate, and its variant. */
  readonly candidate: string;
  readonly variant: string;
  readonly contextTokens: number;
  /** Longest context of the model: {@link memory} is that of no longer one. */
  readonly trainedTokens: number;
  readonly fits: boolean;
  readonly memory: MemoryEstimate;
  readonly budgetBytes: number;
  /** What would fit where this does not; each on its own. */
  readonly instead: { readonly contextTokens?: number; readonly quantisation?: string };
}

/**
 * Judges the chosen candidate; without one the best that fits but for absence, else the one that needs least.
 * Undefined when nothing could run the model here however small it were.
 * @param input What `plan` was made from.
 */
export function judgeFit(plan: Plan, input: PlanInput): Fit | undefined {
  const curable = plan.candidates.filter(({ reasons }) => reasons.every(({ code }) => CURABLE.includes(code)));
  const candidate = plan.chosen ?? curable.find(isSmallEnough) ?? leastMemory(curable);
  const card = input.cards.find(({ id }) => id === candidate?.model);
  if (!candidate || !card) return undefined;
  const fits = isSmallEnough(candidate);
  const contextTokens = input.requiredContextTokens ?? Math.min(card.contextTokens, input.settings.contextTokens);
  return {
    candidate: candidate.id,
    variant: candidate.variant,
    contextTokens,
    trainedTokens: card.contextTokens,
    fits,
    memory: candidate.estimate.memory,
    budgetBytes: plan.budgetBytes,
    instead: fits ? {} : whatFits(card, candidate, input, contextTokens),
  };
}

/** The verdict and the sum in one line. */
export function describeFit({ variant, contextTokens, trainedTokens, fits, memory, budgetBytes, instead }: Fit): string {
  const context = memory.kvBytes > 0 ? ` with context ${formatCount(contextTokens)}` : '';
  const parts = [
    `weights ${formatBytes(memory.weightsBytes)}`,
    ...(memory.kvBytes > 0 ? [`cache ${formatBytes(memory.kvBytes)}`] : []),
    `compute ${formatBytes(memory.computeBytes)}`,
    `runtime ${formatBytes(memory.runtimeBytes)}`,
  ];
  const sum = `${formatBytes(memory.totalBytes)} of ${formatBytes(budgetBytes)} = ${parts.join(' + ')}`;
  if (fits) return `${variant} fits${context}: ${sum}`;
  if (contextTokens > trainedTokens && trainedTokens > 0) {
    const verdict = `${variant} was trained for a context of ${formatCount(trainedTokens)}, not of ${formatCount(contextTokens)}`;
    return memory.totalBytes > budgetBytes ? `${verdict}, and ${formatCount(trainedTokens)} does not fit: ${sum}` : verdict;
  }
  const ways = [
    ...(instead.contextTokens === undefined ? [] : [`context ${formatCount(instead.contextTokens)} fits`]),
    ...(instead.quantisation === undefined ? [] : [`${instead.quantisation} fits`]),
  ];
  return `${variant} does not fit${context}: ${sum}; ${ways.join(', or ') || 'no smaller context or quantisation of it does'}`;
}

function leastMemory(candidates: readonly Candidate[]): Candidate | undefined {
  return candidates.toSorted((a, b) => a.estimate.memory.totalBytes - b.estimate.memory.totalBytes)[0];
}

function whatFits(card: ModelCard, candidate: Candidate, input: PlanInput, asked: number): Fit['instead'] {
  const contextTokens = largestContext(card, input, Math.min(asked, card.contextTokens));
  const quantisation = largestMix(card, candidate, input);
  return { ...(contextTokens === undefined ? {} : { contextTokens }), ...(quantisation === undefined ? {} : { quantisation }) };
}

/** By halving: a smaller context never needs more. */
function largestContext(card: ModelCard, input: PlanInput, most: number): number | undefined {
  if (card.architecture.kvBytesPerToken === 0) return undefined;
  let fitting = 0;
  let tooLarge = Math.floor(most / CONTEXT_STEP) + 1;
  while (tooLarge - fitting > 1) {
    const middle = Math.floor((fitting + tooLarge) / 2);
    if (fitsWith(card, { ...input, requiredContextTokens: middle * CONTEXT_STEP })) fitting = middle;
    else tooLarge = middle;
  }
  return fitting === 0 ? undefined : fitting * CONTEXT_STEP;
}

/** The finest usual mix of a GGUF with which the model would fit. */
function largestMix(card: ModelCard, candidate: Candidate, input: PlanInput): string | undefined {
  const own = card.variants.find(({ id }) => id === candidate.variant);
  if (own?.format !== 'gguf') return undefined;
  return MIXES.find(
    ([, bits]) => bits < WORTHWHILE * own.bitsPerWeight && fitsWith({ ...card, variants: [shrunk(own, bits)] }, input),
  )?.[0];
}

function shrunk(variant: ModelVariant, bitsPerWeight: number): ModelVariant {
  const files = variant.files.map((file) =>
    file.role === 'weights' ? { ...file, bytes: Math.ceil((file.bytes * bitsPerWeight) / variant.bitsPerWeight) } : file,
  );
  return { ...variant, bitsPerWeight, files };
}

function fitsWith(card: ModelCard, input: PlanInput): boolean {
  const { candidates } = makePlan({ ...input, cards: [card] });
  return candidates.some((each) => isSmallEnough(each) && each.reasons.every(({ code }) => CURABLE.includes(code)));
}

function isSmallEnough({ reasons }: Candidate): boolean {
  return reasons.every(({ code }) => !TOO_LARGE.includes(code));
}

function formatCount(value: number): string {
  return value.toLocaleString('en-US');
}
