/** What the parts that open an engine of their own load. */
import type { Config } from '#edge/config/schema.ts';
import type { LoadSpec } from '#edge/contracts/backend.ts';
import type { Task } from '#edge/contracts/model.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { silentLogger } from '#edge/core/log.ts';
import { probeDevice } from '#edge/hardware/device-profile.ts';
import { makePlan } from '#edge/planner/make-plan.ts';
import { loadCatalog } from '#edge/store/catalog.ts';
import { ModelStore } from '#edge/store/model-store.ts';

function openStore(config: Config): ModelStore {
  const { paths, store, environment } = config;
  return new ModelStore({ directory: paths.store, catalog: loadCatalog(), settings: store, environment, log: silentLogger });
}

/**
 * What the device would load for a task before it has measured anything.
 * @throws EdgeError `E_NO_CANDIDATE`.
 */
export async function plannedSpec(config: Config, task: Task, model: string): Promise<LoadSpec> {
  const store = openStore(config);
  const { threads, memoryBytes, contextTokens, profile } = config.runtime;
  const plan = makePlan({
    task,
    model,
    profile,
    device: await probeDevice(),
    cards: loadCatalog().cards,
    stored: store.list(),
    measurements: [],
    localBuilds: [],
    quarantined: [],
    nowMs: Date.now(),
    settings: { threads, memoryBytes, contextTokens },
    engineMemory: { residentBytes: 0, expectedBytes: 0 },
  });
  const stored = plan.chosen && store.find(model, plan.chosen.variant);
  if (!plan.loadSpec || !stored) throw new EdgeError('E_NO_CANDIDATE', { what: `cannot measure ${model}`, found: plan.because });
  return { ...plan.loadSpec, stored };
}

/** A model's variant for one engine on the CPU with all usable cores, whatever a plan would choose; fetched when it is missing. */
export async function fixedSpec(config: Config, model: string, backend: 'onnx' | 'tflite'): Promise<LoadSpec> {
  const card = loadCatalog().get(model);
  const variant = card.variants.find(({ format }) => format === backend);
  if (!variant)
    throw new EdgeError('E_NO_CANDIDATE', { what: `cannot measure ${model}`, expected: `a variant for ${backend}`, found: 'none' });
  const { cpu } = await probeDevice();
  return {
    stored: await openStore(config).pull(model, { variant: variant.id }),
    backend,
    provider: 'cpu',
    threads: config.runtime.threads || Math.max(1, Math.floor(cpu.usableCores)),
    contextTokens: card.contextTokens,
    sequences: 1,
    gpuLayers: 0,
    ...(card.embedding ? { embedding: card.embedding } : {}),
  };
}
