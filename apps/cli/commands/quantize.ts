import { openModelStore } from '#apps/device/device.ts';
import type { KeptQuality, Quantization } from '#edge/contracts/quantize.ts';
import { formatBytes } from '#edge/core/format.ts';
import { action } from '../context.ts';
import { printJson, progressReporter, say } from '../terminal.ts';

/** `nearside quantize`. */
export const quantize = action(async ({ config, log, json, signal }, model: string, { to }: { to: Quantization }) => {
  const store = openModelStore(config, log);
  const progress = progressReporter();
  const { variant } = await store.quantize(model, to, { onProgress: progress.onProgress, signal }).finally(progress.end);
  const made = store.list().find((entry) => entry.model === model && entry.variant === variant);
  if (json) return printJson(made);
  say(`${model}/${variant} is in the store (${formatBytes(made?.bytes ?? 0)})${made?.kept ? `: ${describeKept(made.kept)}` : ''}`);
  say(`"nearside plan ${model}" compares it with the others, "nearside rm ${model} --variant ${variant}" removes it.`);
});

function describeKept({ measure, source, derived }: KeptQuality): string {
  if (measure === 'cosine') return `mean cosine ${derived.toFixed(4)} to its source`;
  const change = ((derived / source - 1) * 100).toFixed(2);
  return `perplexity ${derived.toFixed(2)} against ${source.toFixed(2)} of its source (${derived < source ? '' : '+'}${change} %)`;
}
