import type { EngineInfo } from '#edge/contracts/backend.ts';
import type { Task } from '#edge/contracts/model.ts';
import { type RateName, type Rates, TASK_RATES } from '#edge/contracts/plan.ts';
import { orAborted } from '#edge/core/abort.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { EnergyMeter } from '#edge/hardware/energy.ts';
import { callSeconds } from './call-seconds.ts';
import type { EngineSubject, Round } from './engine-subject.ts';
import { prepareWorkload } from './workload.ts';

/** Rounds that a median needs, however long they take. */
const LEAST_ROUNDS = 2;
export const DEFAULT_BUDGET_MS = 1200;

/** How the energy of a device is told, and what it takes with no engine at work. */
export interface EnergyBasis {
  readonly meter: EnergyMeter;
  readonly idleWatts: number;
}

export interface MeasureOptions {
  /** Time of the rounds, after the warm-up; at least two are run. Defaults to 1,200 ms. */
  readonly budgetMs?: number;
  /** Awaited before each round: lets real work go first. */
  readonly whenIdle?: () => Promise<void>;
  readonly energy?: EnergyBasis;
}

export interface EngineMeasurement {
  /** Medians of the rounds: every one of the task's `TASK_RATES`. */
  readonly rates: Rates;
  /** Energy of one `TYPICAL_CALL` above idle; absent without a meter, or where it gave nothing. */
  readonly joules?: number;
}

/**
 * Warms an engine up and measures it in short rounds.
 * @throws EdgeError of the engine, `E_CANCELLED`; `E_UNSUPPORTED` when a rate of the task cannot be observed.
 */
export async function measureEngine(subject: EngineSubject, task: Task, options: MeasureOptions = {}): Promise<EngineMeasurement> {
  const { budgetMs = DEFAULT_BUDGET_MS, energy, whenIdle } = options;
  const {
    info,
    options: { signal },
  } = subject;
  const round = await prepareWorkload(task, subject, budgetMs);
  const work = (): Promise<Rounds> =>
    runRounds(round, budgetMs, async () => {
      if (whenIdle) await orAborted(whenIdle(), signal, 'measuring');
    });
  if (!energy) return { rates: medians((await work()).observed, task, info) };
  const { result, seconds, joules } = await energy.meter.measure(work);
  const rates = medians(result.observed, task, info);
  if (joules === undefined) return { rates };
  // An engine at work draws about the same whatever it works on: power x time of a typical call.
  const watts = Math.max(0, joules - energy.idleWatts * seconds) / result.busySeconds;
  return { rates, joules: watts * callSeconds(task, rates) };
}

interface Rounds {
  readonly observed: readonly Rates[];
  readonly busySeconds: number;
}

async function runRounds(round: Round, budgetMs: number, before: () => Promise<void>): Promise<Rounds> {
  const observed: Rates[] = [];
  let busyMs = 0;
  while (observed.length < LEAST_ROUNDS || busyMs < budgetMs) {
    await before();
    const startedAt = performance.now();
    observed.push(await round());
    busyMs += performance.now() - startedAt;
  }
  return { observed, busySeconds: busyMs / 1000 };
}

function medians(observed: readonly Rates[], task: Task, info: EngineInfo): Rates {
  const names: readonly RateName[] = TASK_RATES[task];
  return Object.fromEntries(
    names.map((name) => {
      const values = observed.flatMap((rates) => rates[name] ?? []);
      if (values.length > 0) return [name, median(values)];
      throw new EdgeError('E_UNSUPPORTED', { what: `measuring ${info.model}`, expected: `a rate of ${name}`, found: 'none in any round' });
    }),
  );
}

/** Middle value, or the mean of the two in the middle; of at least one number. */
function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] as number;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] as number;
  return (lower + upper) / 2;
}
