import { readFile } from 'node:fs/promises';
import type { CallOptions } from '#edge/contracts/backend.ts';
import type { Tensor } from '#edge/contracts/tensor.ts';
import { throwIfAborted } from '#edge/core/abort.ts';
import { EdgeError } from '#edge/core/errors.ts';
import {
  ARRAYS,
  type DeclaredSignature,
  type DeclaredTensor,
  describeSignature,
  type Signature,
  type TfliteSession,
} from './tflite-tensors.ts';
import {
  LITERT_JS_VERSION,
  type LiteRtWasm,
  loadWasm,
  messageOf,
  valuesOf,
  type WasmBuffer,
  type WasmCompiledModel,
  type WasmModel,
} from './tflite-wasm.ts';

/** The environment, made once a library. */
type Environment = ReturnType<LiteRtWasm['LiteRtEnvironment']['create']>;

interface Loaded {
  readonly library: LiteRtWasm;
  readonly environment: Environment;
  readonly model: WasmModel;
  readonly compiledModel: WasmCompiledModel;
}

/**
 * Loads a model into LiteRT's WebAssembly.
 * @param what What fails, for errors.
 * @throws EdgeError `E_MODEL_LOAD`, `E_MEMORY_BUDGET`, `E_UNSUPPORTED` for a graph with free dimensions.
 */
export async function openWasmSession(files: { weights: string; library: string; loader: string }, what: string): Promise<TfliteSession> {
  const library = await loadWasm(files.library, files.loader);
  const weights = await readFile(files.weights);
  try {
    const environment = library.LiteRtEnvironment.create(null);
    const address = library._malloc(weights.byteLength);
    if (address === 0) throw new EdgeError('E_MEMORY_BUDGET', { what, expected: `${weights.byteLength} bytes for the weights` });
    library.HEAPU8.set(weights, address);
    const model = library.loadModel(environment, address, weights.byteLength);
    const signatures = readSignatures(model);
    requireFixedShapes(signatures, what);
    const options = { accelerator: 'wasm', cpuOptions: { numThreads: 1 } } as const;
    return new WasmSession(signatures, {
      library,
      environment,
      model,
      compiledModel: await library.compileModel(environment, model, options),
    });
  } catch (error) {
    throw failure(error, what, 'E_MODEL_LOAD');
  }
}

/** A run blocks the event loop until it ends and cannot be stopped, so runs never overlap. */
class WasmSession implements TfliteSession {
  readonly version = LITERT_JS_VERSION;
  readonly threads = 1;
  readonly signatures: readonly Signature[];
  #loaded: Loaded | undefined;
  readonly #declared: readonly DeclaredSignature[];
  /** Input buffers of the signatures that ran. */
  readonly #inputs = new Map<number, readonly WasmBuffer[]>();

  constructor(declared: readonly DeclaredSignature[], loaded: Loaded) {
    this.signatures = declared.map(describeSignature);
    this.#declared = declared;
    this.#loaded = loaded;
  }

  async run(
    index: number,
    inputs: Readonly<Record<string, Tensor>>,
    { signal }: CallOptions = {},
    wanted?: readonly string[],
  ): Promise<Record<string, Tensor>> {
    throwIfAborted(signal);
    const { library, compiledModel } = this.#require();
    const declared = this.#declared[index] as DeclaredSignature;
    try {
      const buffers = this.#inputBuffers(index, declared);
      for (const [at, { name }] of declared.inputs.entries()) write(library, buffers[at] as WasmBuffer, (inputs[name] as Tensor).data);
      const outputs = await compiledModel.run(index, buffers);
      return this.#readOutputs(index, outputs, wanted);
    } catch (error) {
      throw failure(error, 'the model refuses these inputs', 'E_BAD_REQUEST');
    }
  }

