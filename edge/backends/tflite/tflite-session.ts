import type { CallOptions, LoadSpec } from '#edge/contracts/backend.ts';
import type { Tensor } from '#edge/contracts/tensor.ts';
import { abortError, throwIfAborted } from '#edge/core/abort.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { Pool } from '#edge/core/pool.ts';
import { acceleratorFailure, hardwareOf, requireAccelerator, requireWholeGraph } from './tflite-accelerators.ts';
import { checkModelFile } from './tflite-file.ts';
import {
  type BufferPlace,
  type Destroyable,
  type Handle,
  type Hardware,
  LITERT_VERSION,
  type LiteRt,
  loadLiteRt,
  type NativeSignature,
  type NativeTensor,
} from './tflite-native.ts';
import { cpuOptions } from './tflite-options.ts';
import { ARRAYS, describeSignature, type Signature, type TfliteSession } from './tflite-tensors.ts';
import { openWasmSession } from './tflite-wasm-session.ts';

/** Native buffers of one signature for the shapes of its last run. */
interface Binding {
  readonly inputShapes: readonly (readonly number[])[];
  readonly outputShapes: readonly (readonly number[])[];
  readonly inputs: BigUint64Array;
  readonly outputs: BigUint64Array;
  /** Milliseconds of its last run; infinite before the first. */
  lastRunMs: number;
  /** Destroys the buffers. */
  readonly buffers: DisposableStack;
}

/**
 * A run that was shorter than this holds the event loop the next time: to hand it to another thread and back costs 0.15 ms, a tenth of
 * an encoder's run on a question, and as one step it needs no cancellation.
 */
const SHORT_RUN_MS = 10;

/** LiteRT takes one run at a time. The event loop stays free during all but short ones; an abort ends those after the operator that runs. */
class NativeSession implements TfliteSession {
  readonly version = LITERT_VERSION;
  readonly threads: number;
  readonly signatures: readonly Signature[];
  readonly #native: NativeModel;
  readonly #bindings = new Map<number, Binding>();
  readonly #turn = new Pool(['the compiled model']);

  constructor(native: NativeModel, threads: number) {
    this.#native = native;
    this.threads = threads;
    this.signatures = native.signatures.map(describeSignature);
  }

  async run(
    index: number,
    inputs: Readonly<Record<string, Tensor>>,
    { signal }: CallOptions = {},
    wanted?: readonly string[],
  ): Promise<Record<string, Tensor>> {
    using _turn = await this.#turn.acquire(signal);
    throwIfAborted(signal);
    const declared = this.#native.signatures[index] as NativeSignature;
    try {
      const binding = this.#bind(index, declared, inputs);
      for (const [at, { name }] of declared.inputs.entries()) {
        this.#native.library.write(binding.inputs[at] as Handle, (inputs[name] as Tensor).data);
      }
      await this.#invoke(index, binding, signal);
      return this.#readOutputs(index, binding, wanted);
    } catch (error) {
      if (signal?.aborted) throw abortError(signal);
      throw runFailure(error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    using _turn = await this.#turn.acquire();
    for (const index of this.#bindings.keys()) this.#release(index);
    this.#native.objects.dispose();
  }

  async #invoke(index: number, binding: Binding, signal: AbortSignal | undefined): Promise<void> {
    const { library, compiledModel, cancellation } = this.#native;
    const { inputs, outputs, lastRunMs } = binding;
    const start = performance.now();
    cancellation.write('0');
    if (lastRunMs < SHORT_RUN_MS) library.runInline(compiledModel, index, inputs, outputs);
    else await this.#invokeOnThread(index, binding, signal);
    binding.lastRunMs = performance.now() - start;
  }

  async #invokeOnThread(index: number, { inputs, outputs }: Binding, signal: AbortSignal | undefined): Promise<void> {
    const { library, compiledModel, cancellation } = this.#native;
    const cancel = (): void => void cancellation.write('1');
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      await library.run(compiledModel, index, inputs, outputs);
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  /** The buffers for these shapes: those of the last run, unless an input with free dimensions has another shape now. */
  #bind(index: number, declared: NativeSignature, inputs: Readonly<Record<string, Tensor>>): Binding {
    const inputShapes = declared.inputs.map(({ name }) => (inputs[name] as Tensor).shape);
    const current = this.#bindings.get(index);
    if (current && sameShapes(current.inputShapes, inputShapes)) return current;
    this.#release(index);
    const { library, compiledModel } = this.#native;
    for (const [at, { shape }] of declared.inputs.entries()) {
      if (shape.includes(-1)) library.resizeInput(compiledModel, index, at, inputShapes[at] as readonly number[]);
    }
    const outputShapes = library.outputShapes(compiledModel, index, declared.outputs.length);
    const free = outputShapes.findIndex((shape) => shape.includes(-1));
    if (free >= 0) {
      throw new EdgeError('E_UNSUPPORTED', {
        what: `output "${declared.outputs[free]?.name}" has a size that only a run tells`,
        expected: 'sizes that follow from those of the inputs',
      });
    }
    using buffers = new DisposableStack();
    const inputBuffers = this.#createBuffers(buffers, 'input', index, declared.inputs, inputShapes);
    const outputBuffers = this.#createBuffers(buffers, 'output', index, declared.outputs, outputShapes);
    const binding: Binding = {
      inputShapes,
      outputShapes,
      inputs: inputBuffers,
      outputs: outputBuffers,
      lastRunMs: Number.POSITIVE_INFINITY,
      buffers: buffers.move(),
    };
    this.#bindings.set(index, binding);
    return binding;
  }

  #createBuffers(
    owner: DisposableStack,
    kind: BufferPlace['kind'],
    signature: number,
    tensors: readonly NativeTensor[],
    shapes: readonly (readonly number[])[],
  ): BigUint64Array {
    const { library, environment, compiledModel } = this.#native;
    const handles = tensors.map((tensor, index) => {
      const place = { kind, environment, compiledModel, signature, index };
      const buffer = library.createBuffer(place, tensor, shapes[index] as readonly number[]);
      return owner.adopt(buffer, (handle) => library.destroy('buffer', handle));
    });
    return BigUint64Array.from(handles);
  }

