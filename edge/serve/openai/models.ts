import { BOTS } from '#edge/contracts/bot.ts';
import type { ModelSummary } from '#edge/contracts/runtime.ts';

export interface WireModel {
  readonly id: string;
  readonly object: 'model';
  /** Seconds since 1970; the start of the device, as cards carry no date. */
  readonly created: number;
  readonly owned_by: string;
  readonly nearside: Readonly<Record<string, unknown>>;
}

/** The models that stand in the store, and the bots, as OpenAI lists models. */
export function toModelList(models: readonly ModelSummary[], created: number): WireModel[] {
  const stored = models.filter((model) => model.stored.length > 0);
  return [
    ...BOTS.map((bot): WireModel => ({ id: `bot/${bot}`, object: 'model', created, owned_by: 'nearside', nearside: { task: 'bot' } })),
    ...stored.map(
      ({ card, stored: variants, loaded }): WireModel => ({
        id: card.id,
        object: 'model',
        created,
        owned_by: card.family,
        nearside: { name: card.name, task: card.task, contextTokens: card.contextTokens, variants, loaded },
      }),
    ),
  ];
}
