import type { BackendId } from '#edge/contracts/backend.ts';
import type { ModelCard, ModelVariant, StoredVariant } from '#edge/contracts/model.ts';
import type { MemoryEstimate, Rejection } from '#edge/contracts/plan.ts';
import { formatBytes } from '#edge/core/format.ts';
import { type EngineBinaries, PROVIDER_HARDWARE } from './binaries.ts';
import { largestContext } from './estimate-memory.ts';
import { videoMemoryBudget } from './memory-budget.ts';
import type { PlanInput } from './plan-input.ts';

/** A candidate before it is judged, with all that a gate may look at. */
export interface Draft {
  readonly id: string;
  readonly card: ModelCard;
  readonly variant: ModelVariant;
  readonly stored: StoredVariant | undefined;
  readonly backend: BackendId;
  readonly binaries: EngineBinaries;
  readonly provider: string;
  readonly contextTokens: number;
  readonly sequences: number;
  readonly memory: MemoryEstimate;
  readonly budgetBytes: number;
  readonly input: PlanInput;
}

type Gate = (draft: Draft) => Rejection | undefined;

/** Every reason against a candidate, in the order of {@link GATES}; empty for one that may run. */
export function judge(draft: Draft): readonly Rejection[] {
  return GATES.flatMap((gate) => gate(draft) ?? []);
}

const rejectUserExcluded: Gate = ({ card, input }) =>
  input.model === undefined || input.model === card.id ? undefined : { code: 'user-excluded', detail: `only ${input.model} was asked for` };

const rejectFormat: Gate = ({ binaries, variant, stored, input }) => {
  if (stored && stored.format !== variant.format) {
    return { code: 'format-mismatch', detail: `the card says ${variant.format}, the stored file is ${stored.format}` };
  }
  if (binaries.tasks.includes(input.task)) return undefined;
  return { code: 'format-mismatch', detail: `${binaries.label} does not serve ${input.task}, and the file is ${variant.format}` };
};

const rejectPlatform: Gate = ({ binaries, provider, input }) => {
  const { platform, cpu, libc } = input.device;
  const here = `${platform}/${cpu.architecture}`;
  const build = provider === 'cpu' ? binaries.label : `${binaries.label} with ${provider}`;
  if (!binaries.platforms[provider]?.includes(here))
    return { code: 'no-binary', detail: `there is no published build of ${build} for ${here}` };
  if (libc.kind === 'musl')
    return { code: 'no-binary', detail: `builds of ${binaries.label} need glibc, this system has musl ${libc.version}`.trim() };
  return undefined;
};

const rejectLibc: Gate = ({ binaries, input }) => {
  const { kind, version } = input.device.libc;
  if (kind !== 'glibc' || compareVersions(version, binaries.minimumGlibc) >= 0) return undefined;
  return { code: 'libc-too-old', detail: `${binaries.label} needs glibc ${binaries.minimumGlibc}, this system has ${version}` };
};

/** Unknown flags (an empty list, as on Windows) reject nothing. */
const rejectCpuFlags: Gate = ({ binaries, input }) => {
  const { architecture, flags } = input.device.cpu;
  if (architecture !== 'x64' || flags.length === 0) return undefined;
  const missing = binaries.requiredFlags.filter((flag) => !flags.includes(flag));
  return missing.length === 0 ? undefined : { code: 'cpu-flag-missing', detail: `${binaries.label} needs ${missing.join(', ')}` };
};

const rejectHardware: Gate = ({ provider, input }) => {
  const hardware = PROVIDER_HARDWARE[provider];
  if (!hardware) return undefined;
  const found = input.device.accelerators.filter(({ kind }) => kind === hardware.kind);
  if (found.length === 0) return { code: 'driver-missing', detail: `${hardware.driver} was found` };
  if (provider === 'coreml' || found.some(({ confidence }) => confidence === 'library')) return undefined;
  return { code: 'lib-missing', detail: `${found[0]?.name} is there, but not ${hardware.library}` };
};

/** Every variant of the catalog so far has free dimensions or int8 weights; the Neural Engine takes neither. */
const rejectNeuralEngine: Gate = ({ provider }) =>
  provider === 'coreml'
    ? { code: 'dynamic-shape-on-ane', detail: 'the Neural Engine needs an fp16 or fp32 variant with fixed shapes' }
    : undefined;

const rejectContext: Gate = ({ card, input }) =>
  input.requiredContextTokens !== undefined && input.requiredContextTokens > card.contextTokens
    ? {
        code: 'ctx-exceeds-train',
        detail: `asked for ${input.requiredContextTokens} tokens, the model was trained for ${card.contextTokens}`,
      }
    : undefined;

const rejectMemory: Gate = (draft) => {
  const video = discreteMemory(draft);
  const onDevice = draft.memory.totalBytes - draft.memory.runtimeBytes;
  if (video !== undefined && onDevice > videoMemoryBudget(video)) {
    return { code: 'mem-exceeds', detail: `needs ${formatBytes(onDevice)}, the GPU offers ${formatBytes(videoMemoryBudget(video))}` };
  }
  const need = video === undefined ? draft.memory.totalBytes : draft.memory.runtimeBytes;
  if (need <= draft.budgetBytes) return undefined;
  const fitting = largestContext(draft, draft.budgetBytes);
  const advice = fitting === undefined ? '' : `; a context of ${fitting} tokens would fit`;
  return { code: 'mem-exceeds', detail: `needs ${formatBytes(need)}, ${formatBytes(draft.budgetBytes)} available${advice}` };
};

const rejectQuarantined: Gate = ({ id, input }) => {
  const entry = input.quarantined.find(({ candidateId, untilMs }) => candidateId === id && input.nowMs < untilMs);
  return entry && { code: 'quarantined', detail: `${entry.reason}; tried again after ${new Date(entry.untilMs).toISOString()}` };
};

const noteAbsence: Gate = ({ card, stored, memory }) =>
  stored ? undefined : { code: 'not-downloaded', detail: `"nearside pull ${card.id}" fetches ${formatBytes(memory.weightsBytes)}` };

const GATES: readonly Gate[] = [
  rejectUserExcluded,
  rejectFormat,
  rejectPlatform,
  rejectLibc,
  rejectCpuFlags,
  rejectHardware,
  rejectNeuralEngine,
  rejectContext,
  rejectMemory,
  rejectQuarantined,
  noteAbsence,
];

/** Video memory that the provider's weights go to; undefined when they stay in main memory, or its size is unknown. */
function discreteMemory({ provider, input }: Draft): number | undefined {
  const kind = PROVIDER_HARDWARE[provider]?.kind;
  const sizes = input.device.accelerators.flatMap((one) => (one.kind === kind && !one.unified ? (one.memoryBytes ?? []) : []));
  return sizes.length === 0 ? undefined : Math.max(...sizes);
}

/** Negative when `a` is the older one; `2.9` is older than `2.34`. */
function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number));
  for (let index = 0; index < Math.max(left?.length ?? 0, right?.length ?? 0); index++) {
    const difference = (left?.[index] || 0) - (right?.[index] || 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
