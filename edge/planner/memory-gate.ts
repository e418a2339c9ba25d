import { formatBytes } from '#edge/core/format.ts';
import { ENGINE_BINARIES, PROVIDER_HARDWARE, packagedProvider } from './binaries.ts';
import { estimateMemory, largestContext } from './estimate-memory.ts';
import type { Draft, Gate } from './gate.ts';
import { videoMemoryBudget } from './memory-budget.ts';

/** Refuses what does not fit, and says what would: a shorter context, or another variant of the model. */
export const rejectMemory: Gate = (draft) => {
  const video = discreteMemory(draft);
  const onDevice = draft.memory.totalBytes - draft.memory.runtimeBytes;
  if (video !== undefined && onDevice > videoMemoryBudget(video)) {
    return { code: 'mem-exceeds', detail: `needs ${formatBytes(onDevice)}, the GPU offers ${formatBytes(videoMemoryBudget(video))}` };
  }
  const need = video === undefined ? draft.memory.totalBytes : draft.memory.runtimeBytes;
  if (need <= draft.budgetBytes) return undefined;
  const advice = [fittingContext(draft), fittingVariant(draft)].filter((one) => one !== undefined);
  const rest = advice.length === 0 ? '' : `; ${advice.join(', or ')} would fit`;
  return { code: 'mem-exceeds', detail: `needs ${formatBytes(need)}, ${formatBytes(draft.budgetBytes)} available${rest}` };
};

function fittingContext(draft: Draft): string | undefined {
  const tokens = largestContext(draft, draft.budgetBytes);
  return tokens === undefined ? undefined : `a context of ${tokens} tokens`;
}

/** The best variant of the model that an engine here could hold on the CPU. */
function fittingVariant({ card, variant, contextTokens, sequences, budgetBytes }: Draft): string | undefined {
  const [best] = card.variants
    .filter(({ id }) => id !== variant.id)
    .flatMap((other) => {
      const backend = (['llama', 'onnx', 'tflite'] as const).find((id) => ENGINE_BINARIES[id]?.format === other.format);
      if (!backend) return [];
      const { totalBytes } = estimateMemory({ card, variant: other, backend, provider: 'cpu', contextTokens, sequences });
      return totalBytes <= budgetBytes ? [{ other, totalBytes }] : [];
    })
    .toSorted((a, b) => b.other.quality - a.other.quality || a.totalBytes - b.totalBytes || (a.other.id < b.other.id ? -1 : 1));
  return best && `variant ${best.other.id} (${formatBytes(best.totalBytes)})`;
}

/** Video memory that the provider's weights go to; undefined when they stay in main memory, or its size is unknown. */
function discreteMemory({ provider, input }: Draft): number | undefined {
  const kind = PROVIDER_HARDWARE[packagedProvider(provider)]?.kind;
  const sizes = input.device.accelerators.flatMap((one) => (one.kind === kind && !one.unified ? (one.memoryBytes ?? []) : []));
  return sizes.length === 0 ? undefined : Math.max(...sizes);
}
