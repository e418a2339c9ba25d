import { openRuntime } from '#apps/device/open-runtime.ts';
import { TASKS, type Task } from '#edge/contracts/model.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { formatBytes } from '#edge/core/format.ts';
import { formatJoules, formatRateValues, formatSeconds } from '#edge/planner/format-rates.ts';
import { type BenchCandidate, type BenchReport, benchableTasks, benchTask } from '../bench-report.ts';
import { action } from '../context.ts';
import { paint, print, printJson, progressReporter, table } from '../terminal.ts';

/** `nearside bench`: every way to run a task, measured here and now, and remembered for the choice. */
export const bench = action(async ({ config, log, json, signal }, name: string | undefined) => {
  await using opened = openRuntime(config, log);
  const { tasks, model } = whatToBench(opened.store.catalog.cards, name, benchableTasks(opened, TASKS));
  const progress = progressReporter();
  const reports: BenchReport[] = [];
  try {
    for (const task of tasks) {
      const options = { environment: config.environment, log, onProgress: progress.onProgress, signal };
      reports.push(await benchTask(opened, task, model === undefined ? options : { ...options, model }));
    }
  } finally {
    progress.end();
  }
  if (json) return printJson(name === undefined ? { reports } : reports[0]);
  for (const report of reports) printReport(report);
});

/** A task, a model of the catalog, or everything that is stored. */
function whatToBench(
  cards: readonly { readonly id: string; readonly task: Task }[],
  name: string | undefined,
  all: readonly Task[],
): { readonly tasks: readonly Task[]; readonly model?: string } {
  if (name === undefined) {
    if (all.length === 0) throw new EdgeError('E_MODEL_NOT_STORED', { what: 'nothing to measure', expected: 'a model in the store' });
    return { tasks: all };
  }
  const task = TASKS.find((known) => known === name);
  if (task) return { tasks: [task] };
  const card = cards.find(({ id }) => id === name);
  if (!card)
    throw new EdgeError('E_USAGE', {
      what: `"${name}" is neither a task nor a model`,
      expected: `${TASKS.join(', ')}, or a model of "nearside list"`,
    });
  return { tasks: [card.task], model: card.id };
}

function printReport({ task, candidates, regret, peers }: BenchReport): void {
  print(paint('bold', task));
  const header = ['', 'candidate', 'rates', 'a call', 'first token', 'load', 'memory', 'energy', ''];
  print(table([header, ...candidates.map(rowOf)], [3, 4, 5, 6, 7]));
  for (const [peer, rates] of Object.entries(peers)) print(`   ${peer}, same file and threads: ${formatRateValues(rates)}`);
  const disturbed = candidates.filter(({ measured, note }) => measured && note).length;
  if (disturbed > 0) print(paint('yellow', `   Other programs disturbed ${disturbed} of these: their numbers are not remembered.`));
  if (regret !== null) {
    print(
      `   The chosen one takes ${(100 * regret).toFixed(1)} % longer a call than the fastest of its model ("nearside plan ${task}" says why).`,
    );
  }
  print('');
}

function rowOf({ id, measured, chosen, note }: BenchCandidate): readonly string[] {
  if (!measured) return [chosen ? '>' : '', id, 'not measured', '', '', '', '', '', note ?? ''];
  const { callSeconds, firstTokenMs, loadMs, residentBytes, joules, ...rates } = measured;
  return [
    chosen ? '>' : '',
    id,
    formatRateValues(rates),
    formatSeconds(callSeconds),
    firstTokenMs === undefined ? '' : `${Math.round(firstTokenMs)} ms`,
    `${Math.round(loadMs)} ms`,
    formatBytes(residentBytes),
    joules === undefined ? '' : formatJoules(joules),
    note ?? '',
  ];
}
