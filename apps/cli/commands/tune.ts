import { type OpenRuntime, openRuntime } from '#apps/device/open-runtime.ts';
import { buildLlama } from '#edge/builds/build-llama.ts';
import { type BuildRecord, buildsFolder, listLocalBuilds, removeLocalBuilds } from '#edge/builds/local-builds.ts';
import { blamesCandidate } from '#edge/calibration/measure-candidate.ts';
import type { Measurement } from '#edge/contracts/plan.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { formatDuration } from '#edge/core/format.ts';
import { systemIo } from '#edge/hardware/probe-io.ts';
import { makePlan } from '#edge/planner/make-plan.ts';
import { type BuildComparison, type CompareOptions, compareBuilds, secondsOf, type TuneSubject, tuneSubject } from '../compare-builds.ts';
import { action, type CommandContext } from '../context.ts';
import { paint, print, printJson, progressReporter, say, table } from '../terminal.ts';

/** Less is within the spread of measurements, and not worth another binary. */
const LEAST_SPEEDUP = 1.05;

/** `nearside tune`: builds, verifies, measures, and keeps the build only if it is faster. */
export const tune = action(async (context: CommandContext, options: { undo?: boolean }) => {
  const { config, log, json, signal } = context;
  await using open = openRuntime(config, log);
  if (options.undo) return await undo(context, open);
  const reporter = progressReporter();
  const io = systemIo({ diskPath: config.home, log });
  const subject = await tuneSubject(open, config.runtime.models.generate);
  const { build, seconds } = await obtainBuild(context, open, { io, onProgress: reporter.onProgress });
  const comparison = await compareOrRemove(subject, build, { config, open, io, log, onProgress: reporter.onProgress, signal });
  reporter.end();
  const isKept = comparison.speedup === undefined || comparison.speedup >= LEAST_SPEEDUP;
  if (!isKept) await removeBuilds(context, open);
  const because = await explanation(open, comparison, isKept ? [build] : []);
  const { disturbance } = comparison;
  if (json) return printJson({ build, builtSeconds: seconds, model: subject.packaged.stored.model, ...comparison, kept: isKept, because });
  print(comparisonTable(comparison));
  print(verdict(comparison, subject, isKept));
  if (disturbance) print(paint('yellow', `The machine was busy meanwhile (${disturbance}): these numbers are not remembered.`));
  print(`generate: ${because}`);
});

interface Obtained {
  readonly build: BuildRecord;
  /** Absent when it was there already. */
  readonly seconds?: number;
}

/** The build of this very device, made now unless it is there. */
async function obtainBuild(
  { config, log, signal }: CommandContext,
  { runtime }: OpenRuntime,
  { io, onProgress }: Pick<CompareOptions, 'io' | 'onProgress'>,
): Promise<Obtained> {
  const device = await runtime.device();
  const folder = buildsFolder(config.home);
  const known = listLocalBuilds(folder, log).find(({ fingerprint }) => fingerprint === device.fingerprint);
  if (known) {
    say(`llama.cpp ${known.release} was built here on ${known.builtAt.slice(0, 10)}: measuring it again.`);
    return { build: known };
  }
  say(
    `Building llama.cpp for ${device.cpu.model || 'this CPU'} out of the installed packages, at the lowest priority, without the network.\n` +
      `It takes about ten minutes of processor time on a fast core, several times that on a small board; Ctrl-C leaves nothing behind.`,
  );
  const startedAt = performance.now();
  const build = await buildLlama({ folder, device, io, environment: config.environment, onProgress, signal });
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  say(`Built llama.cpp ${build.release} (${build.provider}) in ${formatDuration(seconds * 1000)}.`);
  return { build, seconds };
}

/** A build that fails is not left for the planner; one whose measuring was cut short is: `nearside tune` measures it again. */
async function compareOrRemove(subject: TuneSubject, build: BuildRecord, options: CompareOptions): Promise<BuildComparison> {
  try {
    return await compareBuilds(subject, build, options);
  } catch (error) {
    if (EdgeError.is(error) && blamesCandidate(error)) await removeBuilds(options, options.open);
    throw error;
  }
}

async function undo(context: CommandContext, open: OpenRuntime): Promise<void> {
  const removed = await removeBuilds(context, open);
  if (context.json) return printJson({ removed });
  print(removed.length > 0 ? `Removed ${removed.join(', ')}.` : 'Nothing was built here.');
}

/** Removes the builds and what was measured of them: the next one may be another. */
async function removeBuilds({ config }: Pick<CommandContext, 'config'>, { calibration }: OpenRuntime): Promise<readonly string[]> {
  const removed = await removeLocalBuilds(buildsFolder(config.home));
  for (const provider of ['cpu-tuned', 'cuda-tuned']) calibration.forgetMeasurements({ backend: 'llama', provider });
  return removed;
}

/** What the planner says, given these builds and these measurements. */
async function explanation(
  { runtime }: OpenRuntime,
  { tuned, packaged }: BuildComparison,
  localBuilds: readonly BuildRecord[],
): Promise<string> {
  const input = await runtime.planInput('generate', { localBuilds });
  const measured = [...(localBuilds.length > 0 ? [tuned] : []), ...(packaged ? [packaged] : [])];
  const older = input.measurements.filter((one) => !measured.some((other) => isSameKey(one, other)));
  return makePlan({ ...input, measurements: [...older, ...measured] }).because;
}

function isSameKey(a: Measurement, b: Measurement): boolean {
  return a.modelSha256 === b.modelSha256 && a.variant === b.variant && a.provider === b.provider && a.threads === b.threads;
}

function comparisonTable({ packaged, tuned }: BuildComparison): string {
  const row = (name: string, measurement: Measurement): string[] => [
    name,
    `${measurement.rates.prefill?.toFixed(0)}`,
    `${measurement.rates.decode?.toFixed(1)}`,
    `${secondsOf(measurement).toFixed(2)} s`,
  ];
  const rows = [...(packaged ? [row('packaged', packaged)] : []), row('built here', tuned)];
  return table([['llama.cpp', 'prompt tokens/s', 'answer tokens/s', 'typical call'], ...rows], [1, 2, 3]);
}

function verdict({ speedup }: BuildComparison, { unpackaged }: TuneSubject, isKept: boolean): string {
  if (speedup === undefined) return `Kept: the packaged llama.cpp cannot run here (${unpackaged}).`;
  const times = `${speedup.toFixed(2)}x the speed of the packaged one in a typical call`;
  if (!isKept) return `Removed: ${times}; it is kept from ${LEAST_SPEEDUP}x on.`;
  return `Kept: ${times}. Undo with "nearside tune --undo".`;
}
