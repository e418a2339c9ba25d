/**
 * LiteRT's C API through koffi. Sizes, offsets and constants are those of LiteRT 2.3
 * (`litert/c/*.h` in google-ai-edge/LiteRT, Apache-2.0); handles and sizes are 64-bit on every platform that has the library.
 */
import type Koffi from 'koffi';
import type { LibraryHandle } from 'koffi';
import { EdgeError, type ErrorCode } from '#edge/core/errors.ts';
import type { DeclaredSignature, DeclaredTensor } from './tflite-tensors.ts';

/** The release whose binary interface this module speaks: the one that `models/libraries/litert.json` pins. */
export const LITERT_VERSION = '2.3.0';

type NativeFunction = ReturnType<LibraryHandle['func']>;

/** An opaque pointer to an object of the library. */
export type Handle = bigint;

/** Hardware an accelerator of LiteRT drives; values are bits (`LiteRtHwAccelerators`). */
export const HARDWARE = { cpu: 1, gpu: 2, npu: 4 } as const;
export type Hardware = keyof typeof HARDWARE;

/** A tensor with its type as the library wrote it, for making buffers. */
export interface NativeTensor extends DeclaredTensor {
  readonly type: Buffer;
}

export interface NativeSignature extends DeclaredSignature {
  readonly inputs: readonly NativeTensor[];
  readonly outputs: readonly NativeTensor[];
}

/** Bytes of the native values that cross the border; typed arrays carry every dtype. */
export type NativeData = NodeJS.TypedArray;

const MAX_RANK = 8;
/** The rank is a bit field; MSVC gives the flag beside it a storage unit of its own, and so moves all that follows by four bytes. */
const DIMENSIONS_AT = process.platform === 'win32' ? 8 : 4;
const LAYOUT_BYTES = DIMENSIONS_AT + 2 * 4 * MAX_RANK;
const RANK_MASK = 0x7f;
const PER_TENSOR_QUANTIZATION = 1;
const LOCK = { read: 0, write: 1 } as const;

/** `LiteRtEnvOption`: tag, type of the value (2 = integer), value. */
const OPTION = { bytes: 24, typeAt: 8, valueAt: 16, integer: 2, registerAccelerators: 24, leastSeverity: 25 } as const;
/** Errors only: every load writes some ten lines at the level of information. */
const SEVERITY_ERROR = 3n;

/** XNNPACK and the reference kernels want more stack than the 128 KiB that koffi gives an asynchronous call. */
const STACK_BYTES = 8 << 20;

const STATUS: Readonly<Record<number, readonly [name: string, code: ErrorCode]>> = {
  1: ['invalid argument', 'E_MODEL_LOAD'],
  2: ['out of memory', 'E_MEMORY_BUDGET'],
  3: ['runtime failure', 'E_MODEL_LOAD'],
  5: ['unsupported', 'E_UNSUPPORTED'],
  100: ['cancelled', 'E_CANCELLED'],
  500: ['file cannot be read', 'E_MODEL_NOT_STORED'],
  501: ['invalid flatbuffer', 'E_MODEL_CORRUPT'],
  504: ['compilation failed', 'E_MODEL_LOAD'],
};

type ArgumentType = 'handle' | 'pointer' | 'text' | 'int' | 'size' | 'flag';
const KOFFI_TYPES: Readonly<Record<ArgumentType, string>> = {
  handle: 'void *',
  pointer: 'void *',
  text: 'str',
  int: 'int',
  size: 'size_t',
  flag: 'bool',
};