  /** The objects of a library live in its memory, so all go with it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#inputs.clear();
    this.#loaded = undefined;
  }

  #require(): Loaded {
    if (!this.#loaded) throw new EdgeError('E_SHUTTING_DOWN', { what: 'the session was closed' });
    return this.#loaded;
  }

  #inputBuffers(index: number, { inputs }: DeclaredSignature): readonly WasmBuffer[] {
    const made = this.#inputs.get(index);
    if (made) return made;
    const { library, environment, model } = this.#require();
    const buffers = inputs.map((_, at) => {
      const type = model.getInputTensorType(index, at);
      const buffer = library.LiteRtTensorBuffer.createManaged(environment, library.LiteRtTensorBufferType.HOST_MEMORY, type, type.bytes());
      type.delete();
      return buffer;
    });
    this.#inputs.set(index, buffers);
    return buffers;
  }

  #readOutputs(index: number, buffers: readonly WasmBuffer[], wanted: readonly string[] | undefined): Record<string, Tensor> {
    const { library } = this.#require();
    const outputs: Record<string, Tensor> = {};
    for (const [at, { name, dtype, shape }] of (this.signatures[index]?.outputs ?? []).entries()) {
      if (wanted && !wanted.includes(name)) continue;
      const bytes = read(library, buffers[at] as WasmBuffer);
      outputs[name] = { dtype, shape, data: new ARRAYS[dtype](bytes.buffer as ArrayBuffer) };
    }
    for (const buffer of buffers) buffer.delete();
    return outputs;
  }
}

function readSignatures(model: WasmModel): readonly DeclaredSignature[] {
  return Array.from({ length: model.getNumSignatures() }, (_, index) => {
    const signature = model.getSignature(index);
    const tensors = (names: readonly string[], typeOf: 'getInputTensorType' | 'getOutputTensorType'): DeclaredTensor[] =>
      names.map((name, at) => {
        const type = model[typeOf](index, at);
        const layout = type.layout();
        const tensor = { name, elementType: type.elementType().value, shape: valuesOf(layout.dimensions()) };
        layout.delete();
        type.delete();
        return tensor;
      });
    const declared = {
      key: signature.key(),
      inputs: tensors(valuesOf(signature.inputNames()), 'getInputTensorType'),
      outputs: tensors(valuesOf(signature.outputNames()), 'getOutputTensorType'),
    };
    signature.delete();
    return declared;
  });
}

/** The library has no call to resize, takes inputs of any size all the same, and then answers with what stands in its memory. */
function requireFixedShapes(signatures: readonly DeclaredSignature[], what: string): void {
  const free = signatures.flatMap(({ inputs, outputs }) => [...inputs, ...outputs]).find(({ shape }) => shape.includes(-1));
  if (!free) return;
  throw new EdgeError('E_UNSUPPORTED', {
    what,
    expected: 'fixed shapes, as provider "wasm" cannot resize a graph',
    found: `"${free.name}" of shape [${free.shape.join(', ')}]`,
    hint: 'Use a variant with fixed shapes, or another engine.',
    details: { rejection: 'io-dtype-unsupported' },
  });
}

function write({ HEAPU8, LiteRtTensorBufferLockMode }: LiteRtWasm, buffer: WasmBuffer, data: Tensor['data']): void {
  const address = buffer.lock(LiteRtTensorBufferLockMode.WRITE);
  HEAPU8.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), address);
  buffer.unlock();
}

/** A copy of the content. */
function read({ HEAPU8, LiteRtTensorBufferLockMode }: LiteRtWasm, buffer: WasmBuffer): Uint8Array {
  const address = buffer.lock(LiteRtTensorBufferLockMode.READ);
  const bytes = HEAPU8.slice(address, address + buffer.packedSize());
  buffer.unlock();
  return bytes;
}

function failure(error: unknown, what: string, otherwise: 'E_MODEL_LOAD' | 'E_BAD_REQUEST'): EdgeError {
  if (EdgeError.is(error)) return error;
  const found = messageOf(error);
  const ranOut = /out of memory|OOM|enlarge memory|bad_alloc|allocat/i.test(found);
  return new EdgeError(ranOut ? 'E_MEMORY_BUDGET' : otherwise, {
    what: ranOut ? 'the model ran out of memory' : what,
    found,
    cause: error,
  });
}
