import type { DeviceProfile } from '#edge/contracts/hardware.ts';
import type { ModelCard, ModelVariant } from '#edge/contracts/model.ts';
import { type RateName, TASK_RATES } from '#edge/contracts/plan.ts';
import { callOverheadSeconds, decodeBandwidth, matrixRate, stepOverheadSeconds } from './device-rates.ts';
import { matrixWeights, weightsOf } from './estimate-memory.ts';
import type { Way } from './measurements.ts';

/** Tokens of context that a decode step reads on average; the middle of a short conversation. */
const TYPICAL_CONTEXT = 512;

/** Length of the texts that encoder rates are told for, in tokens. */
const TEXT_TOKENS = { short: 16, long: 128 } as const;

/**
 * Times that a graph uses each of its weights, when its card does not tell how often it multiplies: MobileNetV2 at 224 x 224
 * does 300 million times with 3.5 million weights.
 */
const CONVOLUTION_REUSE = 86;

/** Rates of a way to run from the hardware alone, a second: those of `TASK_RATES` for the card's task; always positive and finite. */
export function predictRates(way: Way, device: DeviceProfile): ReadonlyMap<RateName, number> {
  return new Map(TASK_RATES[way.card.task].map((name) => [name, 1 / PREDICTORS[name](way, device)]));
}

/** Seconds of one unit of each rate. */
const PREDICTORS: Readonly<Record<RateName, (way: Way, device: DeviceProfile) => number>> = {
  /** Prompts are bound by arithmetic: two operations a weight and token. */
  prefill: (way, device) => tokenSeconds(way, device),
  /** Decoding is bound by memory: every step reads all weights and the cache. */
  decode: (way, device) =>
    bytesPerToken(way.card, way.variant) / (decodeBandwidth(device, way) * 1e9) +
    stepOverheadSeconds(device, way.provider, way.card.architecture.layers),
  short: (way, device) => textSeconds(way, device, TEXT_TOKENS.short),
  long: (way, device) => textSeconds(way, device, TEXT_TOKENS.long),
  runs: (way, device) => overheadSeconds(way, device) + operationsSeconds(way, device, 2 * multiplyAddsOf(way.card)),
};

/** Bytes that one decode step reads: all weights, and the cache of a conversation of typical length. */
function bytesPerToken(card: ModelCard, variant: ModelVariant): number {
  return Math.max(1, weightsOf(variant) + TYPICAL_CONTEXT * card.architecture.kvBytesPerToken);
}

function textSeconds(way: Way, device: DeviceProfile, tokens: number): number {
  return overheadSeconds(way, device) + tokens * tokenSeconds(way, device);
}

function overheadSeconds({ backend, card }: Way, device: DeviceProfile): number {
  return callOverheadSeconds(device, backend, card.architecture.layers);
}

function tokenSeconds(way: Way, device: DeviceProfile): number {
  return operationsSeconds(way, device, 2 * matrixWeights(way.card));
}

function operationsSeconds(way: Way, device: DeviceProfile, operations: number): number {
  return Math.max(1, operations) / (matrixRate(device, way) * 1e9);
}

function multiplyAddsOf({ architecture, parameters }: ModelCard): number {
  return architecture.multiplyAdds ?? parameters * CONVOLUTION_REUSE;
}