/** The arguments of each function in use; all return a status, but those that destroy. */
const SIGNATURES = {
  LiteRtCreateEnvironment: ['int', 'pointer', 'pointer'],
  LiteRtGetNumAccelerators: ['handle', 'pointer'],
  LiteRtGetAccelerator: ['handle', 'size', 'pointer'],
  LiteRtGetAcceleratorHardwareSupport: ['handle', 'pointer'],
  LiteRtCreateModelFromFile: ['handle', 'text', 'pointer'],
  LiteRtCreateOptions: ['pointer'],
  LiteRtSetOptionsHardwareAccelerators: ['handle', 'int'],
  LiteRtCreateOpaqueOptions: ['text', 'pointer', 'pointer', 'pointer'],
  LiteRtAddOpaqueOptions: ['handle', 'handle'],
  LiteRtCreateCompiledModel: ['handle', 'handle', 'handle', 'pointer'],
  LiteRtCompiledModelIsFullyAccelerated: ['handle', 'pointer'],
  LiteRtSetCompiledModelCancellationFunction: ['handle', 'pointer', 'pointer'],
  LiteRtGetNumModelSignatures: ['handle', 'pointer'],
  LiteRtGetModelSignature: ['handle', 'size', 'pointer'],
  LiteRtGetSignatureKey: ['handle', 'pointer'],
  LiteRtGetNumSignatureInputs: ['handle', 'pointer'],
  LiteRtGetSignatureInputName: ['handle', 'size', 'pointer'],
  LiteRtGetSignatureInputTensorByIndex: ['handle', 'size', 'pointer'],
  LiteRtGetNumSignatureOutputs: ['handle', 'pointer'],
  LiteRtGetSignatureOutputName: ['handle', 'size', 'pointer'],
  LiteRtGetSignatureOutputTensorByIndex: ['handle', 'size', 'pointer'],
  LiteRtGetTensorTypeId: ['handle', 'pointer'],
  LiteRtGetRankedTensorType: ['handle', 'pointer'],
  LiteRtGetQuantizationTypeId: ['handle', 'pointer'],
  LiteRtGetPerTensorQuantization: ['handle', 'pointer'],
  LiteRtCompiledModelResizeInputTensor: ['handle', 'size', 'size', 'pointer', 'size'],
  LiteRtGetCompiledModelOutputTensorLayouts: ['handle', 'size', 'size', 'pointer', 'flag'],
  LiteRtGetCompiledModelInputBufferRequirements: ['handle', 'size', 'size', 'pointer'],
  LiteRtGetCompiledModelOutputBufferRequirements: ['handle', 'size', 'size', 'pointer'],
  LiteRtCreateManagedTensorBufferFromRequirements: ['handle', 'pointer', 'handle', 'pointer'],
  LiteRtLockTensorBuffer: ['handle', 'pointer', 'int'],
  LiteRtUnlockTensorBuffer: ['handle'],
  LiteRtRunCompiledModel: ['handle', 'size', 'size', 'pointer', 'size', 'pointer'],
} as const satisfies Readonly<Record<string, readonly ArgumentType[]>>;
type StatusFunction = keyof typeof SIGNATURES;

const DESTROYERS = {
  environment: 'LiteRtDestroyEnvironment',
  model: 'LiteRtDestroyModel',
  options: 'LiteRtDestroyOptions',
  compiledModel: 'LiteRtDestroyCompiledModel',
  buffer: 'LiteRtDestroyTensorBuffer',
} as const;
export type Destroyable = keyof typeof DESTROYERS;

interface CLibrary {
  readonly memcpy: NativeFunction;
  readonly strdup: NativeFunction;
  /** Addresses of functions that LiteRT is given to call back. */
  readonly free: Handle;
  readonly atoi: Handle;
}

/** LiteRT in this process. Handles that it returns are destroyed by {@link destroy}, users before what they use. */
export class LiteRt {
  readonly #functions: Readonly<Record<StatusFunction, NativeFunction>>;
  readonly #destroyers: Readonly<Record<Destroyable, NativeFunction>>;
  readonly #c: CLibrary;
  readonly #decodeText: (address: Handle) => string;

