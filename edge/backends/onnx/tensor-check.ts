import { TENSOR_DTYPES, type Tensor, type TensorDtype, type TensorSpec } from '#edge/contracts/tensor.ts';
import { EdgeError } from '#edge/core/errors.ts';

const ARRAY_OF = {
  float32: Float32Array,
  float16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const satisfies Record<TensorDtype, unknown>;

/** True for a dtype that crosses the tensor contract. */
export function isTensorDtype(dtype: string): dtype is TensorDtype {
  return (TENSOR_DTYPES as readonly string[]).includes(dtype);
}

/**
 * Compares named inputs with what the model declares: names, dtypes, ranks, fixed dimensions, lengths.
 * @throws EdgeError `E_BAD_REQUEST` that names the input.
 */
export function checkInputs(specs: readonly TensorSpec[], inputs: Readonly<Record<string, Tensor>>): void {
  const names = specs.map((spec) => spec.name);
  for (const name of Object.keys(inputs)) {
    if (!names.includes(name)) throw bad(`the model has no input "${name}"`, `inputs ${names.join(', ')}`);
  }
  for (const spec of specs) {
    const tensor = inputs[spec.name];
    if (!tensor) throw bad(`input "${spec.name}" is missing`, describe(spec.dtype, spec.shape));
    checkTensor(spec, tensor);
  }
}

function checkTensor(spec: TensorSpec, tensor: Tensor): void {
  const what = `input "${spec.name}" does not fit`;
  const expected = describe(spec.dtype, spec.shape);
  if (tensor.dtype !== spec.dtype) throw bad(what, expected, describe(tensor.dtype, tensor.shape));
  const sameRank = tensor.shape.length === spec.shape.length;
  const fits = spec.shape.every((size, axis) => size === -1 || size === tensor.shape[axis]);
  if (!sameRank || !fits || tensor.shape.some((size) => !Number.isInteger(size) || size < 0)) {
    throw bad(what, expected, describe(tensor.dtype, tensor.shape));
  }
  const Expected = ARRAY_OF[tensor.dtype];
  if (!(tensor.data instanceof Expected)) throw bad(what, `${tensor.dtype} data in a ${Expected.name}`, tensor.data?.constructor?.name);
  const length = tensor.shape.reduce((product, size) => product * size, 1);
  if (tensor.data.length !== length) throw bad(what, `${length} values for shape [${tensor.shape.join(', ')}]`, String(tensor.data.length));
}

function describe(dtype: string, shape: readonly number[]): string {
  return `${dtype} [${shape.map((size) => (size === -1 ? 'any' : size)).join(', ')}]`;
}

function bad(what: string, expected: string, found?: string): EdgeError {
  return new EdgeError('E_BAD_REQUEST', { what, expected, ...(found === undefined ? {} : { found }) });
}
