import type { BackendId, LoadSpec } from '#edge/contracts/backend.ts';
import type { ModelFormat, StoredVariant } from '#edge/contracts/model.ts';
import type { Candidate, Measurement } from '#edge/contracts/plan.ts';
import { loadCatalog } from '#edge/store/catalog.ts';

/** A believable measurement of an encoder, taken at the beginning of time on the device `here`. */
export function measurement(more: Partial<Measurement> = {}): Measurement {
  return {
    modelSha256: 'a'.repeat(64),
    variant: 'int8',
    backend: 'onnx',
    backendVersion: '1.30',
    provider: 'cpu',
    threads: 2,
    fingerprint: 'here',
    rates: { short: 300, long: 60 },
    loadMs: 250.5,
    residentBytes: 120_000_000,
    atMs: 0,
    ...more,
  };
}

const BACKEND_OF: Readonly<Record<ModelFormat, BackendId>> = { onnx: 'onnx', tflite: 'tflite', gguf: 'llama' };

/** What loads a stored variant of the catalog on the CPU, with one thread: llama.cpp's others spin while they wait, which starves on a busy machine. */
export function specOf(stored: StoredVariant): LoadSpec {
  const { embedding, contextTokens } = loadCatalog().get(stored.model);
  return {
    stored,
    backend: BACKEND_OF[stored.format],
    provider: 'cpu',
    threads: 1,
    contextTokens: Math.min(1024, contextTokens),
    sequences: 1,
    gpuLayers: 0,
    ...(embedding ? { embedding } : {}),
  };
}

/** A candidate that may run, with an estimate of the seconds of a typical call; its id follows from the other fields. */
export function candidate(more: Partial<Candidate> = {}, seconds = 1): Candidate {
  const fields = { model: 'm', variant: 'v', backend: 'onnx', provider: 'cpu', threads: 2, ...more } as const;
  return {
    format: 'onnx',
    reasons: [],
    estimate: {
      rates: {},
      callSeconds: { value: seconds, source: 'predicted', confidence: 0.4 },
      memory: { weightsBytes: 0, kvBytes: 0, computeBytes: 0, runtimeBytes: 0, totalBytes: 0 },
    },
    measured: null,
    quality: 1,
    downloaded: true,
    ...fields,
    id: `${fields.model}/${fields.variant}/${fields.backend}/${fields.provider}/t${fields.threads}`,
  };
}