  constructor(library: LibraryHandle, c: CLibrary, decodeText: (address: Handle) => string) {
    const bind = (name: StatusFunction): [StatusFunction, NativeFunction] => [
      name,
      library.func(
        name,
        'int',
        SIGNATURES[name].map((type) => KOFFI_TYPES[type]),
      ),
    ];
    this.#functions = Object.fromEntries((Object.keys(SIGNATURES) as StatusFunction[]).map(bind)) as Record<StatusFunction, NativeFunction>;
    this.#destroyers = Object.fromEntries(
      Object.entries(DESTROYERS).map(([what, name]) => [what, library.func(name, 'void', ['void *'])]),
    ) as Record<Destroyable, NativeFunction>;
    this.#c = c;
    this.#decodeText = decodeText;
  }

  /** Makes an environment in which the accelerators of the given hardware are looked for. */
  createEnvironment(hardware: readonly Hardware[]): Handle {
    const bits = hardware.reduce((sum, each) => sum | HARDWARE[each], 0);
    const options = Buffer.alloc(2 * OPTION.bytes);
    for (const [index, [tag, value]] of [
      [OPTION.registerAccelerators, BigInt(bits)] as const,
      [OPTION.leastSeverity, SEVERITY_ERROR] as const,
    ].entries()) {
      options.writeInt32LE(tag, index * OPTION.bytes);
      options.writeInt32LE(OPTION.integer, index * OPTION.bytes + OPTION.typeAt);
      options.writeBigInt64LE(value, index * OPTION.bytes + OPTION.valueAt);
    }
    return this.#get('LiteRtCreateEnvironment', 2, options);
  }

  /** Hardware for which an accelerator was found. */
  registeredHardware(environment: Handle): readonly Hardware[] {
    const count = this.#count('LiteRtGetNumAccelerators', environment);
    const bits = indexes(count)
      .map((index) => this.#get('LiteRtGetAccelerator', environment, index))
      .reduce((sum, accelerator) => sum | this.#count('LiteRtGetAcceleratorHardwareSupport', accelerator), 0);
    return (Object.keys(HARDWARE) as Hardware[]).filter((each) => bits & HARDWARE[each]);
  }

  createModel(environment: Handle, path: string): Handle {
    return this.#get('LiteRtCreateModelFromFile', environment, path);
  }

  /** @param cpuOptions TOML, as the CPU accelerator reads it under the identifier `xnnpack`. */
  createCompiledModel(environment: Handle, model: Handle, hardware: Hardware, cpuOptions: string): Handle {
    const options = this.#get('LiteRtCreateOptions');
    try {
      this.#call('LiteRtSetOptionsHardwareAccelerators', options, HARDWARE[hardware]);
      const text = this.#c.strdup(cpuOptions) as Handle;
      this.#call('LiteRtAddOpaqueOptions', options, this.#get('LiteRtCreateOpaqueOptions', 'xnnpack', text, this.#c.free));
      return this.#get('LiteRtCreateCompiledModel', environment, model, options);
    } finally {
      this.destroy('options', options);
    }
  }

  /** True when no operator was left to the plain kernels. */
  isFullyAccelerated(compiledModel: Handle): boolean {
    return this.#count('LiteRtCompiledModelIsFullyAccelerated', compiledModel) === 1;
  }

  /**
   * Lets a run be stopped after any operator that a delegate does not swallow: LiteRT then asks `atoi(flag)`.
   * A function of the C library answers on the running thread; one of ours would wait for the event loop each time.
   * @param flag The text `0` or `1`, ended by a zero byte; must live as long as the compiled model.
   */
  setCancellationFlag(compiledModel: Handle, flag: Buffer): void {
    this.#call('LiteRtSetCompiledModelCancellationFunction', compiledModel, flag, this.#c.atoi);
  }

  /** What the model can be called with; a file without signatures has one that stands for its main graph. */
  signatures(model: Handle): readonly NativeSignature[] {
    return indexes(this.#count('LiteRtGetNumModelSignatures', model)).map((index) => {
      const signature = this.#get('LiteRtGetModelSignature', model, index);
      return {
        key: this.#text('LiteRtGetSignatureKey', signature),
        inputs: indexes(this.#count('LiteRtGetNumSignatureInputs', signature)).map((at) =>
          this.#tensor(
            this.#text('LiteRtGetSignatureInputName', signature, at),
            this.#get('LiteRtGetSignatureInputTensorByIndex', signature, at),
          ),
        ),
        outputs: indexes(this.#count('LiteRtGetNumSignatureOutputs', signature)).map((at) =>
          this.#tensor(
            this.#text('LiteRtGetSignatureOutputName', signature, at),
            this.#get('LiteRtGetSignatureOutputTensorByIndex', signature, at),
          ),
        ),
      };
    });
  }

  /** Gives an input with free dimensions another shape. Buffers of the signature are to be made anew afterwards. */
  resizeInput(compiledModel: Handle, signature: number, input: number, shape: readonly number[]): void {
    this.#call('LiteRtCompiledModelResizeInputTensor', compiledModel, signature, input, Int32Array.from(shape), shape.length);
  }

  /** Shapes of all outputs, as they follow from the shapes of the inputs. */
  outputShapes(compiledModel: Handle, signature: number, count: number): readonly (readonly number[])[] {
    const layouts = Buffer.alloc(count * LAYOUT_BYTES);
    this.#call('LiteRtGetCompiledModelOutputTensorLayouts', compiledModel, signature, count, layouts, true);
    return indexes(count).map((index) => readShape(layouts, index * LAYOUT_BYTES));
  }

  /** A buffer of the shape for an input or output. */
  createBuffer(place: BufferPlace, tensor: NativeTensor, shape: readonly number[]): Handle {
    const { environment, compiledModel, signature, index } = place;
    const name =
      place.kind === 'input' ? 'LiteRtGetCompiledModelInputBufferRequirements' : 'LiteRtGetCompiledModelOutputBufferRequirements';
    const requirements = this.#get(name, compiledModel, signature, index);
    const type = Buffer.from(tensor.type);
    for (const [axis, size] of shape.entries()) type.writeInt32LE(size, 4 + DIMENSIONS_AT + 4 * axis);
    return this.#get('LiteRtCreateManagedTensorBufferFromRequirements', environment, type, requirements);
  }

  write(buffer: Handle, data: NativeData): void {
    const memory = this.#lock(buffer, LOCK.write);
    this.#c.memcpy(memory, data, data.byteLength);
    this.#call('LiteRtUnlockTensorBuffer', buffer);
  }

  /** Fills `data` from the buffer. */
  read(buffer: Handle, data: NativeData): void {
    const memory = this.#lock(buffer, LOCK.read);
    this.#c.memcpy(data, memory, data.byteLength);
    this.#call('LiteRtUnlockTensorBuffer', buffer);
  }

  /** Runs one signature on this thread. */
  runInline(compiledModel: Handle, signature: number, inputs: BigUint64Array, outputs: BigUint64Array): void {
    this.#call('LiteRtRunCompiledModel', compiledModel, signature, inputs.length, inputs, outputs.length, outputs);
  }

  /** Runs one signature on a thread of the pool; the event loop stays free. A compiled model takes one run at a time. */
  run(compiledModel: Handle, signature: number, inputs: BigUint64Array, outputs: BigUint64Array): Promise<void> {
    return new Promise((resolve, reject) => {
      const name = 'LiteRtRunCompiledModel';
      const done = (error: unknown, status: number): void => {
        if (error) reject(error);
        else if (status !== 0) reject(failure(name, status));
        else resolve();
      };
      this.#functions[name].async(compiledModel, signature, inputs.length, inputs, outputs.length, outputs, done);
    });
  }

  destroy(what: Destroyable, handle: Handle): void {
    this.#destroyers[what](handle);
  }

  #tensor(name: string, tensor: Handle): NativeTensor {
    const type = Buffer.alloc(4 + LAYOUT_BYTES);
    if (this.#count('LiteRtGetTensorTypeId', tensor) !== 0) return { name, elementType: 0, shape: [], type };
    this.#call('LiteRtGetRankedTensorType', tensor, type);
    const quantization = this.#quantization(tensor);
    return { name, elementType: type.readInt32LE(0), shape: readShape(type, 4), type, ...(quantization ? { quantization } : {}) };
  }

  #quantization(tensor: Handle): NativeTensor['quantization'] {
    if (this.#count('LiteRtGetQuantizationTypeId', tensor) !== PER_TENSOR_QUANTIZATION) return undefined;
    const values = Buffer.alloc(16);
    this.#call('LiteRtGetPerTensorQuantization', tensor, values);
    return { scale: values.readFloatLE(0), zeroPoint: Number(values.readBigInt64LE(8)) };
  }

  #lock(buffer: Handle, mode: number): Handle {
    const slot = new BigUint64Array(1);
    this.#call('LiteRtLockTensorBuffer', buffer, slot, mode);
    return slot[0] as Handle;
  }

  #text(name: StatusFunction, ...args: readonly unknown[]): string {
    return this.#decodeText(this.#get(name, ...args));
  }

  #count(name: StatusFunction, ...args: readonly unknown[]): number {
    return Number(this.#get(name, ...args));
  }

  /** Calls a function whose last argument is where it puts its result; narrower results leave the upper bytes zero. */
  #get(name: StatusFunction, ...args: readonly unknown[]): bigint {
    const slot = new BigUint64Array(1);
    this.#call(name, ...args, slot);
    return slot[0] as bigint;
  }

  #call(name: StatusFunction, ...args: readonly unknown[]): void {
    const status = this.#functions[name](...args) as number;
    if (status !== 0) throw failure(name, status);
  }
}

