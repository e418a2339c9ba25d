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

/** The memory of one candidate against what there is. */
export interface Fit {
  readonly candidate: string;
  readonly contextTokens: number;
  readonly fits: boolean;
  readonly memory: MemoryEstimate;
  readonly budgetBytes: number;
  /** What would fit where this does not; each on its own. */
  readonly instead: { readonly contextTokens?: number; readonly variant?: string; readonly quantisation?: string };
}

/**
 * Judges the chosen candidate, or the best that only memory, context or absence stand against.
 * Undefined when nothing could run the model here however small it were.
 * @param input What `plan` was made from, for one model.
 */
export function judgeFit(plan: Plan, input: PlanInput): Fit | undefined {
  const candidate = plan.chosen ?? plan.candidates.find(({ reasons }) => reasons.every(({ code }) => CURABLE.includes(code)));
  const card = input.cards.find(({ id }) => id === candidate?.model);
  if (!candidate || !card) return undefined;
  const fits = isSmallEnough(candidate);
  const asked = input.requiredContextTokens ?? Math.min(card.contextTokens, input.settings.contextTokens);
  return {
    candidate: candidate.id,
    contextTokens: asked,
    fits,
    memory: candidate.estimate.memory,
    budgetBytes: plan.budgetBytes,
    instead: fits ? {} : whatFits(card, candidate, input, asked),
  };
}

/** The sum and the verdict in one line. */
export function describeFit({ contextTokens, fits, memory, budgetBytes, instead }: Fit): string {
  const cache = memory.kvBytes > 0 ? ` + cache ${formatBytes(memory.kvBytes)} (context ${formatCount(contextTokens)})` : '';
  const sum = `weights ${formatBytes(memory.weightsBytes)}${cache} + compute ${formatBytes(memory.computeBytes)} + runtime ${formatBytes(memory.runtimeBytes)}`;
  const total = `${formatBytes(memory.totalBytes)} of ${formatBytes(budgetBytes)} = ${sum}`;
  if (fits) return `fits: ${total}`;
  const ways = [
    ...(instead.contextTokens === undefined ? [] : [`context ${formatCount(instead.contextTokens)} fits`]),
    ...(instead.variant === undefined ? [] : [`or variant ${instead.variant}`]),
    ...(instead.quantisation === undefined ? [] : [`or ${instead.quantisation}`]),
  ];
  return `does not fit: ${total}; ${ways.length === 0 ? 'nothing smaller of it does either' : ways.join('; ').replace(/^or /, '')}`;
}

function whatFits(card: ModelCard, candidate: Candidate, input: PlanInput, asked: number): Fit['instead'] {
  const contextTokens = largestContext(card, input, Math.min(asked, card.contextTokens));
  const variant = card.variants.find(
    ({ id }) => id !== candidate.variant && fitsWith({ ...card, variants: card.variants.filter((each) => each.id === id) }, input),
  );
  const quantisation = variant ? undefined : largestMix(card, candidate, input);
  return {
    ...(contextTokens === undefined ? {} : { contextTokens }),
    ...(variant ? { variant: variant.id } : {}),
    ...(quantisation === undefined ? {} : { quantisation }),
  };
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
  return MIXES.find(([, bits]) => bits < own.bitsPerWeight && fitsWith({ ...card, variants: [shrunk(own, bits)] }, input))?.[0];
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
