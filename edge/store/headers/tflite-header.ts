/** TFLite: a FlatBuffers file (`tflite/schema/schema.fbs`, schema 3). Weights are what operators read and nothing writes. */
import type { BoundedReader } from './bounded-reader.ts';
import { FlatbufferTables } from './flatbuffer-tables.ts';
import { countElements, type GraphTensor, type ModelHeader, WeightTally } from './model-header.ts';

/** Indexes of the fields that are followed. */
const MODEL = { operatorCodes: 1, subgraphs: 2, buffers: 4, signatures: 7 } as const;
const SUBGRAPH = { tensors: 0, inputs: 1, outputs: 2, operators: 3 } as const;
const TENSOR = { shape: 0, dtype: 1, buffer: 2, name: 3, freeShape: 7 } as const;
const OPERATOR = { code: 0, inputs: 1, outputs: 2 } as const;
const OPERATOR_CODE = { builtin: 3, firstBuiltin: 0 } as const;
const BUFFER = { data: 0 } as const;
const SIGNATURE = { inputs: 0, outputs: 1, key: 2, subgraph: 4 } as const;
const SIGNATURE_TENSOR = { name: 0, index: 1 } as const;

/** `BuiltinOperator.SOFTMAX`: one a layer of attention. */
const SOFTMAX = 25;

/** `TensorType`: name and bits of one number. */
const DTYPES: Readonly<Record<number, readonly [name: string, bits: number]>> = {
  0: ['float32', 32],
  1: ['float16', 16],
  2: ['int32', 32],
  3: ['uint8', 8],
  4: ['int64', 64],
  5: ['string', 0],
  6: ['bool', 8],
  7: ['int16', 16],
  8: ['complex64', 64],
  9: ['int8', 8],
  10: ['float64', 64],
  11: ['complex128', 128],
  12: ['uint64', 64],
  15: ['uint32', 32],
  16: ['uint16', 16],
  17: ['int4', 4],
  18: ['bfloat16', 16],
};
const USUAL_NAMES: Readonly<Record<string, string>> = { float32: 'fp32', float16: 'fp16', bfloat16: 'bf16', uint8: 'int8' };

/** @throws EdgeError `E_MODEL_CORRUPT`. */
export async function readTfliteHeader(reader: BoundedReader): Promise<ModelHeader> {
  const file = new FlatbufferTables(reader);
  const model = await file.root();
  await requireLastBuffer(file, model);
  const tally = new WeightTally();
  const counted = new Set<number>();
  const graphs: Graph[] = [];
  const softmaxes = await softmaxCodes(file, model);
  for await (const subgraph of file.tables(model, MODEL.subgraphs)) {
    const graph = await readGraph(file, subgraph, softmaxes);
    for (const { buffer, size, bytes, dtype } of weightsOf(graph)) {
      // Graphs of several signatures share their weights.
      if (counted.has(buffer)) continue;
      counted.add(buffer);
      if (bytes > reader.size) throw reader.corrupt('a weight within the file', `a claim of ${bytes} bytes`);
      tally.add(dtype, size, bytes);
    }
    graphs.push(graph);
  }
  if (graphs.length === 0) throw reader.corrupt('a graph', 'none');
  const signatures = await readSignatures(file, model, graphs);
  const main = largest(signatures) ?? plainInterface(graphs[0] as Graph);
  return {
    format: 'tflite',
    modelName: '',
    fileBytes: reader.size,
    ...tally.summary(),
    quantisation: USUAL_NAMES[tally.dominant] ?? tally.dominant,
    inputs: main.inputs,
    outputs: main.outputs,
    signatures: signatures.map(({ key }) => key),
    quantisedOperators: [],
    attentionLayers: (graphs[0] as Graph).attentionLayers,
    ...(tally.largestTable ? { largestTable: tally.largestTable } : {}),
  };
}

/** Data follows data: a file whose last buffer is whole was not cut. The others are left alone, as they lie far apart. */
async function requireLastBuffer(file: FlatbufferTables, model: number): Promise<void> {
  let last = 0;
  for await (const buffer of file.tables(model, MODEL.buffers)) last = Math.max(last, buffer);
  if (last > 0) await file.vector(last, BUFFER.data, 1);
}

interface GraphWeight {
  readonly buffer: number;
  readonly dtype: string;
  /** Without free dimensions: those count as 1. */
  readonly size: readonly number[];
  readonly bytes: number;
}

