/** The last hidden state of one batch, row-major `[texts, tokens, size]`. */
export interface HiddenStates {
  readonly data: Float32Array;
  /** Tokens a text, padding included. */
  readonly tokens: number;
  readonly size: number;
}

/** One vector for text `text` of the batch, over its first `length` tokens. */
export function pool(hidden: HiddenStates, text: number, length: number, pooling: 'mean' | 'cls' | 'last'): Float32Array {
  if (pooling === 'cls') return tokenRow(hidden, text, 0).slice();
  if (pooling === 'last') return tokenRow(hidden, text, length - 1).slice();
  const { data, tokens, size } = hidden;
  const sum = new Float64Array(size);
  for (let token = 0; token < length; token++) {
    const start = (text * tokens + token) * size;
    for (let i = 0; i < size; i++) sum[i] = (sum[i] as number) + (data[start + i] as number);
  }
  const mean = new Float32Array(size);
  for (let i = 0; i < size; i++) mean[i] = (sum[i] as number) / length;
  return mean;
}

/** Unit vectors of tokens `[first, end)` of text `text`, row-major. */
export function tokenVectors(hidden: HiddenStates, text: number, first: number, end: number): Float32Array {
  const vectors = new Float32Array((end - first) * hidden.size);
  for (let token = first; token < end; token++) {
    const target = vectors.subarray((token - first) * hidden.size, (token - first + 1) * hidden.size);
    target.set(tokenRow(hidden, text, token));
    normalize(target);
  }
  return vectors;
}

/** Scales to unit length in place; a zero vector stays zero. */
export function normalize(vector: Float32Array): Float32Array {
  let squares = 0;
  for (let i = 0; i < vector.length; i++) squares += (vector[i] as number) ** 2;
  const length = Math.sqrt(squares);
  if (length > 0) for (let i = 0; i < vector.length; i++) vector[i] = (vector[i] as number) / length;
  return vector;
}

function tokenRow(hidden: HiddenStates, text: number, token: number): Float32Array {
  const start = (text * hidden.tokens + token) * hidden.size;
  return hidden.data.subarray(start, start + hidden.size);
}
