import type { Citation, EngineRef, Rung, Timings } from '#edge/contracts/parts.ts';

/** What each rung of the answer ladder means to a reader. */
export const RUNG_LABELS: Readonly<Record<Rung, string>> = {
  faq: 'Answered from the FAQ',
  quote: 'Quoted from your documents',
  template: 'Filled in from your data',
  generated: 'Written by the model',
  abstain: 'No source found',
};

/** `420 ms`, `1.3 s`. */
export function formatDuration(milliseconds: number): string {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}

/** The speed of an answer, in the order a reader asks for it. */
export function speedFacts(timings: Timings): readonly string[] {
  const { firstTokenMs, tokensPerSecond, totalMs } = timings;
  return [
    ...(firstTokenMs === undefined ? [] : [`first word after ${formatDuration(firstTokenMs)}`]),
    ...(tokensPerSecond === undefined ? [] : [`${tokensPerSecond.toFixed(tokensPerSecond < 10 ? 1 : 0)} tokens/s`]),
    `${formatDuration(totalMs)} in all`,
  ];
}

/** `smollm2-135m-instruct (q4_1) on llama/cpu`. */
export function engineLabel(engine: EngineRef): string {
  return `${engine.model} (${engine.variant}) on ${engine.engine}`;
}

/** What a citation is called: the headings above the passage, as steps; else the file. */
export function titleOf({ title, source }: Citation): string {
  return title === '' ? fileNameOf(source) : title.replaceAll(' > ', ' › ');
}

/** The last step of a path or URL, for a short label; the whole stands beside it. */
function fileNameOf(source: string): string {
  return source.split(/[\\/]/).filter(Boolean).at(-1) ?? source;
}

/** `product_type` and `productType` as words. */
export function wordsOf(name: string): string {
  const words = name
    .replaceAll('_', ' ')
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** `12.4 MB`, in powers of 1000. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1);
  const value = bytes / 1000 ** power;
  return `${power === 0 ? value : value.toFixed(1)} ${units[power]}`;
}

const RELATIVE = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const STEPS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
] as const;

/** `2 hours ago`; empty for a date that cannot be read. */
export function formatAge(iso: string, now: number): string {
  const age = now - Date.parse(iso);
  if (Number.isNaN(age)) return '';
  const step = STEPS.find(([, length]) => age >= length);
  return step ? RELATIVE.format(-Math.floor(age / step[1]), step[0]) : 'just now';
}
