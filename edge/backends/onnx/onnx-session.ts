import { createReadStream } from 'node:fs';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LoadSpec } from '#edge/contracts/backend.ts';
import type { Tensor, TensorSpec } from '#edge/contracts/tensor.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { providerFailure, requireProvider, requireStaticShapes } from './onnx-accelerators.ts';
import {
  loadOnnxRuntime,
  missingLibraryOf,
  type NativeSession,
  type NativeTensor,
  type NativeValueMetadata,
  type OnnxRuntime,
} from './onnx-native.ts';
import { sessionOptions } from './onnx-options.ts';
import { requirePlacement } from './onnx-placement.ts';
import { isTensorDtype } from './tensor-check.ts';

/** A loaded graph with named tensors in and out. */
export interface OnnxSession extends AsyncDisposable {
  readonly version: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** False when an input or output has a type (string, sequence ...) that the tensor contract does not carry. */
  readonly carriesAllTypes: boolean;
  /** True when the graph quantises activations at run time, one scale a tensor: a row's result then depends on the rows beside it. */
  readonly quantisesActivations: boolean;
  /**
   * Runs the graph. Blocks this process's event loop until the run ends, and a begun run cannot be stopped.
   * @throws EdgeError `E_MEMORY_BUDGET` when memory ran out, `E_BAD_REQUEST` when the graph refuses the shapes.
   */
  run(inputs: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>>;
}

/**
 * Creates a session.
 * @throws EdgeError `E_UNSUPPORTED` (provider), `E_MODEL_CORRUPT`, `E_MODEL_NOT_STORED`, `E_MODEL_LOAD`.
 */
export async function openSession(spec: LoadSpec): Promise<OnnxSession> {
  const path = spec.stored.files.weights;
  if (path === undefined) {
    throw new EdgeError('E_MODEL_NOT_STORED', { what: `${spec.stored.model}/${spec.stored.variant} has no weights file` });
  }
  const ort = await loadOnnxRuntime();
  requireProvider(
    spec.provider,
    ort.listSupportedBackends().map((backend) => backend.name),
  );
  // The CPU takes every operator; what other providers really took is looked at.
  await using profile = spec.provider === 'cpu' ? undefined : await mkdtempDisposable(join(tmpdir(), 'nearside-onnx-'));
  const native = await createNative(ort, spec, path, profile?.path);
  const inputs = tensorSpecs(native.inputMetadata);
  const outputs = tensorSpecs(native.outputMetadata);
  try {
    requireStaticShapes(spec.provider, inputs);
    const run: OnnxSession['run'] = (feeds) => runNative(ort, native, feeds);
    if (profile) await requirePlacement({ inputs, run, endProfiling: () => native.endProfiling() }, spec.provider, profile.path);
    return {
      version: ort.env.versions.node ?? ort.env.versions.common,
      inputs,
      outputs,
      carriesAllTypes: inputs.length === native.inputMetadata.length && outputs.length === native.outputMetadata.length,
      quantisesActivations: await fileContains(path, 'DynamicQuantize'),
      run,
      [Symbol.asyncDispose]: () => native.release(),
    };
  } catch (error) {
    await native.release();
    throw error;
  }
}

async function createNative(ort: OnnxRuntime, spec: LoadSpec, path: string, profileFolder: string | undefined): Promise<NativeSession> {
  try {
    return await ort.InferenceSession.create(path, sessionOptions(spec, profileFolder));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw providerFailure(spec.provider, `${message}${missingLibraryOf(spec.provider)}`) ?? loadFailure(spec, message, error);
  }
}

function loadFailure(spec: LoadSpec, message: string, cause: unknown): EdgeError {
  const what = `cannot load ONNX model "${spec.stored.model}" (${spec.stored.variant})`;
  if (/File doesn't exist|NO_SUCHFILE/.test(message)) {
    return new EdgeError('E_MODEL_NOT_STORED', { what, expected: `file ${spec.stored.files.weights}`, found: 'none', cause });
  }
  if (/protobuf parsing failed|INVALID_PROTOBUF|ModelProto does not have a graph|No graph was found/i.test(message)) {
    return new EdgeError('E_MODEL_CORRUPT', { what, expected: 'a whole ONNX file', found: 'a damaged, cut or foreign one', cause });
  }
  return new EdgeError('E_MODEL_LOAD', { what, found: message.split('\n')[0] ?? '', cause });
}

async function runNative(
  ort: OnnxRuntime,
  native: NativeSession,
  inputs: Readonly<Record<string, Tensor>>,
): Promise<Record<string, Tensor>> {
  try {
    const feeds = Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, toNative(ort, tensor)]));
    const results = await native.run(feeds, { logSeverityLevel: 4 });
    return Object.fromEntries(Object.entries(results).map(([name, value]) => [name, fromNative(name, value)]));
  } catch (error) {
    if (EdgeError.is(error)) throw error;
    const message = error instanceof Error ? error.message : String(error);
    const memory = /bad_alloc|Failed to allocate|out of memory/i.test(message);
    throw new EdgeError(memory ? 'E_MEMORY_BUDGET' : 'E_BAD_REQUEST', {
      what: memory ? 'the model ran out of memory' : 'the model refuses these inputs',
      found: message.split('\n')[0] ?? '',
      cause: error,
    });
  }
}

function toNative(ort: OnnxRuntime, tensor: Tensor): NativeTensor {
  const native = new ort.Tensor(tensor.dtype, tensor.data as never, tensor.shape) as NativeTensor;
  // The class turns float16 bits into a Float16Array, which the binding then takes for an empty one; it reads the bits rightly.
  return tensor.dtype === 'float16' ? Object.defineProperty(native, 'data', { value: tensor.data }) : native;
}

function fromNative(name: string, value: NativeTensor): Tensor {
  const { type, dims, data } = value;
  if (!isTensorDtype(type)) {
    throw new EdgeError('E_UNSUPPORTED', { what: `output "${name}" is of a type that cannot be sent`, found: type });
  }
  const view = data as ArrayBufferView & { readonly length: number };
  return {
    dtype: type,
    shape: [...dims],
    data: type === 'float16' ? new Uint16Array(view.buffer, view.byteOffset, view.length) : (data as Tensor['data']),
  };
}

function tensorSpecs(metadata: readonly NativeValueMetadata[]): TensorSpec[] {
  return metadata.flatMap((value) =>
    value.isTensor && isTensorDtype(value.type)
      ? [{ name: value.name, dtype: value.type, shape: value.shape.map((size) => (typeof size === 'number' && size >= 0 ? size : -1)) }]
      : [],
  );
}

/** Looks for an operator's name in the bytes of a graph: the binding does not tell the operators, and protobuf stores them as they are. */
async function fileContains(path: string, word: string): Promise<boolean> {
  const pattern = Buffer.from(word);
  let tail: Buffer = Buffer.alloc(0);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    const window = Buffer.concat([tail, chunk]);
    if (window.includes(pattern)) return true;
    tail = window.subarray(-(pattern.length - 1));
  }
  return false;
}
