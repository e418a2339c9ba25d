/** A model, and the one variant that will do where vectors must stay comparable or a user insists. */
export interface ModelName {
  readonly model: string;
  readonly variant?: string;
}

/** Reads `model` or `model:variant`; ids hold no colon. */
export function parseModelName(name: string): ModelName {
  const colon = name.indexOf(':');
  return colon < 0 ? { model: name } : { model: name.slice(0, colon), variant: name.slice(colon + 1) };
}
