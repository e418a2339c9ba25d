import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { LoadSpec } from '#edge/contracts/backend.ts';
import { cardOf } from '#test/support/models.ts';
import { pulledVariant, pulledWasm } from '#test/support/pulled-variant.ts';

const folder = new URL('../../fixtures/', import.meta.url);
const hand = await pulledVariant('hand-landmark-lite');

/** Path of a file of `test/fixtures`, such as `tflite/encoder.tflite`. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(name, folder));
}

/** LiteRT, as the store delivers it. */
export const library = hand.files.library as string;

/** A load of a tiny model. */
export function specOf(weights: string, more: Partial<LoadSpec> & { files?: Partial<LoadSpec['stored']['files']> } = {}): LoadSpec {
  const { files, ...spec } = more;
  const bytes = statSync(weights, { throwIfNoEntry: false })?.size ?? 0;
  return {
    stored: { model: 'tiny', variant: 'fp32', format: 'tflite', files: { weights, library, ...files }, sha256: '', bytes },
    backend: 'tflite',
    provider: 'cpu',
    threads: 1,
    contextTokens: 512,
    sequences: 1,
    gpuLayers: 0,
    ...spec,
  };
}

/** The encoder that looks words up in a table, with signatures for 8, 16 and 32 tokens. */
export function encoderSpec(more: Partial<LoadSpec> = {}): LoadSpec {
  return specOf(fixture('tflite/encoder.tflite'), {
    files: { tokenizer: fixture('onnx/tokenizer.json') },
    embedding: { dimensions: 4, pooling: 'mean', normalize: true, queryPrefix: 'query: ', passagePrefix: 'passage: ' },
    ...more,
  });
}

/** The hand landmark model of MediaPipe. */
export const handSpec: LoadSpec = { ...specOf(''), stored: hand, threads: 2, contextTokens: 0 };

/** The retrieval encoder in TensorFlow Lite's format. */
export async function retrievalSpec(): Promise<LoadSpec> {
  const { embedding, contextTokens } = cardOf('e5-small-v2');
  if (!embedding) throw new TypeError('e5-small-v2 is no encoder');
  return { ...specOf(''), stored: await pulledVariant('e5-small-v2', 'int8-tflite'), threads: 2, contextTokens, embedding };
}

/** The same load on LiteRT's WebAssembly. */
export async function onWasm(spec: LoadSpec): Promise<LoadSpec> {
  return { ...spec, provider: 'wasm', threads: 1, stored: { ...spec.stored, files: { ...spec.stored.files, ...(await pulledWasm()) } } };
}
