import { openRuntime } from '#apps/device/open-runtime.ts';
import { TASKS, type Task } from '#edge/contracts/model.ts';
import type { Plan } from '#edge/contracts/plan.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { planTable } from '#edge/planner/explain.ts';
import { action } from '../context.ts';
import { paint, print, printJson } from '../terminal.ts';

/** `nearside plan`: made here and now, without a device running. */
export const plan = action(async ({ config, log, json }, name: string | undefined, options: { all?: boolean }) => {
  const task = TASKS.find((known) => known === name);
  if (name !== undefined && !task) throw new EdgeError('E_USAGE', { what: `there is no task "${name}"`, expected: TASKS.join(', ') });
  await using opened = openRuntime(config, log);
  const { runtime } = opened;
  const tasks: readonly Task[] = task ? [task] : ['generate', 'embed', 'classify'];
  const plans: Plan[] = [];
  for (const one of tasks) plans.push(await runtime.plan(one));
  const device = await runtime.device();
  if (json) return printJson(task ? { ...plans[0], device } : { device, plans });
  for (const made of plans) {
    print(`${paint('bold', made.task)}: ${made.because}`);
    const shown = options.all ? made : { ...made, candidates: made.candidates.filter((candidate) => candidate.downloaded) };
    print(planTable(shown).join('\n'));
    const hidden = made.candidates.length - shown.candidates.length;
    print(hidden > 0 ? paint('dim', `   ${hidden} candidates of models that are not downloaded: --all shows them\n`) : '');
  }
});
