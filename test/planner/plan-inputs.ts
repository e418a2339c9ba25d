import type { DeviceProfile } from '#edge/contracts/hardware.ts';
import type { ModelCard, ModelVariant, StoredVariant } from '#edge/contracts/model.ts';
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