  #readOutputs(index: number, { outputs, outputShapes }: Binding, wanted: readonly string[] | undefined): Record<string, Tensor> {
    const specs = this.signatures[index]?.outputs ?? [];
    return Object.fromEntries(
      [...specs.entries()]
        .filter(([, { name }]) => wanted?.includes(name) ?? true)
        .map(([at, { name, dtype }]) => {
          const shape = outputShapes[at] as readonly number[];
          const data = new ARRAYS[dtype](sizeOf(shape));
          this.#native.library.read(outputs[at] as Handle, data);
          return [name, { dtype, shape, data }];
        }),
    );
  }

  #release(index: number): void {
    this.#bindings.get(index)?.buffers.dispose();
    this.#bindings.delete(index);
  }
}

/** The native objects of a loaded model. */
interface NativeModel {
  readonly library: LiteRt;
  readonly environment: Handle;
  readonly compiledModel: Handle;
  readonly signatures: readonly NativeSignature[];
  /** Read by the running model: see {@link LiteRt.setCancellationFlag}. */
  readonly cancellation: Buffer;
  /** Destroys them, users before what they use. */
  readonly objects: DisposableStack;
}

/**
 * Loads a model.
 * @throws EdgeError `E_UNSUPPORTED` (provider, no library for this platform, or for another provider), `E_MODEL_CORRUPT`,
 * `E_MODEL_NOT_STORED`, `E_MODEL_LOAD`.
 */
export async function openSession(spec: LoadSpec): Promise<TfliteSession> {
  const { files, model, variant } = spec.stored;
  const what = `cannot load TFLite model "${model}" (${variant})`;
  const { weights, library, loader } = files;
  if (weights === undefined) throw new EdgeError('E_MODEL_NOT_STORED', { what, expected: 'a weights file', found: 'none' });
  const hardware = spec.provider === 'wasm' ? undefined : hardwareOf(spec.provider);
  if (library === undefined || (hardware === undefined) !== (loader !== undefined)) {
    throw new EdgeError('E_UNSUPPORTED', {
      what,
      expected: hardware
        ? 'the native LiteRT library, which is published for Linux x64 and arm64 (glibc), macOS arm64 and Windows x64'
        : 'the WebAssembly library, which the store fetches where there is no native one',
      found: library === undefined ? `none for ${process.platform}/${process.arch}` : `the other one (${process.platform}/${process.arch})`,
      hint: `Use provider "${hardware ? 'wasm' : 'cpu'}", or an ONNX or GGUF variant of the model.`,
    });
  }
  checkModelFile(weights, what);
  if (loader !== undefined) return await openWasmSession({ weights, library, loader }, what);
  return new NativeSession(compile(await loadLiteRt(library), hardware as Hardware, weights, spec, what), Math.max(1, spec.threads));
}

function compile(library: LiteRt, hardware: Hardware, weights: string, spec: LoadSpec, what: string): NativeModel {
  using objects = new DisposableStack();
  const own = (kind: Destroyable, handle: Handle): Handle => objects.adopt(handle, (value) => library.destroy(kind, value));
  const unloadable = (error: EdgeError): EdgeError => new EdgeError(error.code, { what, found: error.message, cause: error });
  const uncompilable = (error: EdgeError): EdgeError => (hardware === 'cpu' ? unloadable(error) : acceleratorFailure(hardware, error));

  const environment = own('environment', library.createEnvironment([hardware]));
  requireAccelerator(hardware, library.registeredHardware(environment));
  const model = attempt(() => library.createModel(environment, weights), unloadable);
  own('model', model);
  const compiledModel = attempt(() => library.createCompiledModel(environment, model, hardware, cpuOptions(spec)), uncompilable);
  own('compiledModel', compiledModel);
  requireWholeGraph(hardware, library.isFullyAccelerated(compiledModel));
  const cancellation = Buffer.from('0\0');
  library.setCancellationFlag(compiledModel, cancellation);
  return { library, environment, compiledModel, signatures: library.signatures(model), cancellation, objects: objects.move() };
}

function attempt<T>(call: () => T, explain: (error: EdgeError) => EdgeError): T {
  try {
    return call();
  } catch (error) {
    throw EdgeError.is(error) ? explain(error) : error;
  }
}

function runFailure(error: unknown): unknown {
  if (!EdgeError.is(error, 'E_MODEL_LOAD')) return error;
  return new EdgeError('E_BAD_REQUEST', { what: 'the model refuses these inputs', found: error.message, cause: error });
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

function sameShapes(left: readonly (readonly number[])[], right: readonly (readonly number[])[]): boolean {
  return left.every((shape, index) => shape.length === right[index]?.length && shape.every((size, axis) => size === right[index]?.[axis]));
}
