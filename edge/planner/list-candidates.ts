import { BACKENDS, type BackendId } from '#edge/contracts/backend.ts';
import type { DeviceProfile } from '#edge/contracts/hardware.ts';
import type { ModelCard, ModelVariant, Task } from '#edge/contracts/model.ts';
import type { Candidate } from '#edge/contracts/plan.ts';
import { ENGINE_BINARIES, type EngineBinaries, providersOf } from './binaries.ts';
import { estimateMemory } from './estimate-memory.ts';
import { estimateRates } from './estimate-rates.ts';
import { judge } from './gates.ts';
import { measuredThreads } from './measurements.ts';
import type { PlanInput } from './plan-input.ts';

/** Sequences a generator decodes side by side. */
export const SEQUENCES = 1;

/** Decoding is bound by memory: more threads than this only fight for it. */
const MOST_DECODE_THREADS = 4;

/** Tasks of a card that can serve another task: a classifier is a small head over an encoder's vectors. */
const SERVED_BY: Readonly<Record<Task, readonly Task[]>> = {
  generate: ['generate'],
  embed: ['embed'],
  classify: ['classify', 'embed'],
  rerank: ['rerank'],
  tensor: ['tensor'],
};

/** True when a model made for `card.task` can do `task`. */
export function serves(card: ModelCard, task: Task): boolean {
  return SERVED_BY[task].includes(card.task);
}

/** Every way to run the task with the given cards, each with its estimates and the reasons against it. In no particular order. */
export function listCandidates(input: PlanInput, budgetBytes: number): readonly Candidate[] {
  return input.cards
    .filter((card) => serves(card, input.task))
    .flatMap((card) => card.variants.flatMap((variant) => candidatesOf(card, variant, input, budgetBytes)));
}

/** Context a model is loaded with: what is asked for, within what it was trained for; an encoder gets at least 512 tokens. */
export function contextOf(card: ModelCard, input: PlanInput): number {
  const wish = input.requiredContextTokens ?? input.settings.contextTokens;
  return Math.min(card.contextTokens, card.task === 'generate' ? wish : Math.max(512, wish));
}

function candidatesOf(card: ModelCard, variant: ModelVariant, input: PlanInput, budgetBytes: number): readonly Candidate[] {
  return BACKENDS.flatMap((backend) => {
    const binaries = ENGINE_BINARIES[backend];
    if (binaries?.format !== variant.format) return [];
    return providersOf(binaries, input.device).flatMap((provider) =>
      threadOptions(card, variant, backend, provider, input).map((threads) =>
        describe({ card, variant, backend, binaries, provider, threads }, input, budgetBytes),
      ),
    );
  });
}

interface Run {
  readonly card: ModelCard;
  readonly variant: ModelVariant;
  readonly backend: BackendId;
  readonly binaries: EngineBinaries;
  readonly provider: string;
  readonly threads: number;
}

function describe(run: Run, input: PlanInput, budgetBytes: number): Candidate {
  const { card, variant, backend, provider, threads } = run;
  const id = `${card.id}/${variant.id}/${backend}/${provider}/t${threads}`;
  const stored = input.stored.find((one) => one.model === card.id && one.variant === variant.id);
  const contextTokens = contextOf(card, input);
  const memory = estimateMemory({ ...run, contextTokens, sequences: SEQUENCES });
  const { rates, callSeconds, measured } = estimateRates(run, input);
  return {
    id,
    model: card.id,
    variant: variant.id,
    format: variant.format,
    backend,
    provider,
    threads,
    reasons: judge({ ...run, id, stored, contextTokens, sequences: SEQUENCES, memory, budgetBytes, input }),
    estimate: { rates, callSeconds, memory },
    measured,
    quality: variant.quality,
    downloaded: stored !== undefined,
  };
}

/**
 * The user's thread count, or the usual one and every other that was measured here: a calibration adds candidates,
 * nothing else does.
 */
function threadOptions(card: ModelCard, variant: ModelVariant, backend: BackendId, provider: string, input: PlanInput): readonly number[] {
  if (input.settings.threads > 0) return [input.settings.threads];
  const most = usableThreads(input.device);
  const usual = backend === 'llama' ? Math.min(most, MOST_DECODE_THREADS) : most;
  const measured = measuredThreads({ card, variant, backend, provider }, input).filter(
    (threads) => threads <= input.device.cpu.logicalCores,
  );
  return [...new Set([usual, ...measured])];
}

/** Whole cores this process may use; two threads of one core do not help matrix kernels. */
function usableThreads({ cpu }: DeviceProfile): number {
  return Math.max(1, Math.floor(Math.min(cpu.usableCores, cpu.physicalCores)));
}
