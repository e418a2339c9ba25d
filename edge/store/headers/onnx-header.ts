/** ONNX: a protobuf `ModelProto` (`onnx.proto` of ONNX); the raw data of its tensors is stepped over. */
import type { BoundedReader } from './bounded-reader.ts';
import { countElements, type GraphTensor, type ModelHeader, WeightTally } from './model-header.ts';
import { type ProtobufField, protobufFields, readVarint } from './protobuf-fields.ts';

/** Field numbers that are followed. */
const MODEL = { graph: 7 } as const;
const GRAPH = { node: 1, initializer: 5, input: 11, output: 12 } as const;
const NODE = { operator: 4, attribute: 5 } as const;
const ATTRIBUTE = { tensor: 5, graph: 6, tensors: 10, graphs: 11 } as const;
const TENSOR = { dimensions: 1, dtype: 2, name: 8, rawData: 9, externalData: 13, location: 14 } as const;
const PAIR = { key: 1, value: 2 } as const;
const VALUE = { name: 1, type: 2 } as const;
const TYPE = { tensor: 1 } as const;
const TENSOR_TYPE = { dtype: 1, shape: 2 } as const;
const SHAPE = { dimension: 1 } as const;
const DIMENSION = { value: 1 } as const;

/** `TensorProto.DataType`: name and bits of one number; texts have no fixed size. */
const DTYPES: Readonly<Record<number, readonly [name: string, bits: number]>> = {
  1: ['float32', 32],
  2: ['uint8', 8],
  3: ['int8', 8],
  4: ['uint16', 16],
  5: ['int16', 16],
  6: ['int32', 32],
  7: ['int64', 64],
  8: ['string', 0],
  9: ['bool', 8],
  10: ['float16', 16],
  11: ['float64', 64],
  12: ['uint32', 32],
  13: ['uint64', 64],
  16: ['bfloat16', 16],
  17: ['float8e4m3fn', 8],
  18: ['float8e4m3fnuz', 8],
  19: ['float8e5m2', 8],
  20: ['float8e5m2fnuz', 8],
  21: ['uint4', 4],
  22: ['int4', 4],
  23: ['float4e2m1', 4],
};

const QUANTISED =
  /^(MatMulInteger(ToFloat)?|ConvInteger|DynamicQuantize\w+|MatMulNBits|Quantize\w*|DequantizeLinear|QLinear\w+|QAttention|QGemm)$/;
/** One a layer in every way of writing attention. */
const ATTENTION = /^(Softmax|QAttention|(MultiHead|GroupQuery|Packed)?Attention)$/;
const DYNAMIC = /Integer|^Dynamic/;
const USUAL_NAMES: Readonly<Record<string, string>> = { float32: 'fp32', float16: 'fp16', bfloat16: 'bf16', uint8: 'int8', uint4: 'int4' };

/** Graphs inside nodes (branches, loop bodies) are followed this deep. */
const MOST_DEPTH = 8;
const TEXT_BYTES = 512;
/** Names kept of weights that lie in other files. */
const MOST_FILES = 8;

/** @throws EdgeError `E_MODEL_CORRUPT`. */
export async function readOnnxHeader(reader: BoundedReader): Promise<ModelHeader> {
  const walk = new OnnxWalk(reader);
  for await (const field of protobufFields(reader, 0, reader.size)) if (field.number === MODEL.graph) await walk.graph(field, 0);
  if (!walk.hasGraph) throw reader.corrupt('an ONNX model with a graph', 'none');
  const { tally } = walk;
  const operators = [...walk.operators.keys()].filter((name) => QUANTISED.test(name)).sort();
  const attentionLayers = walk.operators.entries().reduce((sum, [name, count]) => (ATTENTION.test(name) ? sum + count : sum), 0);
  const dtype = USUAL_NAMES[tally.dominant] ?? tally.dominant;
  const isDynamic = dtype === 'int8' && operators.some((name) => DYNAMIC.test(name));
  const files = [...walk.externalFiles];
  return {
    format: 'onnx',
    // A graph's name is its exporter's, such as `torch_jit`.
    modelName: '',
    fileBytes: reader.size,
    ...tally.summary(),
    quantisation: isDynamic ? 'int8-dynamic' : dtype,
    inputs: walk.inputs.filter(({ name }) => !walk.initialised.has(name)),
    outputs: walk.outputs,
    signatures: [],
    quantisedOperators: operators,
    attentionLayers,
    ...(tally.largestTable ? { largestTable: tally.largestTable } : {}),
    ...(files.length > 0 ? { unusable: `its weights lie in other files (${files.join(', ')}): one file with all weights is needed` } : {}),
  };
}

interface TensorHead {
  readonly dimensions: number[];
  dtype: number;
  name: string;
  rawBytes: number | undefined;
  isExternal: boolean;
}

/** What is gathered on the way through the model. */
class OnnxWalk {
  readonly tally = new WeightTally();
  /** How often each occurs. */
  readonly operators = new Map<string, number>();
  readonly initialised = new Set<string>();
  readonly externalFiles = new Set<string>();
  readonly inputs: GraphTensor[] = [];
  readonly outputs: GraphTensor[] = [];
  hasGraph = false;
  readonly #reader: BoundedReader;

  constructor(reader: BoundedReader) {
    this.#reader = reader;
  }

