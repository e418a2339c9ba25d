import type { ModelCard, ModelSource } from '#edge/contracts/model.ts';
import type { ModelHeader } from './model-header.ts';
import { purposeOf } from './purpose.ts';

/** Longest input of an encoder whose file does not say. */
const USUAL_ENCODER_TOKENS = 512;
/** Over the weights: cache, compute buffers, the engine itself. */
const MEMORY_FACTOR = 1.3;
const ENGINE_BYTES = 256 * 1024 * 1024;

/** A file that is in no catalog. */
export interface LooseFile {
  /** What the user called it: a path, an address, a place in a hub. */
  readonly name: string;
  readonly source: ModelSource;
}

/**
 * The card of a file that is in no catalog, made from what the file says, so that the planner can plan it. Its quality is not known, which
 * the card states.
 */
export function cardFromHeader(file: LooseFile, header: ModelHeader): ModelCard {
  const { transformer } = header;
  const task = purposeOf(header);
  const width = transformer?.hiddenSize ?? header.outputs.flatMap(({ shape }) => shape.at(-1) ?? []).find((size) => size > 0) ?? 0;
  const vocabularySize =
    transformer?.vocabularySize ?? (task === 'embed' && header.largestTable?.[1] === width ? header.largestTable[0] : 0);
  return {
    id: idOf(file.name),
    name: header.modelName || file.name,
    task,
    family: transformer?.architecture ?? header.format,
    parameters: header.parameters,
    licence: 'unknown',
    homepage: file.source.kind === 'https' ? file.source.url : 'about:blank',
    contextTokens: transformer?.contextTokens ?? (task === 'embed' ? textLength(header) : 0),
    languages: [],
    notes: 'Read from the header of a file that is in no catalog; its quality is not known.',
    recommendedMemoryBytes: Math.ceil(header.fileBytes * MEMORY_FACTOR) + ENGINE_BYTES,
    isDefault: false,
    verified: false,
    architecture: {
      layers: transformer?.layers ?? (task === 'embed' ? header.attentionLayers : 0),
      hiddenSize: width,
      kvBytesPerToken: transformer?.kvBytesPerToken ?? 0,
      ...(vocabularySize > 0 ? { vocabularySize } : {}),
      ...(transformer ? { feedForwardSize: transformer.feedForwardSize, attentionHeads: transformer.attentionHeads } : {}),
    },
    ...(task === 'embed' ? { embedding: embeddingOf(header, width) } : {}),
    variants: [
      {
        id: header.quantisation.toLowerCase(),
        format: header.format,
        quantisation: header.quantisation,
        bitsPerWeight: header.bitsPerWeight,
        quality: 0,
        qualitySource: 'unknown: nobody measured this file',
        ...(header.inputs.length > 0 ? { staticShapes: header.inputs.every(({ shape }) => shape.every((size) => size >= 0)) } : {}),
        files: [{ role: 'weights', name: baseName(file.name), sha256: null, bytes: header.fileBytes, sources: [file.source] }],
      },
    ],
  };
}

function embeddingOf({ transformer }: ModelHeader, dimensions: number): NonNullable<ModelCard['embedding']> {
  const pooling = transformer?.pooling;
  return {
    dimensions,
    pooling: pooling === undefined || pooling === 'rank' ? 'mean' : pooling,
    normalize: true,
    queryPrefix: '',
    passagePrefix: '',
  };
}

/** The fixed length of a graph's text input, where it has one. */
function textLength({ inputs }: ModelHeader): number {
  const fixed = inputs.map(({ shape }) => shape.at(-1) ?? -1).filter((size) => size > 1);
  return fixed.length === 0 ? USUAL_ENCODER_TOKENS : Math.max(...fixed);
}

function baseName(name: string): string {
  return name.split(/[\\/]/).at(-1) || name;
}

function idOf(name: string): string {
  const id = baseName(name)
    .replace(/\.(gguf|onnx|tflite)$/i, '')
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+/, '');
  return id || 'file';
}
