/**
 * LiteRT as WebAssembly, for platforms without its native library: the only module that speaks to it. Of the npm package
 * `@litertjs/core` two files are used, `wasm/litert_wasm_internal.wasm` and the JavaScript that Emscripten made for it; the package's
 * own JavaScript is written for web pages and takes three dtypes only. What the classes below offer is what that file binds.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { compileFunction } from 'node:vm';
import { EdgeError } from '#edge/core/errors.ts';

/** The release whose bindings this module speaks: the one that `models/libraries/litertjs.json` pins. */
export const LITERT_JS_VERSION = '2.5.3';

/** An object in the memory of the library; what is not deleted lives as long as the library. */
interface Deletable {
  delete(): void;
}

interface Vector<T> extends Deletable {
  size(): number;
  get(index: number): T;
  push_back(value: T): void;
}

interface EnumValue {
  readonly value: number;
}

interface TensorType extends Deletable {
  elementType(): EnumValue;
  layout(): Deletable & { dimensions(): Vector<number> };
  /** Throws for free dimensions and for strings. */
  bytes(): number;
}

export interface WasmBuffer extends Deletable {
  /** Returns the address of the content. */
  lock(mode: EnumValue): number;
  unlock(): void;
  tensorType(): TensorType;
  packedSize(): number;
}

export interface WasmModel extends Deletable {
  getNumSignatures(): number;
  getSignature(index: number): Deletable & { key(): string; inputNames(): Vector<string>; outputNames(): Vector<string> };
  getInputTensorType(signature: number, index: number): TensorType;
  getOutputTensorType(signature: number, index: number): TensorType;
}

export interface WasmCompiledModel extends Deletable {
  run(signature: number, inputs: readonly WasmBuffer[]): readonly WasmBuffer[] | Promise<readonly WasmBuffer[]>;
}

/** What the Emscripten module binds, as far as it is used. */
export interface LiteRtWasm {
  /** The whole memory; another array after it grew. */
  readonly HEAPU8: Uint8Array;
  _malloc(bytes: number): number;
  readonly LiteRtEnvironment: { create(webGpuDevice: null): Deletable };
  loadModel(environment: Deletable, address: number, bytes: number): WasmModel;
  compileModel(
    environment: Deletable,
    model: WasmModel,
    options: { readonly accelerator: 'wasm'; readonly cpuOptions: { readonly numThreads: number } },
  ): WasmCompiledModel | Promise<WasmCompiledModel>;
  readonly LiteRtTensorBuffer: {
    createManaged(environment: Deletable, kind: EnumValue, type: TensorType, bytes: number): WasmBuffer;
  };
  readonly LiteRtTensorBufferType: { readonly HOST_MEMORY: EnumValue };
  readonly LiteRtTensorBufferLockMode: { readonly READ: EnumValue; readonly WRITE: EnumValue };
}

type ModuleFactory = (options: {
  readonly wasmBinary: Uint8Array;
  readonly print: (line: string) => void;
  readonly printErr: (line: string) => void;
}) => Promise<LiteRtWasm>;

/** Each load writes some ten lines of these levels. */
const CHATTER = /^(VERBOSE|INFO|WARNING): /;

/**
 * Loads an instance of its own: its memory, which never shrinks, goes when nothing refers to it any more.
 * @param library The `.wasm` file, whatever its name.
 * @param loader The JavaScript beside it.
 * @throws EdgeError `E_MODEL_LOAD` when a file is missing, damaged, or asks for more than this Node.js has (relaxed SIMD).
 */
export async function loadWasm(library: string, loader: string): Promise<LiteRtWasm> {
  const complain = (line: string): void => {
    if (!CHATTER.test(line)) process.stderr.write(`${line}\n`);
  };
  try {
    const factory = evaluate(await readFile(loader, 'utf8'), loader);
    return await factory({ wasmBinary: await readFile(library), print: complain, printErr: complain });
  } catch (error) {
    throw new EdgeError('E_MODEL_LOAD', {
      what: `cannot load LiteRT.js ${LITERT_JS_VERSION} on ${process.platform}/${process.arch}`,
      expected: `the files of the package @litertjs/core ${LITERT_JS_VERSION} in ${library} and ${loader}, and WebAssembly with relaxed SIMD`,
      found: messageOf(error),
      hint: 'Run "nearside verify".',
      cause: error,
    });
  }
}

/** The loader is a CommonJS module in a file of any name; `require` would go by the name. */
function evaluate(text: string, path: string): ModuleFactory {
  const module: { exports: unknown } = { exports: {} };
  const run = compileFunction(text, ['module', 'exports', 'require', '__dirname'], { filename: path });
  run(module, module.exports, createRequire(import.meta.url), dirname(path));
  if (typeof module.exports !== 'function') {
    throw new EdgeError('E_MODEL_LOAD', { what: path, expected: 'a module that exports a function', found: typeof module.exports });
  }
  return module.exports as ModuleFactory;
}

/** The first line of what the library or the engine of WebAssembly says. */
export function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
}

/** Reads a vector and deletes it. */
export function valuesOf<T>(vector: Vector<T>): readonly T[] {
  const values = Array.from({ length: vector.size() }, (_, index) => vector.get(index));
  vector.delete();
  return values;
}
