import type { EngineInfo } from '#edge/contracts/backend.ts';
import type { Tensor, TensorDtype, TensorSpec } from '#edge/contracts/tensor.ts';

/** What fills element `i` of every input of a golden tensor case. */
const PERIOD = 17;

/** Every input of an engine, filled; none for an engine that names no inputs. */
export function goldenInputs({ inputs = [] }: EngineInfo): Readonly<Record<string, Tensor>> {
  return Object.fromEntries(inputs.map((spec) => [spec.name, goldenInput(spec)]));
}

/**
 * An input that is the same everywhere: real value `(i % 17) / 17`, in the stored form where the tensor is quantised; other integers
 * count `i % 17`, booleans alternate. A free dimension becomes 1.
 */
export function goldenInput(spec: TensorSpec): Tensor {
  const shape = spec.shape.map((size) => (size < 0 ? 1 : size));
  const length = shape.reduce((product, size) => product * size, 1);
  return { dtype: spec.dtype, shape, data: fill(spec, length) };
}

function fill({ dtype, quantization }: TensorSpec, length: number): Tensor['data'] {
  const real = (i: number): number => (i % PERIOD) / PERIOD;
  const whole = (i: number): number => (quantization ? Math.round(real(i) / quantization.scale) + quantization.zeroPoint : i % PERIOD);
  switch (dtype) {
    case 'float32':
      return Float32Array.from({ length }, (_, i) => real(i));
    case 'float16':
      return new Uint16Array(Float16Array.from({ length }, (_, i) => real(i)).buffer);
    case 'int64':
      return BigInt64Array.from({ length }, (_, i) => BigInt(whole(i)));
    case 'int32':
      return Int32Array.from({ length }, (_, i) => whole(i));
    case 'int8':
      return Int8Array.from({ length }, (_, i) => whole(i));
    case 'uint8':
      return Uint8Array.from({ length }, (_, i) => whole(i));
    case 'bool':
      return Uint8Array.from({ length }, (_, i) => i % 2);
  }
}

/** The first `count` values of a tensor as real numbers. */
export function realValues({ dtype, data }: Tensor, count: number, quantization?: TensorSpec['quantization']): readonly number[] {
  const head: ArrayLike<number | bigint> = dtype === 'float16' ? new Float16Array(data.slice(0, count).buffer) : data.slice(0, count);
  const { scale, zeroPoint } = quantization ?? { scale: 1, zeroPoint: 0 };
  return Array.from(head, (value) => scale * (Number(value) - zeroPoint));
}

/** True for a type that can hold NaN. */
export function isFloating(dtype: TensorDtype): boolean {
  return dtype === 'float32' || dtype === 'float16';
}
