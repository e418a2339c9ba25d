import type { BackendId } from '#edge/contracts/backend.ts';
import type { DeviceProfile } from '#edge/contracts/hardware.ts';
import type { ModelCard, ModelVariant } from '#edge/contracts/model.ts';
import type { Estimate, Measurement } from '#edge/contracts/plan.ts';
import { decodeBandwidth, encoderCompute, stepOverheadSeconds } from './device-rates.ts';
import { weightsOf } from './estimate-memory.ts';
import type { PlanInput } from './plan-input.ts';

const CONFIDENCE = { measured: 0.95, extrapolated: 0.7, predicted: 0.4 } as const;
const MEASUREMENT_LIFE_MS = 30 * 24 * 3600 * 1000;

/** Tokens of context that a decode step reads on average; the middle of a short conversation. */
const TYPICAL_CONTEXT = 512;

/** Length of the text that encoder speeds are told for. */
const TEXT_TOKENS = 128;

/** One way to run a variant, as far as its speed depends on it. */
export interface SpeedQuestion {
  readonly card: ModelCard;
  readonly variant: ModelVariant;
  readonly backend: BackendId;
  readonly provider: string;
  readonly threads: number;
}

/**
 * Speed in the unit of `Candidate.speed`: measured here, else extrapolated from what the same backend and provider did
 * with another model or thread count here, else predicted from the hardware. Measurements of another device or older than
 * 30 days do not count; the latest wins.
 */
export function estimateSpeed(question: SpeedQuestion, input: PlanInput): Estimate {
  const past = validMeasurements(input).filter(({ backend, provider }) => backend === question.backend && provider === question.provider);
  const sha256 = storedHash(input, question.card.id, question.variant.id);
  const own = past.find((one) => one.modelSha256 === sha256 && one.variant === question.variant.id && one.threads === question.threads);
  if (own) return { value: rounded(own.speed), source: 'measured', confidence: CONFIDENCE.measured };
  const predicted = predictSpeed(question, input.device);
  const ratio = learnedRatio(question, past, input);
  if (ratio !== undefined) return { value: rounded(predicted * ratio), source: 'extrapolated', confidence: CONFIDENCE.extrapolated };
  return { value: rounded(predicted), source: 'predicted', confidence: CONFIDENCE.predicted };
}

/**
 * Speed from the hardware alone. Generators are bound by memory: 1 / (bytes read a token / bandwidth + overhead a step).
 * Encoders are bound by arithmetic: rate / (2 operations * 12 * layers * hidden^2 weights * 128 tokens).
 */
export function predictSpeed(question: SpeedQuestion, device: DeviceProfile): number {
  const { card, variant, provider, threads } = question;
  const { layers, hiddenSize } = card.architecture;
  if (card.task === 'generate') {
    const readSeconds = bytesPerToken(card, variant) / (decodeBandwidth(device, provider, threads) * 1e9);
    return 1 / (readSeconds + stepOverheadSeconds(device, provider, layers));
  }
  const matrixWeights = 12 * layers * hiddenSize ** 2 || card.parameters;
  const compute = encoderCompute(device, { ...question, bits: variant.bitsPerWeight });
  return (compute * 1e9) / Math.max(1, 2 * matrixWeights * TEXT_TOKENS);
}

/** Bytes that one decode step reads: all weights, and the cache of a conversation of typical length. */
export function bytesPerToken(card: ModelCard, variant: ModelVariant): number {
  return Math.max(1, weightsOf(variant) + TYPICAL_CONTEXT * card.architecture.kvBytesPerToken);
}

/** Thread counts for which a variant was measured here, in ascending order. */
export function measuredThreads(question: Omit<SpeedQuestion, 'threads'>, input: PlanInput): readonly number[] {
  const sha256 = storedHash(input, question.card.id, question.variant.id);
  const counts = validMeasurements(input)
    .filter((one) => one.modelSha256 === sha256 && one.variant === question.variant.id)
    .filter(({ backend, provider }) => backend === question.backend && provider === question.provider)
    .map(({ threads }) => threads);
  return [...new Set(counts)].sort((a, b) => a - b);
}

/** Latest first, so that the first match is the one that counts. */
function validMeasurements({ measurements, device, nowMs }: PlanInput): readonly Measurement[] {
  return measurements
    .filter(({ fingerprint, atMs }) => fingerprint === device.fingerprint && nowMs - atMs < MEASUREMENT_LIFE_MS)
    .toSorted((a, b) => b.atMs - a.atMs || a.speed - b.speed);
}

/** Measured / predicted of the nearest relative: the same model first, then the latest of the same kind of task. */
function learnedRatio(question: SpeedQuestion, past: readonly Measurement[], input: PlanInput): number | undefined {
  const relatives = past.flatMap((measurement) => {
    const relative = resolve(measurement, input);
    const isSameKind = relative && (relative.card.task === 'generate') === (question.card.task === 'generate');
    return isSameKind ? [{ ratio: measurement.speed / predictSpeed(relative, input.device), relative }] : [];
  });
  return (relatives.find(({ relative }) => relative.card.id === question.card.id) ?? relatives[0])?.ratio;
}

function resolve(measurement: Measurement, input: PlanInput): SpeedQuestion | undefined {
  const stored = input.stored.find(({ sha256, variant }) => sha256 === measurement.modelSha256 && variant === measurement.variant);
  const card = input.cards.find(({ id }) => id === stored?.model);
  const variant = card?.variants.find(({ id }) => id === measurement.variant);
  if (!card || !variant) return undefined;
  return { card, variant, backend: measurement.backend, provider: measurement.provider, threads: measurement.threads };
}

/** Four digits are more than any of the sources is worth. */
function rounded(speed: number): number {
  return Number(speed.toPrecision(4));
}

function storedHash(input: PlanInput, model: string, variant: string): string | undefined {
  return input.stored.find((one) => one.model === model && one.variant === variant)?.sha256;
}
