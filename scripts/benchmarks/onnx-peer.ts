/** Embeddings by ONNX Runtime called directly: what a program without Nearside would do, in its shortest form. */
import { loadOnnxRuntime, type NativeTensor } from '#edge/backends/onnx/onnx-native.ts';
import { sessionOptions } from '#edge/backends/onnx/onnx-options.ts';
import { readTokenizer } from '#edge/backends/onnx/tokenizer.ts';
import type { LoadSpec } from '#edge/contracts/backend.ts';
import { EdgeError } from '#edge/core/errors.ts';

/** Same library, file, options and tokenizer as the engine; one run a text, mean of the tokens, unit length. */
export async function openOnnxPeer(spec: LoadSpec): Promise<(texts: readonly string[]) => Promise<Float32Array[]>> {
  const { weights, tokenizer: tokenizerFile } = spec.stored.files;
  if (!weights || !tokenizerFile) throw new EdgeError('E_MODEL_NOT_STORED', { what: `${spec.stored.model} lacks a file` });
  const ort = await loadOnnxRuntime();
  const session = await ort.InferenceSession.create(weights, sessionOptions(spec));
  const tokenizer = await readTokenizer(tokenizerFile, spec.contextTokens);
  const prefix = spec.embedding?.passagePrefix ?? '';
  const embed = async (text: string): Promise<Float32Array> => {
    const { ids, typeIds } = tokenizer.encode(prefix + text);
    const tensor = (values: readonly number[]): NativeTensor =>
      new ort.Tensor('int64', BigInt64Array.from(values, BigInt), [1, values.length]);
    const feeds = { input_ids: tensor(ids), attention_mask: tensor(ids.map(() => 1)), token_type_ids: tensor(typeIds) };
    const { data, dims } = (await session.run(feeds)).last_hidden_state as NativeTensor;
    return unitMean(data as Float32Array, ids.length, dims[2] as number);
  };
  return async (texts) => {
    const vectors: Float32Array[] = [];
    for (const text of texts) vectors.push(await embed(text));
    return vectors;
  };
}

function unitMean(data: Float32Array, tokens: number, size: number): Float32Array {
  const sum = new Float32Array(size);
  for (let token = 0; token < tokens; token++) {
    for (let i = 0; i < size; i++) sum[i] = (sum[i] as number) + (data[token * size + i] as number);
  }
  let squares = 0;
  for (let i = 0; i < size; i++) squares += (sum[i] as number) ** 2;
  const length = Math.sqrt(squares);
  for (let i = 0; i < size; i++) sum[i] = (sum[i] as number) / length;
  return sum;
}
