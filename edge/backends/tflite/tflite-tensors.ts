import type { CallOptions } from '#edge/contracts/backend.ts';
import type { Tensor, TensorDtype, TensorSpec } from '#edge/contracts/tensor.ts';
import { EdgeError } from '#edge/core/errors.ts';

/** One way to call a model. */
export interface Signature {
  readonly key: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** False when an input or output has a type (string, complex ...) that the tensor contract does not carry. */
  readonly carriesAllTypes: boolean;
}

/** A compiled model. Runs of it wait for each other; disposing it waits for those that are under way. */
export interface TfliteSession extends AsyncDisposable {
  /** Version of the library that runs it. */
  readonly version: string;
  /** Threads that a run takes. */
  readonly threads: number;
  readonly signatures: readonly Signature[];
  /**
   * Runs one signature.
   * @param index Of {@link signatures}.
   * @param inputs Must fit the signature.
   * @param wanted Names of the outputs to read; all when absent.
   * @throws EdgeError `E_CANCELLED`, `E_MEMORY_BUDGET` when memory ran out, `E_BAD_REQUEST` when the graph refuses the values.
   */
  run(
    index: number,
    inputs: Readonly<Record<string, Tensor>>,
    options?: CallOptions,
    wanted?: readonly string[],
  ): Promise<Record<string, Tensor>>;
}

/** An input or output of a signature as the file declares it. */
export interface DeclaredTensor {
  readonly name: string;
  /** `LiteRtElementType`, the numbers of TensorFlow Lite. */
  readonly elementType: number;
  /** -1 stands for a free dimension. */
  readonly shape: readonly number[];
  /** Real value = scale * (stored value - zeroPoint), where the whole tensor shares one scale. */
  readonly quantization?: { readonly scale: number; readonly zeroPoint: number };
}

export interface DeclaredSignature {
  readonly key: string;
  readonly inputs: readonly DeclaredTensor[];
  readonly outputs: readonly DeclaredTensor[];
}

/** Dtypes of the tensor contract by `LiteRtElementType`. */
const DTYPES: Readonly<Record<number, TensorDtype>> = {
  1: 'float32',
  2: 'int32',
  3: 'uint8',
  4: 'int64',
  6: 'bool',
  9: 'int8',
  10: 'float16',
};

/** A signature in the words of the tensor contract. */
export function describeSignature({ key, inputs, outputs }: DeclaredSignature): Signature {
  const [ins, outs] = [inputs.flatMap(toSpec), outputs.flatMap(toSpec)];
  return { key, inputs: ins, outputs: outs, carriesAllTypes: ins.length === inputs.length && outs.length === outputs.length };
}

function toSpec({ name, elementType, shape, quantization }: DeclaredTensor): TensorSpec[] {
  const dtype = DTYPES[elementType];
  return dtype === undefined ? [] : [{ name, dtype, shape, ...(quantization ? { quantization } : {}) }];
}

/** What carries the values of each dtype. */
export const ARRAYS = {
  float32: Float32Array,
  float16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const satisfies Readonly<Record<TensorDtype, new (length: number) => Tensor['data']>>;

/**
 * The signature that takes these inputs: the first one where all names, dtypes, ranks and fixed dimensions fit. That a tensor has as
 * many values as its shape says was checked for every backend before.
 * @throws EdgeError `E_BAD_REQUEST` that says what does not fit the first signature.
 */
export function findSignature(signatures: readonly Signature[], inputs: Readonly<Record<string, Tensor>>): number {
  const problems = signatures.map((signature) => misfit(signature.inputs, inputs));
  const found = problems.indexOf(undefined);
  if (found >= 0) return found;
  const first = problems[0] as Misfit;
  const others = signatures.length > 1 ? ` (signature "${signatures[0]?.key}"; ${signatures.length - 1} more do not fit either)` : '';
  throw new EdgeError('E_BAD_REQUEST', { ...first, what: first.what + others });
}

interface Misfit {
  readonly what: string;
  readonly expected: string;
  readonly found?: string;
}

function misfit(specs: readonly TensorSpec[], inputs: Readonly<Record<string, Tensor>>): Misfit | undefined {
  const names = specs.map((spec) => spec.name);
  const unknown = Object.keys(inputs).find((name) => !names.includes(name));
  if (unknown !== undefined) return { what: `the model has no input "${unknown}"`, expected: `inputs ${names.join(', ')}` };
  for (const spec of specs) {
    const tensor = inputs[spec.name];
    if (!tensor) return { what: `input "${spec.name}" is missing`, expected: describe(spec) };
    if (!fits(spec, tensor)) return { what: `input "${spec.name}" does not fit`, expected: describe(spec), found: describe(tensor) };
    if (!(tensor.data instanceof ARRAYS[spec.dtype])) {
      return {
        what: `input "${spec.name}" has other data than its dtype`,
        expected: ARRAYS[spec.dtype].name,
        found: tensor.data.constructor.name,
      };
    }
  }
  return undefined;
}

function fits(spec: TensorSpec, { dtype, shape }: Tensor): boolean {
  return (
    dtype === spec.dtype && shape.length === spec.shape.length && spec.shape.every((size, axis) => size === -1 || size === shape[axis])
  );
}

function describe({ dtype, shape }: Pick<TensorSpec, 'dtype' | 'shape'>): string {
  return `${dtype} [${shape.map((size) => (size === -1 ? 'any' : size)).join(', ')}]`;
}
