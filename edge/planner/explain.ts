import type { Candidate, Plan } from '#edge/contracts/plan.ts';
import { formatBytes } from '#edge/core/format.ts';
import { ENGINE_BINARIES } from './binaries.ts';
import { decidingCriterion } from './choose.ts';
import { decodeBandwidth, stepOverheadSeconds } from './device-rates.ts';
import type { PlanInput } from './plan-input.ts';
import { bytesPerToken } from './predict-rates.ts';

const MOST_REJECTIONS = 3;

/** The plan in one sentence: what runs, why, what it needs, how fast it will be, and what stands against better hardware. */
export function explainChoice(ranked: readonly Candidate[], budgetBytes: number, input: PlanInput): string {
  const chosen = ranked.find(({ reasons }) => reasons.length === 0);
  if (!chosen) return explainNothing(ranked, input);
  const threads = chosen.threads === 1 ? '1 thread' : `${chosen.threads} threads`;
  const what = `${chosen.model} (${chosen.variant}) runs on ${labelOf(chosen)} with ${threads}`;
  const need = `needs ${formatBytes(chosen.estimate.memory.totalBytes)} of ${formatBytes(budgetBytes)}`;
  const caveat = isVerified(chosen, input) ? '' : ' (this project has not run on such hardware yet)';
  const rejections = explainAlternatives(chosen, ranked);
  return `${what}: ${whyChosen(chosen, ranked, input)}, ${need} and should reach ${describeSpeed(chosen, input)}${caveat}${rejections}.`;
}

/** A table for people, one line a candidate, columns aligned. */
export function planTable(plan: Plan): readonly string[] {
  const header = ['', 'candidate', 'memory', 'rates a second', 'a call', 'quality', 'reasons'];
  const rows = plan.candidates.map((candidate) => [
    markOf(candidate, plan),
    candidate.id,
    formatBytes(candidate.estimate.memory.totalBytes),
    describeRates(candidate),
    `${formatSeconds(candidate.estimate.callSeconds.value)} ${candidate.estimate.callSeconds.source}`,
    candidate.quality.toFixed(2),
    candidate.reasons.map(({ code, detail }) => `${code}: ${detail}`).join('; '),
  ]);
  const widths = header.map((_, column) => Math.max(...[header, ...rows].map((row) => row[column]?.length ?? 0)));
  return [header, ...rows].map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function explainNothing(ranked: readonly Candidate[], input: PlanInput): string {
  if (ranked.length === 0) return `Nothing can serve ${input.task}: no model of the catalog does.`;
  const hasHardware = ranked.filter(({ reasons }) => reasons.every(({ code }) => code !== 'driver-missing'));
  const nearest = hasHardware
    .slice(0, MOST_REJECTIONS)
    .map(({ id, reasons }) => `${id}: ${reasons.map(({ detail }) => detail).join(', ')}`);
  const more = hasHardware.length > nearest.length ? ` and ${hasHardware.length - nearest.length} more` : '';
  return `Nothing can serve ${input.task} here: ${nearest.join('; ')}${more}.`;
}

function whyChosen(chosen: Candidate, ranked: readonly Candidate[], input: PlanInput): string {
  const { preferredModel } = input.settings;
  if (input.model !== undefined) return 'it is the model that was asked for';
  if (chosen.model === preferredModel) return `it is the default model for ${input.task}`;
  const preferred = ranked.find(({ model }) => model === preferredModel);
  if (preferred) return `the default model ${preferredModel} cannot run (${preferred.reasons[0]?.detail})`;
  const next = ranked.find(({ reasons, id }) => reasons.length === 0 && id !== chosen.id);
  if (!next) return 'it is the only one that can run';
  return `it comes before ${next.id} by ${decidingCriterion(chosen, next, input) ?? 'name only'}`;
}

function describeSpeed(chosen: Candidate, input: PlanInput): string {
  const { callSeconds } = chosen.estimate;
  const number = `${formatSeconds(callSeconds.value)} a call (${describeRates(chosen)} a second)`;
  if (callSeconds.source === 'measured') return `${number}, as measured here`;
  if (callSeconds.source === 'extrapolated') return `${number}, extrapolated from another measurement of ${labelOf(chosen)} here`;
  const card = input.cards.find(({ id }) => id === chosen.model);
  const variant = card?.variants.find(({ id }) => id === chosen.variant);
  if (card?.task !== 'generate' || !variant) return `${number}, predicted from the instruction set`;
  const rate = decodeBandwidth(input.device, chosen.provider, chosen.threads);
  const overheadMs = 1000 * stepOverheadSeconds(input.device, chosen.provider, card.architecture.layers);
  const read = `reading ${formatBytes(bytesPerToken(card, variant))} a token at ${formatNumber(rate)} GB/s`;
  return `${number}, predicted from ${read} and ${overheadMs.toFixed(1)} ms besides`;
}

function describeRates({ estimate }: Candidate): string {
  return Object.entries(estimate.rates)
    .map(([name, { value }]) => `${name} ${formatNumber(value)}`)
    .join(', ');
}

/** Why the same file does not run on the other providers of its engine; missing hardware is told in one clause. */
function explainAlternatives(chosen: Candidate, ranked: readonly Candidate[]): string {
  const rejected = ranked.filter(
    ({ model, variant, backend, provider, reasons }) =>
      model === chosen.model &&
      variant === chosen.variant &&
      backend === chosen.backend &&
      provider !== chosen.provider &&
      reasons.length > 0,
  );
  const isAbsent = ({ reasons }: Candidate): boolean => reasons.some(({ code }) => code === 'driver-missing');
  const absent = rejected.filter(isAbsent).map(({ provider }) => provider);
  const blocked = rejected.filter((candidate) => !isAbsent(candidate));
  return [
    ...blocked.map(({ provider, reasons }) => `; ${provider} is out because ${reasons[0]?.detail}`),
    ...(absent.length > 0 ? [`; no hardware for ${absent.toSorted().join(' or ')} was found`] : []),
  ].join('');
}

/** What this project has run so far is the CPU of Linux on x64; the rest follows documentation. */
function isVerified(chosen: Candidate, { device }: PlanInput): boolean {
  return chosen.provider === 'cpu' && device.platform === 'linux' && device.cpu.architecture === 'x64';
}

function labelOf({ backend, provider }: Candidate): string {
  const name = ENGINE_BINARIES[backend]?.label ?? backend;
  return `${name} on ${provider === 'cpu' ? 'the CPU' : provider}`;
}

function markOf(candidate: Candidate, plan: Plan): string {
  if (candidate.id === plan.chosen?.id) return '>';
  const place = plan.fallbacks.indexOf(candidate.id);
  return place < 0 ? '-' : `${place + 1}`;
}

function formatNumber(value: number): string {
  return value >= 10 ? `${Math.round(value)}` : value.toFixed(1);
}

function formatSeconds(seconds: number): string {
  return seconds >= 1 ? `${seconds.toFixed(1)} s` : `${formatNumber(seconds * 1000)} ms`;
}
