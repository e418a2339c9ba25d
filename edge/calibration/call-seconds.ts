import type { Task } from '#edge/contracts/model.ts';
import { type RateName, type Rates, TASK_RATES, TYPICAL_CALL } from '#edge/contracts/plan.ts';

/** Seconds of one `TYPICAL_CALL` at these rates: what candidates are compared by. NaN when one of the task's rates is missing. */
export function callSeconds(task: Task, rates: Rates): number {
  const call: Rates = TYPICAL_CALL[task];
  const names: readonly RateName[] = TASK_RATES[task];
  return names.reduce((sum, name) => sum + (call[name] ?? 0) / (rates[name] ?? Number.NaN), 0);
}
