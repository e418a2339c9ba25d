import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { LoadSpec } from '#edge/contracts/backend.ts';
import { cardOf, storedVariant } from '#test/support/models.ts';

const folder = new URL('../../fixtures/onnx/', import.meta.url);

export function fixture(name: string): string {
  return fileURLToPath(new URL(name, folder));
}

/** A load of one of the tiny graphs of `test/fixtures/onnx`. */
export function specOf(weights: string, more: Partial<LoadSpec> & { tokenizer?: string } = {}): LoadSpec {
  const { tokenizer, ...spec } = more;
  const files = tokenizer === undefined ? { weights } : { weights, tokenizer };
  const bytes = statSync(weights, { throwIfNoEntry: false })?.size ?? 0;
  return {
    stored: { model: 'tiny', variant: 'fp32', format: 'onnx', files, sha256: '', bytes },
    backend: 'onnx',
    provider: 'cpu',
    threads: 1,
    contextTokens: 64,
    sequences: 1,
    gpuLayers: 0,
    ...spec,
  };
}

export function crossEncoderSpec(): LoadSpec {
  return specOf(fixture('cross-encoder.onnx'), { tokenizer: fixture('tokenizer.json') });
}

export function encoderSpec(more: Partial<LoadSpec> = {}): LoadSpec {
  return specOf(fixture('encoder.onnx'), {
    tokenizer: fixture('tokenizer.json'),
    embedding: { dimensions: 4, pooling: 'mean', normalize: true, queryPrefix: 'query: ', passagePrefix: 'passage: ' },
    ...more,
  });
}

/** A load of one of the default encoders out of the store. */
export function storedEncoderSpec(model: string): LoadSpec {
  const { embedding, contextTokens } = cardOf(model);
  if (!embedding) throw new TypeError(`${model} is no encoder`);
  return {
    stored: storedVariant(model),
    backend: 'onnx',
    provider: 'cpu',
    threads: 2,
    contextTokens,
    sequences: 1,
    gpuLayers: 0,
    embedding,
  };
}
