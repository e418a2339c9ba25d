import { TENSOR_DTYPES, type Tensor, type TensorDtype, type TensorSpec } from '#edge/contracts/tensor.ts';
import { EdgeError } from '#edge/core/errors.ts';

/** True for a dtype that crosses the tensor contract. */
export function isTensorDtype(dtype: string): dtype is TensorDtype {
  return (TENSOR_DTYPES as readonly string[]).includes(dtype);
}

/**
 * Compares named inputs with what the model declares: names, dtypes, ranks, fixed dimensions. That a tensor's data fits
 * its own shape was checked for every backend before.
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
  const sameRank = tensor.shape.length === spec.shape.length;
  const fits = spec.shape.every((size, axis) => size === -1 || size === tensor.shape[axis]);
  if (tensor.dtype === spec.dtype && sameRank && fits) return;
  throw bad(`input "${spec.name}" does not fit`, describe(spec.dtype, spec.shape), describe(tensor.dtype, tensor.shape));
}

function describe(dtype: string, shape: readonly number[]): string {
  return `${dtype} [${shape.map((size) => (size === -1 ? 'any' : size)).join(', ')}]`;
}

function bad(what: string, expected: string, found?: string): EdgeError {
  return new EdgeError('E_BAD_REQUEST', { what, expected, ...(found === undefined ? {} : { found }) });
}
