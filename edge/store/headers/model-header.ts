/** What a model file says of itself before anything is loaded. */
import type { EmbeddingProfile, ModelFormat } from '#edge/contracts/model.ts';

/** An input or output of a graph. */
export interface GraphTensor {
  readonly name: string;
  /** Field's usual name, such as `float32` or `int64`. */
  readonly dtype: string;
  /** -1 stands for a free dimension. */
  readonly shape: readonly number[];
}

/** What a GGUF file states about its transformer; 0 where the file does not say. */
export interface TransformerFacts {
  /** `general.architecture`, such as `llama` or `bert`. */
  readonly architecture: string;
  readonly layers: number;
  readonly hiddenSize: number;
  readonly attentionHeads: number;
  /** Key-value heads of the layer that has most of them. */
  readonly keyValueHeads: number;
  /** Numbers of one head's key and value. */
  readonly keyLength: number;
  readonly valueLength: number;
  /** Width of the widest feed-forward layer. */
  readonly feedForwardSize: number;
  readonly vocabularySize: number;
  /** Tokens it was trained for. */
  readonly contextTokens: number;
  /** Tokens that layers with a sliding window look back at; absent when no layer has one. */
  readonly slidingWindow?: number;
  /** Key-value cache bytes a token at F16 with every layer caching the whole context; 0 for an encoder. */
  readonly kvBytesPerToken: number;
  /** False for an encoder, which sees the text before and after a token. */
  readonly causal: boolean;
  /** How the file turns token vectors into one; `rank` is a reranker's score. Absent for a generator. */
  readonly pooling?: EmbeddingProfile['pooling'] | 'rank';
  readonly hasChatTemplate: boolean;
}

/** What can be known of a model file without loading it. */
export interface ModelHeader {
  readonly format: ModelFormat;
  /** Name that the file gives its model, or the empty string. */
  readonly modelName: string;
  /** Bytes of the file. */
  readonly fileBytes: number;
  /** Bytes of all weights, by dtype (`Q4_1`, `int8`, `float32` ...). */
  readonly weightBytesByDtype: Readonly<Record<string, number>>;
  readonly weightBytes: number;
  /** Numbers that the weights hold. */
  readonly parameters: number;
  readonly bitsPerWeight: number;
  /** `Q4_K_M`, `int8-dynamic`, `fp32` ...: the file's own word, else the dtype of most bytes. */
  readonly quantisation: string;
  /** GGUF only. */
  readonly transformer?: TransformerFacts;
  /** ONNX and TFLite; those of the signature of a TFLite file that takes most. */
  readonly inputs: readonly GraphTensor[];
  readonly outputs: readonly GraphTensor[];
  /** Named entry points (TFLite). */
  readonly signatures: readonly string[];
  /** Kinds of quantised operators in the graph (ONNX), such as `MatMulInteger`. */
  readonly quantisedOperators: readonly string[];
  /** Attention layers of the graph, told by their operators (ONNX and TFLite; of the first graph of a TFLite file). */
  readonly attentionLayers: number;
  /** Rows and columns of the largest table of weights (ONNX and TFLite): of a text encoder, its vocabulary by its width. */
  readonly largestTable?: readonly [rows: number, columns: number];
  /** Why a sound file cannot be run all the same, such as `part 1 of 3 of a split model`. */
  readonly unusable?: string;
}

/** Weights as a reader adds them up. */
export class WeightTally {
  readonly #bytes = new Map<string, number>();
  #largestTable: readonly [number, number] = [0, 0];
  parameters = 0;

  add(dtype: string, shape: readonly number[], bytes: number): void {
    this.#bytes.set(dtype, (this.#bytes.get(dtype) ?? 0) + bytes);
    this.parameters += countElements(shape);
    const [rows, columns] = shape;
    const [mostRows, mostColumns] = this.#largestTable;
    if (shape.length === 2 && rows && columns && rows * columns > mostRows * mostColumns) this.#largestTable = [rows, columns];
  }

  /** Absent when no weight has two dimensions. */
  get largestTable(): readonly [number, number] | undefined {
    return this.#largestTable[0] > 0 ? this.#largestTable : undefined;
  }

  get bytes(): number {
    return this.#bytes.values().reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Dtype that holds most bytes; `none` without weights. */
  get dominant(): string {
    return [...this.#bytes].sort(([, a], [, b]) => b - a)[0]?.[0] ?? 'none';
  }

  /** The fields of {@link ModelHeader} that come from it. */
  summary(): Pick<ModelHeader, 'weightBytesByDtype' | 'weightBytes' | 'parameters' | 'bitsPerWeight'> {
    const { bytes, parameters } = this;
    return {
      weightBytesByDtype: Object.fromEntries(this.#bytes),
      weightBytes: bytes,
      parameters,
      bitsPerWeight: parameters === 0 ? 0 : (8 * bytes) / parameters,
    };
  }
}

/** Numbers in a tensor of a shape. */
export function countElements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
