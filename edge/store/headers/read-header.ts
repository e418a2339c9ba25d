import { BoundedReader } from './bounded-reader.ts';
import type { ByteSource } from './byte-source.ts';
import { readGgufHeader } from './gguf-header.ts';
import type { ModelHeader } from './model-header.ts';
import { readOnnxHeader } from './onnx-header.ts';
import { recogniseFormat } from './recognise.ts';
import { readTfliteHeader } from './tflite-header.ts';

/**
 * Reads what a model file says of itself. Reads no weights, and never more than a bound whatever the file claims.
 * @throws EdgeError `E_MODEL_FORMAT` for a file of another kind, `E_MODEL_CORRUPT` for a damaged or cut one, and what the source throws.
 */
export async function readHeader(source: ByteSource): Promise<ModelHeader> {
  const reader = new BoundedReader(source);
  switch (await recogniseFormat(reader)) {
    case 'gguf':
      return readGgufHeader(reader);
    case 'onnx':
      return readOnnxHeader(reader);
    case 'tflite':
      return readTfliteHeader(reader);
  }
}
