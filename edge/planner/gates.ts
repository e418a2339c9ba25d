import type { Rejection } from '#edge/contracts/plan.ts';
import { formatBytes } from '#edge/core/format.ts';
import type { Draft, Gate } from './gate.ts';
import { rejectCpuFlags, rejectHardware, rejectLibc, rejectLocalBuild, rejectNeuralEngine, rejectPlatform } from './hardware-gates.ts';
import { rejectMemory } from './memory-gate.ts';

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

const rejectContext: Gate = ({ card, input }) =>
  input.requiredContextTokens !== undefined && input.requiredContextTokens > card.contextTokens
    ? {
        code: 'ctx-exceeds-train',
        detail: `asked for ${input.requiredContextTokens} tokens, the model was trained for ${card.contextTokens}`,
      }
    : undefined;

/**
 * A failure is of the candidate that failed, and of its other thread counts as long as they were never seen to run: a file
 * that crashes its engine is not loaded once more with one thread less.
 */
const rejectQuarantined: Gate = ({ id, way, measured, input }) => {
  const entry = input.quarantined
    .filter(({ untilMs }) => input.nowMs < untilMs)
    .filter(({ candidateId }) => candidateId === id || (measured === null && candidateId.startsWith(`${way}/t`)))
    .toSorted((a, b) => b.untilMs - a.untilMs || (a.reason < b.reason ? -1 : 1))[0];
  return entry && { code: 'quarantined', detail: `${entry.reason}; tried again after ${new Date(entry.untilMs).toISOString()}` };
};

const noteAbsence: Gate = ({ card, stored, memory }) =>
  stored ? undefined : { code: 'not-downloaded', detail: `"nearside pull ${card.id}" fetches ${formatBytes(memory.weightsBytes)}` };

const GATES: readonly Gate[] = [
  rejectUserExcluded,
  rejectFormat,
  rejectLocalBuild,
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