  async graph(graph: ProtobufField, depth: number): Promise<void> {
    if (depth > MOST_DEPTH) throw this.#reader.corrupt(`graphs at most ${MOST_DEPTH} deep`, 'deeper ones');
    this.hasGraph = true;
    for await (const field of this.#fields(graph)) {
      if (field.number === GRAPH.node) await this.#node(field, depth);
      if (field.number === GRAPH.initializer) this.initialised.add(await this.#tensor(field));
      if (depth > 0) continue;
      if (field.number === GRAPH.input) this.inputs.push(await this.#value(field));
      if (field.number === GRAPH.output) this.outputs.push(await this.#value(field));
    }
  }

  async #node(node: ProtobufField, depth: number): Promise<void> {
    for await (const field of this.#fields(node)) {
      if (field.number === NODE.operator) {
        const name = await this.#text(field);
        this.operators.set(name, (this.operators.get(name) ?? 0) + 1);
      }
      if (field.number === NODE.attribute) await this.#attribute(field, depth);
    }
  }

  async #attribute(attribute: ProtobufField, depth: number): Promise<void> {
    for await (const field of this.#fields(attribute)) {
      if (field.number === ATTRIBUTE.tensor || field.number === ATTRIBUTE.tensors) await this.#tensor(field);
      if (field.number === ATTRIBUTE.graph || field.number === ATTRIBUTE.graphs) await this.graph(field, depth + 1);
    }
  }

  /** Counts a tensor, without reading its data, and returns its name. */
  async #tensor(tensor: ProtobufField): Promise<string> {
    const head: TensorHead = { dimensions: [], dtype: 0, name: '', rawBytes: undefined, isExternal: false };
    for await (const field of this.#fields(tensor)) await this.#tensorField(field, head);
    const [dtype, bits] = DTYPES[head.dtype] ?? [`type ${head.dtype}`, 0];
    const bytes = bits === 0 ? (head.rawBytes ?? 0) : Math.ceil((countElements(head.dimensions) * bits) / 8);
    if (head.rawBytes !== undefined && head.rawBytes !== bytes) {
      throw this.#reader.corrupt(`${bytes} bytes of tensor "${head.name}" [${head.dimensions.join(', ')}]`, `${head.rawBytes}`);
    }
    if (!head.isExternal && bytes > this.#reader.size)
      throw this.#reader.corrupt(`tensor "${head.name}" within the file`, `a claim of ${bytes} bytes`);
    this.tally.add(dtype, head.dimensions, bytes);
    return head.name;
  }

  async #tensorField(field: ProtobufField, head: TensorHead): Promise<void> {
    switch (field.number) {
      case TENSOR.dimensions:
        return this.#dimensions(field, head.dimensions);
      case TENSOR.dtype:
        head.dtype = Number(field.value);
        return;
      case TENSOR.name:
        head.name = await this.#text(field);
        return;
      case TENSOR.rawData:
        head.rawBytes = field.end - field.start;
        return;
      case TENSOR.externalData:
        return this.#externalFile(field);
      case TENSOR.location:
        head.isExternal = field.value === 1n;
    }
  }

  /** One number a field, or all of them packed into one. */
  async #dimensions(field: ProtobufField, dimensions: number[]): Promise<void> {
    if (field.end === 0) dimensions.push(this.#dimension(field.value));
    for (let position = field.start; position < field.end; ) {
      const { value, next } = await readVarint(this.#reader, position, field.end);
      dimensions.push(this.#dimension(value));
      position = next;
    }
  }

  #dimension(value: bigint): number {
    if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
    throw this.#reader.corrupt('a dimension of a tensor', `${BigInt.asIntN(64, value)}`);
  }

  async #externalFile(pair: ProtobufField): Promise<void> {
    let key = '';
    let value = '';
    for await (const field of this.#fields(pair)) {
      if (field.number === PAIR.key) key = await this.#text(field);
      if (field.number === PAIR.value) value = await this.#text(field);
    }
    if (key === 'location' && this.externalFiles.size < MOST_FILES) this.externalFiles.add(value);
  }

  async #value(info: ProtobufField): Promise<GraphTensor> {
    let name = '';
    let dtype = 'other';
    let shape: readonly number[] = [];
    for await (const field of this.#fields(info)) {
      if (field.number === VALUE.name) name = await this.#text(field);
      if (field.number !== VALUE.type) continue;
      for await (const type of this.#fields(field)) {
        if (type.number !== TYPE.tensor) continue;
        for await (const part of this.#fields(type)) {
          if (part.number === TENSOR_TYPE.dtype) dtype = DTYPES[Number(part.value)]?.[0] ?? 'other';
          if (part.number === TENSOR_TYPE.shape) shape = await this.#shape(part);
        }
      }
    }
    return { name, dtype, shape };
  }

  async #shape(shape: ProtobufField): Promise<readonly number[]> {
    const sizes: number[] = [];
    for await (const field of this.#fields(shape)) {
      if (field.number !== SHAPE.dimension) continue;
      let size = -1;
      for await (const part of this.#fields(field)) if (part.number === DIMENSION.value) size = Number(BigInt.asIntN(64, part.value));
      sizes.push(size > 0 ? size : -1);
    }
    return sizes;
  }

  #fields(message: ProtobufField): AsyncGenerator<ProtobufField, void, undefined> {
    return protobufFields(this.#reader, message.start, message.end);
  }

  async #text({ start, end }: ProtobufField): Promise<string> {
    return (await this.#reader.bytes(start, Math.min(end - start, TEXT_BYTES))).toString('utf8');
  }
}
