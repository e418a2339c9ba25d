import type { BackendId } from '#edge/contracts/backend.ts';
import type { DeviceProfile } from '#edge/contracts/hardware.ts';
import type { ModelCard, ModelVariant, StoredVariant } from '#edge/contracts/model.ts';
import type { Measurement, Rates } from '#edge/contracts/plan.ts';
import { probeDevice } from '#edge/hardware/device-profile.ts';
import type { PlanInput } from '#edge/planner/plan-input.ts';
import { recordedIo } from '#test/hardware/recorded-io.ts';
import { cardOf } from '#test/support/models.ts';

export const CHAT = 'smollm2-135m-instruct';
export const RETRIEVAL = 'e5-small-v2';
export const INTENTS = 'bge-small-en-v1.5';

/** 2026-01-01. */
export const NOW_MS = 1_767_225_600_000;

/** The default models, each with the variant that a first start fetches. */
export const defaultCards: readonly ModelCard[] = [CHAT, RETRIEVAL, INTENTS].map((id) => {
  const card = cardOf(id);
  return { ...card, variants: card.variants.slice(0, 1) };
});

/** Every variant of the cards as if it stood in the store. */
export function storeAll(cards: readonly ModelCard[]): readonly StoredVariant[] {
  return cards.flatMap((card) => card.variants.map((variant) => store(card, variant)));
}

export function store(card: ModelCard, variant: ModelVariant): StoredVariant {
  const weights = variant.files.find(({ role }) => role === 'weights');
  const sha256 = weights?.sha256 ?? `${card.id}/${variant.id}`;
  return { model: card.id, variant: variant.id, format: variant.format, files: {}, sha256, bytes: weights?.bytes ?? 0 };
}

export async function profileOf(board: string): Promise<DeviceProfile> {
  return probeDevice(recordedIo(board));
}

/** How one way of running a stored model did on a device, by default the chat model on the CPU with two threads. */
export function measurementOn(device: DeviceProfile, changes: Partial<Measurement> = {}): Measurement {
  return {
    modelSha256: storeAll([cardOf(CHAT)])[0]?.sha256 ?? '',
    variant: 'q4_1',
    backend: 'llama',
    backendVersion: 'b1',
    provider: 'cpu',
    threads: 2,
    fingerprint: device.fingerprint,
    rates: { prefill: 256, decode: 64 },
    loadMs: 500,
    residentBytes: 300 * 1024 * 1024,
    atMs: NOW_MS - 1000,
    ...changes,
  };
}

/** The retrieval model in all its formats, stored, as the default for `embed`. */
export function retrievalInput(device: DeviceProfile, changes: Partial<PlanInput> = {}): PlanInput {
  const settings = { threads: 0, memoryBytes: 0, contextTokens: 2048, preferredModel: RETRIEVAL };
  return inputFor(device, { task: 'embed', cards: [cardOf(RETRIEVAL)], settings, ...changes });
}

/** A measurement of a variant of the retrieval model. */
export function retrievalMeasurement(
  device: DeviceProfile,
  variant: string,
  backend: BackendId,
  rates: Rates,
  changes: Partial<Measurement> = {},
): Measurement {
  const sha256 = storeAll([cardOf(RETRIEVAL)]).find((one) => one.variant === variant)?.sha256 ?? '';
  return measurementOn(device, { modelSha256: sha256, variant, backend, rates, ...changes });
}

/** A chat plan on a device with the default models stored and nothing measured. */
export function inputFor(device: DeviceProfile, changes: Partial<PlanInput> = {}): PlanInput {
  const cards = changes.cards ?? defaultCards;
  return {
    task: 'generate',
    profile: 'latency',
    device,
    cards,
    stored: storeAll(cards),
    measurements: [],
    localBuilds: [],
    quarantined: [],
    nowMs: NOW_MS,
    settings: { threads: 0, memoryBytes: 0, contextTokens: 2048, preferredModel: CHAT },
    engineMemory: { residentBytes: 0, expectedBytes: 0 },
    ...changes,
  };
}

/** The chat card under another name and size, for plans with several models. */
export function chatCard(id: string, parameters: number, variants: readonly Partial<ModelVariant>[]): ModelCard {
  const card = cardOf(CHAT);
  const [model] = card.variants;
  if (!model) throw new TypeError(`${CHAT} has no variant`);
  return { ...card, id, parameters, variants: variants.map((changes, index) => ({ ...model, id: `v${index}`, ...changes })) };
}

/** Weights of the given size, of no source. */
export function weightsOf(bytes: number): ModelVariant['files'] {
  return [{ role: 'weights', name: 'weights', sha256: null, bytes, sources: [] }];
}
