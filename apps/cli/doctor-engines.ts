/** What `nearside doctor` says of engines: which run, whether they were measured, and what each better one lacks. */
import { tuneReadiness } from '#edge/builds/toolchain.ts';
import type { Config } from '#edge/config/schema.ts';
import type { DeviceProfile } from '#edge/contracts/hardware.ts';
import type { Candidate, Plan, RejectionCode } from '#edge/contracts/plan.ts';
import { systemIo } from '#edge/hardware/probe-io.ts';
import { formatSeconds } from '#edge/planner/format-rates.ts';
import type { EdgeRuntime } from '#edge/runtime/edge-runtime.ts';
import type { Finding } from './finding.ts';

const TASKS = ['generate', 'embed', 'classify'] as const;

/** Reasons that the owner of the device can do something about; missing hardware is none. */
const MENDABLE: readonly RejectionCode[] = ['lib-missing', 'not-downloaded', 'quarantined', 'mem-exceeds', 'lossy'];

/** One line for what runs, one for what was measured, one for each engine that would be faster and for a build for this very CPU. */
export async function checkEngines(runtime: EdgeRuntime, config: Config): Promise<readonly Finding[]> {
  const plans = await Promise.all(TASKS.map((task) => runtime.plan(task)));
  const device = await runtime.device();
  return [chosenOf(plans), measuredOf(plans), ...plans.flatMap(betterOf), await tuneFinding(plans, device, config)];
}

function chosenOf(plans: readonly Plan[]): Finding {
  const found = plans
    .map(
      ({ task, chosen }) => `${task}: ${chosen ? `${chosen.backend}/${chosen.provider} with ${chosen.model} (${chosen.variant})` : 'none'}`,
    )
    .join('; ');
  if (plans.every(({ chosen }) => chosen)) return { check: 'engines', level: 'ok', found };
  return { check: 'engines', level: 'fail', found, hint: 'See "nearside plan" for the reason of each candidate.' };
}

function measuredOf(plans: readonly Plan[]): Finding {
  const unmeasured = plans.filter(({ chosen }) => chosen && !chosen.measured).map(({ task }) => task);
  if (plans.every(({ chosen }) => !chosen)) return { check: 'measurements', level: 'ok', found: 'nothing runs that could be measured' };
  if (unmeasured.length === 0) return { check: 'measurements', level: 'ok', found: 'every choice rests on a measurement of this device' };
  return {
    check: 'measurements',
    level: 'warn',
    found: `${unmeasured.join(', ')}: chosen by prediction`,
    hint: 'A device measures while it is idle; "nearside bench" does it now.',
  };
}

/** Ways to run the chosen model that would be faster here and lack something that can be had. */
function betterOf({ task, chosen, candidates }: Plan): readonly Finding[] {
  // Where nothing runs, the check of the models says what to fetch.
  if (!chosen) return [];
  const seconds = chosen.estimate.callSeconds.value;
  const better = candidates.filter(
    ({ model, reasons, estimate }) =>
      model === chosen.model &&
      estimate.callSeconds.value < seconds &&
      reasons.length > 0 &&
      reasons.every(({ code }) => MENDABLE.includes(code)),
  );
  return better.map((candidate) => ({
    check: 'faster engine',
    level: 'warn',
    found: `${task} on ${candidate.id}, ${formatSeconds(candidate.estimate.callSeconds.value)} a call: ${detailsOf(candidate)}`,
    hint: mendOf(candidate),
  }));
}

function detailsOf({ reasons }: Candidate): string {
  return reasons.map(({ detail }) => detail).join('; ');
}

function mendOf({ model, variant, reasons }: Candidate): string {
  switch (reasons[0]?.code) {
    case 'not-downloaded':
      return `Run "nearside pull ${model} --variant ${variant}".`;
    case 'quarantined':
      return `Run "nearside verify ${model}" for its files; "nearside bench ${model}" after the time named tries it again.`;
    case 'mem-exceeds':
      return 'Close other programs, or lower runtime.contextTokens.';
    default:
      return 'Install what is named, then run "nearside doctor" again.';
  }
}

async function tuneFinding(plans: readonly Plan[], device: DeviceProfile, config: Config): Promise<Finding> {
  const check = 'tuned build';
  if (plans.some(({ chosen }) => chosen?.provider.endsWith('-tuned')))
    return { check, level: 'ok', found: 'llama.cpp built for this device is in use' };
  if (plans.every(({ chosen }) => chosen?.backend !== 'llama')) return { check, level: 'ok', found: 'no choice runs on llama.cpp' };
  const { missing, install } = await tuneReadiness(systemIo({ diskPath: config.home }), device);
  if (missing.length === 0) {
    return {
      check,
      level: 'ok',
      found: 'not built; "nearside tune" builds llama.cpp for exactly this device and keeps it if it is faster',
    };
  }
  const found = `not built; missing for it: ${missing.map(({ tool, problem }) => `${tool} ${problem}`).join(', ')}`;
  return {
    check,
    level: 'ok',
    found,
    hint: install === undefined ? 'Install them for "nearside tune".' : `For "nearside tune": ${install}`,
  };
}
