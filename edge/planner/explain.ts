import type { Candidate, RejectionCode } from '#edge/contracts/plan.ts';
import { formatBytes } from '#edge/core/format.ts';
import { ENGINE_BINARIES, isOnCpu } from './binaries.ts';
import { decidingCriterion, isPromise, SWITCH_GAIN } from './choose.ts';
import { CRITERIA, difference, isMeasuredOrUsual } from './criteria.ts';
import { decodeBandwidth, matrixRate } from './device-rates.ts';
import { formatNumber, formatRates } from './format-rates.ts';
import type { PlanInput } from './plan-input.ts';

const MOST_REJECTIONS = 3;

/**
 * The plan in one sentence: what runs, why it and not the next one, what it needs, how fast it is and how that is known, and
 * what stands against better hardware.
 */
export function explainChoice(ranked: readonly Candidate[], budgetBytes: number, input: PlanInput): string {
  const chosen = ranked.find(({ reasons }) => reasons.length === 0);
  if (!chosen) return explainNothing(ranked, input);
  const threads = chosen.threads === 1 ? '1 thread' : `${chosen.threads} threads`;
  const what = `${chosen.model} (${chosen.variant}) runs on ${labelOf(chosen)} with ${threads}`;
  const why = [...whyModel(chosen, ranked, input), ...whyFirst(chosen, ranked, input)].join(', and ');
  const need = `needs ${formatBytes(chosen.estimate.memory.totalBytes)} of ${formatBytes(budgetBytes)}`;
  const caveat = isVerified(chosen, input) ? '' : ' (this project has not run on such hardware yet)';
  return `${what}: ${why}; it ${need} and ${describeSpeed(chosen, input)}${caveat}${explainRejections(chosen, ranked)}.`;
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

/** Why this model, where the user or the settings had a wish. */
function whyModel(chosen: Candidate, ranked: readonly Candidate[], { model, task, settings }: PlanInput): readonly string[] {
  if (model !== undefined) return ['it is the model that was asked for'];
  if (chosen.model === settings.preferredModel) return [`it is the default model for ${task}`];
  const preferred = ranked.find((candidate) => candidate.model === settings.preferredModel);
  return preferred ? [`the default model ${settings.preferredModel} cannot run (${preferred.reasons[0]?.detail})`] : [];
}

/** What put it before the next one that may run without being measured first. */
function whyFirst(chosen: Candidate, ranked: readonly Candidate[], input: PlanInput): readonly string[] {
  const others = ranked.filter(({ reasons, id }) => reasons.length === 0 && id !== chosen.id);
  if (others.length === 0) return ['it is the only one that can run'];
  const comparable = others.filter((candidate) => isMeasuredOrUsual(candidate, input) || !isMeasuredOrUsual(chosen, input));
  const [next] = comparable;
  if (!next) return ['every other way to run it is yet to be measured here'];
  const criterion = decidingCriterion(chosen, next, input);
  if (criterion === undefined) return [`its name comes before ${next.id}, which is its equal`];
  if (difference(criterion, chosen, next, input) < 0) {
    if (isPromise(next, chosen)) {
      return [`it serves now and was measured, while ${next.id}, first by ${criterion}, has yet to be measured here`];
    }
    const least = `${SWITCH_GAIN * 100} %`;
    return [
      `it serves now, and ${next.id}, first by ${criterion}, would save only ${formatGain(chosen, next)} of a call (a change takes ${least})`,
    ];
  }
  // Against another engine or variant it says more than against the same with fewer threads.
  const rival = comparable.find((candidate) => candidate.model === chosen.model && !isSameWay(candidate, chosen)) ?? next;
  const against = decidingCriterion(chosen, rival, input) ?? criterion;
  // The wish for a model was told already.
  return against === 'preferred model' ? [] : [`it ${CRITERIA[against].tell(chosen, rival)}`];
}

/** The same but for the number of threads. */
function isSameWay(a: Candidate, b: Candidate): boolean {
  return a.variant === b.variant && a.backend === b.backend && a.provider === b.provider;
}

function formatGain(chosen: Candidate, next: Candidate): string {
  const gain = 1 - next.estimate.callSeconds.value / chosen.estimate.callSeconds.value;
  return `${Math.round(100 * Math.max(0, gain))} %`;
}

function describeSpeed(chosen: Candidate, input: PlanInput): string {
  const { source } = chosen.estimate.callSeconds;
  const rates = formatRates(chosen);
  if (chosen.measured && source === 'measured') {
    return `does ${rates}, measured here on ${new Date(chosen.measured.atMs).toISOString().slice(0, 10)}`;
  }
  if (source === 'extrapolated') return `should do ${rates}, extrapolated from what ${labelOf(chosen)} did here`;
  return `should do ${rates}, predicted from ${describeHardware(chosen, input)}`;
}

/** What a prediction rests on: the arithmetic of prompts and texts, and for decoding the memory too. */
function describeHardware({ model, variant: name, ...run }: Candidate, { cards, device, task }: PlanInput): string {
  const variant = cards.find(({ id }) => id === model)?.variants.find(({ id }) => id === name);
  if (!variant) return 'its hardware';
  const work = { ...run, variant };
  const operations = `${formatNumber(matrixRate(device, work))} billion operations a second`;
  return task === 'generate' ? `${operations} and ${formatNumber(decodeBandwidth(device, work))} GB/s of memory` : operations;
}

/** Rejections that say nothing about this device, or that the user asked for. */
const UNREMARKABLE: readonly RejectionCode[] = ['driver-missing', 'not-downloaded', 'user-excluded', 'format-mismatch'];

/** Why the same model does not run on other engines and providers; missing hardware is told in one clause. */
function explainRejections(chosen: Candidate, ranked: readonly Candidate[]): string {
  const others = ranked.filter(({ model, reasons }) => model === chosen.model && reasons.length > 0);
  const remarkable = others.filter(({ reasons }) => reasons.every(({ code }) => !UNREMARKABLE.includes(code)));
  const blocked = remarkable.filter((one) => remarkable.find((other) => labelOf(other) === labelOf(one)) === one);
  const absent = new Set(
    others.filter(({ reasons }) => reasons.some(({ code }) => code === 'driver-missing')).map(({ provider }) => provider),
  );
  return [
    ...blocked.slice(0, MOST_REJECTIONS).map((one) => `; ${labelOf(one)} is out (${one.reasons[0]?.detail})`),
    ...(absent.size > 0 ? [`; no hardware for ${[...absent].toSorted().join(' or ')} was found`] : []),
  ].join('');
}

/** What was measured here, and the CPU of Linux on x64, which this project has run on; the rest follows documentation. */
function isVerified({ measured, provider }: Candidate, { device }: PlanInput): boolean {
  if (measured !== null) return true;
  return isOnCpu(provider) && device.platform === 'linux' && device.cpu.architecture === 'x64';
}

function labelOf({ backend, provider }: Candidate): string {
  const name = ENGINE_BINARIES[backend]?.label ?? backend;
  return `${name} on ${provider === 'cpu' ? 'the CPU' : provider}`;
}
