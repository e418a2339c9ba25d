import { EngineHost } from '#edge/backends/engine-host.ts';
import type { BackendId } from '#edge/contracts/backend.ts';
import type { ModelFormat } from '#edge/contracts/model.ts';
import { silentLogger } from '#edge/core/log.ts';
import { cardOf } from '#test/support/models.ts';
import { pulledVariant } from '#test/support/pulled-variant.ts';

export const MODEL = 'e5-small-v2';
const BACKEND_OF: Readonly<Record<ModelFormat, BackendId>> = { onnx: 'onnx', tflite: 'tflite', gguf: 'llama' };

/** The engine child of a variant of e5-small-v2. */
export async function hostE5(variant: string): Promise<EngineHost> {
  const { contextTokens, embedding } = cardOf(MODEL);
  const stored = await pulledVariant(MODEL, variant);
  return new EngineHost({
    spec: {
      stored,
      backend: BACKEND_OF[stored.format],
      provider: 'cpu',
      // One thread: llama.cpp spins while it waits for its others, which starves on a busy machine.
      threads: 1,
      contextTokens,
      sequences: 1,
      gpuLayers: 0,
      ...(embedding ? { embedding } : {}),
    },
    environment: process.env,
    log: silentLogger,
    idleStopMs: 0,
    deadlineMs: 600_000,
  });
}
