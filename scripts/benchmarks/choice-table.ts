import { print, table } from '#apps/cli/terminal.ts';
import { formatBytes } from '#edge/core/format.ts';
import { formatSeconds } from '#edge/planner/format-rates.ts';
import type { ChoiceReport, MeasuredCandidate, ModelChoice } from './choice.ts';

/** Every candidate as it was predicted and as it was measured, for people. */
export function printChoice({ models, rounds }: ChoiceReport): void {
  const header = ['', 'candidate', `a call (median of ${rounds})`, 'predicted', 'ratio', 'memory', 'predicted', 'ratio'];
  const rows = models.flatMap((model) => model.candidates.toSorted(bySeconds).map((candidate) => rowOf(candidate, model)));
  print(table([header, ...rows], [2, 3, 4, 5, 6, 7]));
  print('');
}

const bySeconds = (a: MeasuredCandidate, b: MeasuredCandidate): number => a.measured.callSeconds - b.measured.callSeconds;

function rowOf({ id, measured, predicted }: MeasuredCandidate, { chosen }: ModelChoice): readonly string[] {
  return [
    id === chosen ? '>' : '',
    id,
    formatSeconds(measured.callSeconds),
    formatSeconds(predicted.callSeconds),
    (predicted.callSeconds / measured.callSeconds).toFixed(2),
    formatBytes(measured.residentBytes),
    formatBytes(predicted.residentBytes),
    (predicted.residentBytes / measured.residentBytes).toFixed(2),
  ];
}
