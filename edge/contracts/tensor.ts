import type { EngineRef } from './parts.ts';

export const TENSOR_DTYPES = ['float32', 'float16', 'int64', 'int32', 'int8', 'uint8', 'bool'] as const;
export type TensorDtype = (typeof TENSOR_DTYPES)[number];

/** A dense tensor, row-major. `float16` travels as raw bits, `bool` as 0/1. */
export interface Tensor {
  readonly dtype: TensorDtype;
  readonly shape: readonly number[];
  readonly data: Float32Array | Uint16Array | BigInt64Array | Int32Array | Int8Array | Uint8Array;
}

export interface TensorSpec {
  readonly name: string;
  readonly dtype: TensorDtype;
  /** -1 stands for a free dimension. */
  readonly shape: readonly number[];
  /** Of a quantised tensor: real value = scale * (stored value - zeroPoint). */
  readonly quantization?: { readonly scale: number; readonly zeroPoint: number };
}

/** Runs a model on raw tensors: vision, audio, anything that is not text. */
export interface TensorRequest {
  readonly model: string;
  readonly inputs: Readonly<Record<string, Tensor>>;
}

export interface TensorResponse {
  readonly outputs: Readonly<Record<string, Tensor>>;
  readonly engine: EngineRef;
}
