import type { Candidate, Plan } from '#edge/contracts/plan.ts';
import { formatBytes } from '#edge/core/format.ts';
import { formatRates, formatSeconds } from './format-rates.ts';

/**
 * The plan as a table for people, one line a candidate, columns aligned. `>` marks the chosen one, a number the place among
 * the fallbacks, `-` what cannot run. Thread counts that nobody measured yet are counted in the last line only.
 */
export function planTable(plan: Plan): readonly string[] {
  const shown = plan.candidates.filter((candidate) => isWorthALine(candidate, plan));
  const header = ['', 'candidate', 'memory', 'rates', 'a call', 'quality', 'reasons'];
  const rows = shown.map((candidate) => [
    markOf(candidate, plan),
    candidate.id,
    formatBytes(candidate.estimate.memory.totalBytes),
    formatRates(candidate),
    `${formatSeconds(candidate.estimate.callSeconds.value)} ${candidate.estimate.callSeconds.source}`,
    candidate.quality > 0 ? candidate.quality.toFixed(3) : 'unknown',
    candidate.reasons.map(({ code, detail }) => `${code}: ${detail}`).join('; '),
  ]);
  const widths = header.map((_, column) => Math.max(...[header, ...rows].map((row) => row[column]?.length ?? 0)));
  const lines = [header, ...rows].map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const hidden = plan.candidates.length - shown.length;
  return hidden === 0 ? lines : [...lines, `   and ${hidden} with a number of threads that was not measured yet`];
}

/** The first of every way to run, whatever was measured, and what is rejected for itself. */
function isWorthALine(candidate: Candidate, { candidates, chosen }: Plan): boolean {
  if (candidate.measured !== null || candidate.id === chosen?.id) return true;
  return candidates.find((one) => wayOf(one) === wayOf(candidate)) === candidate;
}

function wayOf({ id }: Candidate): string {
  return id.slice(0, id.lastIndexOf('/'));
}

function markOf(candidate: Candidate, plan: Plan): string {
  if (candidate.id === plan.chosen?.id) return '>';
  const place = plan.fallbacks.indexOf(candidate.id);
  return place < 0 ? '-' : `${place + 1}`;
}