interface Graph {
  readonly tensors: readonly (GraphTensor & GraphWeight)[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  /** Tensors that operators read, and those that they write. */
  readonly read: ReadonlySet<number>;
  readonly written: ReadonlySet<number>;
  readonly attentionLayers: number;
}

/** Places of softmax in the list of operators that graphs refer to; a code above 127 stands in a second field. */
async function softmaxCodes(file: FlatbufferTables, model: number): Promise<ReadonlySet<number>> {
  const found = new Set<number>();
  let index = 0;
  for await (const code of file.tables(model, MODEL.operatorCodes)) {
    const builtin = (await file.number(code, OPERATOR_CODE.builtin, 4)) || (await file.number(code, OPERATOR_CODE.firstBuiltin, 1));
    if (builtin === SOFTMAX) found.add(index);
    index++;
  }
  return found;
}

async function readGraph(file: FlatbufferTables, subgraph: number, softmaxes: ReadonlySet<number>): Promise<Graph> {
  const tensors: (GraphTensor & GraphWeight)[] = [];
  for await (const tensor of file.tables(subgraph, SUBGRAPH.tensors)) tensors.push(await readTensor(file, tensor));
  const read = new Set<number>();
  const written = new Set<number>();
  let attentionLayers = 0;
  for await (const operator of file.tables(subgraph, SUBGRAPH.operators)) {
    if (softmaxes.has(await file.number(operator, OPERATOR.code, 4))) attentionLayers++;
    for (const index of await file.numbers(operator, OPERATOR.inputs)) read.add(index);
    for (const index of await file.numbers(operator, OPERATOR.outputs)) written.add(index);
  }
  const [inputs, outputs] = [await file.numbers(subgraph, SUBGRAPH.inputs), await file.numbers(subgraph, SUBGRAPH.outputs)];
  for (const index of [...inputs, ...outputs, ...read, ...written]) {
    // -1 stands for an optional tensor that is left out.
    if (index < -1 || index >= tensors.length) throw file.reader.corrupt(`one of ${tensors.length} tensors`, `tensor ${index}`);
  }
  return { tensors, inputs, outputs, read, written, attentionLayers };
}

async function readTensor(file: FlatbufferTables, tensor: number): Promise<GraphTensor & GraphWeight> {
  const stated = await file.numbers(tensor, TENSOR.shape);
  const free = await file.numbers(tensor, TENSOR.freeShape);
  const [dtype, bits] = DTYPES[await file.number(tensor, TENSOR.dtype, 1)] ?? ['other', 0];
  const size = stated.map((each) => Math.max(1, each));
  return {
    name: await file.text(tensor, TENSOR.name),
    dtype,
    shape: free.length === stated.length ? free : stated,
    buffer: await file.number(tensor, TENSOR.buffer, 4),
    size,
    bytes: Math.ceil((countElements(size) * bits) / 8),
  };
}

function weightsOf({ tensors, inputs, read, written }: Graph): readonly GraphWeight[] {
  const given = new Set(inputs);
  return tensors.filter(({ buffer }, index) => buffer > 0 && read.has(index) && !written.has(index) && !given.has(index));
}

interface Interface {
  readonly inputs: readonly GraphTensor[];
  readonly outputs: readonly GraphTensor[];
}

async function readSignatures(
  file: FlatbufferTables,
  model: number,
  graphs: readonly Graph[],
): Promise<readonly (Interface & { readonly key: string })[]> {
  const signatures: (Interface & { readonly key: string })[] = [];
  for await (const signature of file.tables(model, MODEL.signatures)) {
    const graph = graphs[await file.number(signature, SIGNATURE.subgraph, 4)];
    if (!graph) throw file.reader.corrupt('a signature with its graph', 'none');
    signatures.push({
      key: await file.text(signature, SIGNATURE.key),
      inputs: await namedTensors(file, signature, SIGNATURE.inputs, graph),
      outputs: await namedTensors(file, signature, SIGNATURE.outputs, graph),
    });
  }
  return signatures;
}

/** A file with one signature a length is known by its longest. */
function largest(interfaces: readonly Interface[]): Interface | undefined {
  const numbers = ({ inputs }: Interface): number => inputs.reduce((sum, { shape }) => sum + countElements(shape), 0);
  return interfaces.toSorted((a, b) => numbers(b) - numbers(a))[0];
}

async function namedTensors(file: FlatbufferTables, signature: number, field: number, graph: Graph): Promise<readonly GraphTensor[]> {
  const named: GraphTensor[] = [];
  for await (const entry of file.tables(signature, field)) {
    const tensor = graph.tensors[await file.number(entry, SIGNATURE_TENSOR.index, 4)];
    if (!tensor) throw file.reader.corrupt('a signature with its tensors', 'one without');
    named.push({ name: await file.text(entry, SIGNATURE_TENSOR.name), dtype: tensor.dtype, shape: tensor.shape });
  }
  return named;
}

function plainInterface({ tensors, inputs, outputs }: Graph): Interface {
  const pick = (indexes: readonly number[]): readonly GraphTensor[] =>
    indexes.flatMap((index) => {
      const tensor = tensors[index];
      return tensor ? { name: tensor.name, dtype: tensor.dtype, shape: tensor.shape } : [];
    });
  return { inputs: pick(inputs), outputs: pick(outputs) };
}