/** Which tensor a buffer is for. */
export interface BufferPlace {
  readonly kind: 'input' | 'output';
  readonly environment: Handle;
  readonly compiledModel: Handle;
  readonly signature: number;
  readonly index: number;
}

/**
 * Loads LiteRT into this process.
 * @param path The library file, whatever its name.
 * @throws EdgeError `E_MODEL_LOAD` when the file is missing, damaged, or does not fit this system.
 */
export async function loadLiteRt(path: string): Promise<LiteRt> {
  try {
    const koffi = await importKoffi();
    // Windows adds ".dll" to a name without an ending, unless the name ends in a dot (LoadLibrary, "Remarks").
    const library = koffi.load(process.platform === 'win32' ? `${path}.` : path);
    const c = koffi.load(C_LIBRARIES[process.platform] ?? 'libc.so.6');
    const functions: CLibrary = {
      memcpy: c.func('memcpy', 'void *', ['void *', 'void *', 'size_t']),
      strdup: c.func(process.platform === 'win32' ? '_strdup' : 'strdup', 'void *', ['str']),
      free: c.symbol('free') as Handle,
      atoi: c.symbol('atoi') as Handle,
    };
    return new LiteRt(library, functions, (address) => koffi.decode.string(address));
  } catch (error) {
    throw new EdgeError('E_MODEL_LOAD', {
      what: `cannot load LiteRT ${LITERT_VERSION} on ${process.platform}/${process.arch}`,
      expected: `the library of the package ai-edge-litert ${LITERT_VERSION} in ${path}`,
      found: error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error),
      hint: 'Run "nearside verify"; on Linux the library needs glibc 2.27 and libstdc++.',
      cause: error,
    });
  }
}

let imported: Promise<typeof Koffi> | undefined;

/** Koffi takes settings only before its first library. */
function importKoffi(): Promise<typeof Koffi> {
  imported ??= import('koffi').then(({ default: koffi }) => {
    koffi.config({ ...koffi.config(), sync_stack_size: STACK_BYTES, async_stack_size: STACK_BYTES });
    return koffi;
  });
  return imported;
}

const C_LIBRARIES: Readonly<Partial<Record<NodeJS.Platform, string>>> = { darwin: 'libSystem.B.dylib', win32: 'ucrtbase.dll' };

function failure(name: string, status: number): EdgeError {
  const [meaning, code] = STATUS[status] ?? ['unknown failure', 'E_MODEL_LOAD'];
  return new EdgeError(code, { what: `${name}: ${meaning} (LiteRtStatus ${status})` });
}

function readShape(layout: Buffer, at: number): number[] {
  const rank = layout.readUInt32LE(at) & RANK_MASK;
  return indexes(rank).map((axis) => Math.max(-1, layout.readInt32LE(at + DIMENSIONS_AT + 4 * axis)));
}

function indexes(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
