import { BACKENDS, type BackendId } from '#edge/contracts/backend.ts';
import type { DeviceProfile } from '#edge/contracts/hardware.ts';
import type { ModelCard, ModelVariant, Task } from '#edge/contracts/model.ts';
import type { Candidate, LocalBuild, RejectionCode } from '#edge/contracts/plan.ts';
import { ENGINE_BINARIES, type EngineBinaries, providersOf, STAND_INS } from './binaries.ts';
import { estimateMemory } from './estimate-memory.ts';
import { estimateRates } from './estimate-rates.ts';
import { judge } from './gates.ts';
import type { Way } from './measurements.ts';
import type { PlanInput } from './plan-input.ts';
import { threadOptions } from './thread-options.ts';

/** Sequences a generator decodes side by side. */
export const SEQUENCES = 1;

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
    const engine = { card, variant, backend, binaries };
    const packaged = providersOf(binaries, input.device).flatMap((provider) => atThreadCounts({ ...engine, provider }, input, budgetBytes));
    const built = localBuildsOf(backend, input).flatMap((localBuild) =>
      atThreadCounts({ ...engine, provider: localBuild.provider, localBuild }, input, budgetBytes),
    );
    return [...packaged.filter((candidate) => isNeeded(candidate, packaged)), ...built];
  });
}

/** One build for each provider: one of this very hardware, if there is any. */
export function localBuildsOf(backend: BackendId, { localBuilds, device }: PlanInput): readonly LocalBuild[] {
  const builds = localBuilds
    .filter((build) => build.backend === backend)
    .toSorted((a, b) => isOf(device, b) - isOf(device, a) || (`${b.release} ${b.folder}` < `${a.release} ${a.folder}` ? -1 : 1));
  return builds.filter((build, index) => builds.findIndex(({ provider }) => provider === build.provider) === index);
}

function isOf(device: DeviceProfile, { fingerprint }: LocalBuild): number {
  return Number(fingerprint === device.fingerprint);
}

/** What keeps an engine's own binary from running, so that a stand-in is worth listing. */
const NATIVE_PROBLEMS: readonly RejectionCode[] = [
  'no-binary',
  'libc-too-old',
  'cpu-flag-missing',
  'lib-missing',
  'probe-crashed',
  'quarantined',
];

/** A stand-in is needed where no candidate of the native provider is free of such problems. */
function isNeeded({ provider }: Candidate, packaged: readonly Candidate[]): boolean {
  const native = STAND_INS[provider];
  return (
    native === undefined ||
    packaged.filter((one) => one.provider === native).every(({ reasons }) => reasons.some(({ code }) => NATIVE_PROBLEMS.includes(code)))
  );
}

type Engine = Omit<Run, 'threads'>;

interface Run extends Way {
  readonly binaries: EngineBinaries;
  readonly localBuild?: LocalBuild;
}

/** One candidate for each number of threads, or a single one when that number changes nothing about its rejection. */
function atThreadCounts(engine: Engine, input: PlanInput, budgetBytes: number): readonly Candidate[] {
  const [usual, ...others] = threadOptions(engine, input).map((threads) => describe({ ...engine, threads }, input, budgetBytes));
  if (!usual) return [];
  return usual.reasons.every(({ code }) => code === 'quarantined') ? [usual, ...others] : [usual];
}

function describe(run: Run, input: PlanInput, budgetBytes: number): Candidate {
  const { card, variant, backend, provider, threads } = run;
  const way = `${card.id}/${variant.id}/${backend}/${provider}`;
  const stored = input.stored.find((one) => one.model === card.id && one.variant === variant.id);
  const contextTokens = contextOf(card, input);
  const memory = estimateMemory({ ...run, contextTokens, sequences: SEQUENCES });
  const { rates, callSeconds, measured } = estimateRates(run, input);
  const id = `${way}/t${threads}`;
  return {
    id,
    model: card.id,
    variant: variant.id,
    format: variant.format,
    backend,
    provider,
    threads,
    reasons: judge({ ...run, id, way, measured, stored, contextTokens, sequences: SEQUENCES, memory, budgetBytes, input }),
    estimate: { rates, callSeconds, memory },
    measured,
    quality: variant.quality,
    downloaded: stored !== undefined,
  };
}
