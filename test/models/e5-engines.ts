import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EngineHost } from '#edge/backends/engine-host.ts';
import { loadConfig } from '#edge/config/load.ts';
import type { BackendId, LoadSpec } from '#edge/contracts/backend.ts';
import type { ModelFile, ModelFormat } from '#edge/contracts/model.ts';
import { silentLogger } from '#edge/core/log.ts';
import { cardOf } from '#test/support/models.ts';

const MODEL = 'e5-small-v2';
const BACKEND_OF: Readonly<Record<ModelFormat, BackendId>> = { onnx: 'onnx', tflite: 'tflite', gguf: 'llama' };
const catalog = new URL('../../models/catalog/', import.meta.url);

/** A variant of e5-small-v2, its files taken from the store or from where this repository keeps them. */
export function e5Spec(variant: string): LoadSpec {
  const card = cardOf(MODEL);
  const found = card.variants.find(({ id }) => id === variant);
  if (!found || !card.embedding) throw new TypeError(`${MODEL} has no variant ${variant}`);
  const weights = found.files.find(({ role }) => role === 'weights');
  return {
    stored: {
      model: MODEL,
      variant,
      format: found.format,
      files: Object.fromEntries(found.files.map((file) => [file.role, pathOf(file)])),
      sha256: weights?.sha256 ?? '',
      bytes: weights?.bytes ?? 0,
    },
    backend: BACKEND_OF[found.format],
    provider: 'cpu',
    // One thread: llama.cpp spins while it waits for its others, which starves on a busy machine.
    threads: 1,
    contextTokens: card.contextTokens,
    sequences: 1,
    gpuLayers: 0,
    embedding: card.embedding,
  };
}

/** The engine child of a variant. */
export function hostE5(variant: string): EngineHost {
  return new EngineHost({ spec: e5Spec(variant), environment: process.env, log: silentLogger, idleStopMs: 0, deadlineMs: 600_000 });
}

function pathOf(file: ModelFile): string {
  const shipped = file.sources.find((source) => source.kind === 'file');
  const path = shipped ? fileURLToPath(new URL(shipped.path, catalog)) : join(loadConfig().paths.store, 'blobs', `sha256-${file.sha256}`);
  if (!existsSync(path)) throw new TypeError(`${path} is missing: run "npm test", which fetches the default models first`);
  return path;
}
