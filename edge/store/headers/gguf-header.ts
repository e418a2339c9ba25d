/** GGUF, versions 2 and 3: metadata, then one record a tensor, then the data (`docs/gguf.md` of ggml). */
import type { BoundedReader } from './bounded-reader.ts';
import { GGML_TYPES, GGUF_FILE_TYPES } from './ggml-types.ts';
import { GgufCursor, GgufMetadata } from './gguf-metadata.ts';
import { transformerFacts } from './gguf-transformer.ts';
import { countElements, type ModelHeader, WeightTally } from './model-header.ts';

const FIXED_BYTES = 8;
/** Key of one character, type, value of one byte. */
const LEAST_PAIR_BYTES = 8 + 1 + 4 + 1;
/** Name, dimensions, one of them, type, offset. */
const LEAST_TENSOR_BYTES = 8 + 4 + 8 + 4 + 8;
const TENSOR_NAME_BYTES = 1024;
/** `GGML_MAX_DIMS`. */
const MOST_DIMENSIONS = 4;
const DEFAULT_ALIGNMENT = 32;

const UINT32 = 4;
const UINT64 = 10;

/** @throws EdgeError `E_MODEL_FORMAT` for a version that is not read, `E_MODEL_CORRUPT`. */
export async function readGgufHeader(reader: BoundedReader): Promise<ModelHeader> {
  await requireVersion(reader);
  const cursor = new GgufCursor(reader, FIXED_BYTES);
  const tensorCount = await cursor.count(LEAST_TENSOR_BYTES, 'tensors');
  const metadata = await GgufMetadata.read(cursor, await cursor.count(LEAST_PAIR_BYTES, 'metadata entries'));
  const tensors = await readTensors(cursor, tensorCount, alignmentOf(metadata, reader));
  const transformer = transformerFacts(metadata, tensors.embeddingRows);
  const fileType = metadata.size('general.file_type');
  const unusable = whyUnusable(metadata, tensorCount, tensors.unknownType);
  return {
    format: 'gguf',
    modelName: metadata.text('general.name'),
    fileBytes: reader.size,
    ...tensors.tally.summary(),
    quantisation: (fileType === undefined ? undefined : GGUF_FILE_TYPES[fileType]) ?? tensors.tally.dominant,
    transformer,
    inputs: [],
    outputs: [],
    signatures: [],
    quantisedOperators: [],
    attentionLayers: 0,
    ...(unusable ? { unusable } : {}),
  };
}

async function requireVersion(reader: BoundedReader): Promise<void> {
  const version = (await reader.bytes(0, FIXED_BYTES)).readUInt32LE(4);
  if (version === 2 || version === 3) return;
  const isSwapped = version > 0xffff;
  throw reader.wrongFormat(
    'GGUF of version 2 or 3, little-endian',
    isSwapped ? 'a big-endian file' : `version ${version}`,
    isSwapped || version < 2 ? 'Look for a current GGUF of the model, or convert it again.' : 'A newer Nearside may read it.',
  );
}

function alignmentOf(metadata: GgufMetadata, reader: BoundedReader): number {
  const alignment = metadata.size('general.alignment') ?? DEFAULT_ALIGNMENT;
  if (alignment > 0 && alignment <= 2 ** 20 && Number.isInteger(Math.log2(alignment))) return alignment;
  throw reader.corrupt('an alignment that is a power of two', `${alignment}`);
}

interface TensorSummary {
  readonly tally: WeightTally;
  /** Rows of the token embedding table: one a token. */
  readonly embeddingRows: number | undefined;
  /** Id of a tensor type that is not in the table. */
  readonly unknownType: number | undefined;
}

async function readTensors(cursor: GgufCursor, count: number, alignment: number): Promise<TensorSummary> {
  const tally = new WeightTally();
  let last = { name: '', end: 0 };
  let embeddingRows: number | undefined;
  let unknownType: number | undefined;
  for (let index = 0; index < count; index++) {
    const name = await cursor.text(TENSOR_NAME_BYTES);
    const shape = await readShape(cursor, name);
    const type = await cursor.number(UINT32);
    const offset = await cursor.number(UINT64);
    if (name === 'token_embd.weight') embeddingRows = shape[1];
    const known = GGML_TYPES[type];
    if (!known) {
      unknownType = type;
      continue;
    }
    const [dtype, blockNumbers, blockBytes] = known;
    const bytes = (countElements(shape) / blockNumbers) * blockBytes;
    if (!Number.isSafeInteger(bytes))
      throw cursor.reader.corrupt(`tensor "${name}" in whole blocks`, `shape [${shape.join(', ')}] as ${dtype}`);
    tally.add(dtype, shape, bytes);
    if (offset + bytes >= last.end) last = { name, end: offset + bytes };
  }
  const dataStart = Math.ceil(cursor.position / alignment) * alignment;
  if (last.end > 0 && dataStart + last.end > cursor.reader.size) {
    throw cursor.reader.corrupt(`${dataStart + last.end} bytes, where tensor "${last.name}" ends`, `a file of ${cursor.reader.size} bytes`);
  }
  return { tally, embeddingRows, unknownType };
}

async function readShape(cursor: GgufCursor, name: string): Promise<readonly number[]> {
  const dimensions = await cursor.number(UINT32);
  if (dimensions > MOST_DIMENSIONS)
    throw cursor.reader.corrupt(`at most ${MOST_DIMENSIONS} dimensions`, `${dimensions} of tensor "${name}"`);
  const shape: number[] = [];
  for (let index = 0; index < dimensions; index++) shape.push(await cursor.number(UINT64));
  return shape;
}

/** Kinds of GGUF files that are no model to be loaded alone. */
function whyUnusable(metadata: GgufMetadata, tensorCount: number, unknownType: number | undefined): string | undefined {
  const architecture = metadata.text('general.architecture');
  const parts = metadata.size('split.count') ?? 1;
  const kind = metadata.text('general.type');
  if (parts > 1)
    return `part ${(metadata.size('split.no') ?? 0) + 1} of ${parts} of a split model: join the parts by llama.cpp's gguf-split`;
  if (kind === 'adapter') return 'an adapter (LoRA) for another model';
  if (kind === 'mmproj' || architecture === 'clip') return 'the vision or audio projector of another model';
  if (architecture === '') return 'a file that names no architecture';
  if (tensorCount === 0) return 'a vocabulary without weights';
  if (unknownType !== undefined) return `a file with tensors of type ${unknownType}, which this version does not know`;
  return undefined;
}
