import type { BackendId } from '#edge/contracts/backend.ts';
import type { ModelCard, ModelVariant } from '#edge/contracts/model.ts';
import type { MemoryEstimate } from '#edge/contracts/plan.ts';
import { packagedProvider } from './binaries.ts';
import { isWeightOnly } from './device-rates.ts';

const MIB = 1024 * 1024;

/** llama.cpp pads a sequence's cache to this many tokens. */
const CACHE_PADDING = 256;

/** Tokens that are evaluated at once; encoders are planned for texts of this length, the longest that the API takes. */
const LONGEST_BATCH = 512;

/**
 * Resident size of an engine child with its native library and a small model's graph, without what the model adds below:
 * Node.js alone takes 44 to 62 MiB, with the system's page cache.
 */
const RUNTIME_BYTES: Readonly<Record<BackendId, number>> = {
  llama: 145 * MIB,
  onnx: 112 * MIB,
  tflite: 92 * MIB,
  remote: 60 * MIB,
  fake: 50 * MIB,
};

/** A CUDA context with cuBLAS; 200 to 600 MiB by driver and GPU. */
const CUDA_CONTEXT_BYTES = 300 * MIB;

/** What one entry of the vocabulary takes: GGUF's tables twice, for the library and its binding, or a `tokenizer.json`. */
const VOCABULARY_ENTRY_BYTES = { gguf: 570, json: 400 } as const;

/**
 * Tensors of a graph that is no transformer, at most: the feature maps of a picture of 224 x 224, and 64 MiB of answered messages,
 * which V8 lets lie so long (`kExternalAllocationSoftLimit`).
 */
const MOST_TENSOR_BYTES = (22 + 64) * MIB;

/** Bytes of those a multiplication, of graphs that stay below: pictures at 146 million fill it, sounds at 0.6 million do not. */
const TENSOR_BYTES_A_MULTIPLICATION = 0.6;

/** Vocabulary sizes as published in the models' configurations, for cards that do not tell theirs. */
const VOCABULARY_BY_FAMILY: Readonly<Record<string, number>> = {
  smollm: 49_152,
  llama: 128_256,
  qwen: 151_936,
  phi: 200_064,
  gemma: 262_144,
  'xlm-roberta': 250_002,
  bert: 30_522,
  nomic: 30_528,
};
const USUAL_VOCABULARY = 128_256;

export interface MemoryQuestion {
  readonly card: ModelCard;
  readonly variant: ModelVariant;
  readonly backend: BackendId;
  readonly provider: string;
  readonly contextTokens: number;
  readonly sequences: number;
}

/**
 * Bytes that one loaded variant takes at most, by formula; nothing is read. Constants are fitted to resident sizes of engine
 * children after texts of full length (`test/planner/memory.test.ts` has them), which the formula meets within 15 %.
 */
export function estimateMemory(question: MemoryQuestion): MemoryEstimate {
  const weightsBytes = weightsOf(question.variant);
  const kvBytes = question.backend === 'llama' ? cacheBytes(question) : 0;
  const computeBytes = Math.ceil(question.backend === 'llama' ? llamaBytes(question) : graphBytes(question, weightsBytes));
  const runtimeBytes = RUNTIME_BYTES[question.backend] + (packagedProvider(question.provider) === 'cuda' ? CUDA_CONTEXT_BYTES : 0);
  return { weightsBytes, kvBytes, computeBytes, runtimeBytes, totalBytes: weightsBytes + kvBytes + computeBytes + runtimeBytes };
}

/** Bytes of the files that hold weights. */
export function weightsOf(variant: ModelVariant): number {
  return variant.files.filter(({ role }) => role === 'weights').reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Entries of a model's vocabulary; 0 for a model of no text. */
export function vocabularyOf({ architecture, family, task }: ModelCard): number {
  if (architecture.vocabularySize !== undefined) return architecture.vocabularySize;
  if (task === 'tensor') return 0;
  const name = family.toLowerCase();
  return Object.entries(VOCABULARY_BY_FAMILY).find(([prefix]) => name.startsWith(prefix))?.[1] ?? USUAL_VOCABULARY;
}

/** Weights that a token is multiplied with: all but the table of the vocabulary, which is only looked up (or left out of a prompt). */
export function matrixWeights(card: ModelCard): number {
  const table = vocabularyOf(card) * card.architecture.hiddenSize;
  return Math.max(card.parameters - table, card.parameters / 10);
}

/** Largest context, in tokens, with which the variant takes at most `budgetBytes`; undefined when not even the least one fits. */
export function largestContext(question: MemoryQuestion, budgetBytes: number): number | undefined {
  const perToken = question.card.architecture.kvBytesPerToken * question.sequences;
  if (question.backend !== 'llama' || perToken === 0) return undefined;
  const { totalBytes, kvBytes } = estimateMemory(question);
  const tokens = Math.floor((budgetBytes - (totalBytes - kvBytes)) / perToken / CACHE_PADDING) * CACHE_PADDING;
  return tokens >= CACHE_PADDING ? Math.min(tokens, question.card.contextTokens) : undefined;
}

/** Key-value cache: every sequence has its own, padded. */
function cacheBytes({ card, contextTokens, sequences }: MemoryQuestion): number {
  const padded = Math.ceil(contextTokens / CACHE_PADDING) * CACHE_PADDING;
  return sequences * padded * card.architecture.kvBytesPerToken;
}

/**
 * llama.cpp: the vocabulary, and a compute buffer of `4 * n_ubatch * (2 * n_ff + 6 * n_embd)`. A generator gives scores of
 * the vocabulary for its last token alone. An encoder holds them for every token, and the attention scores twice, for
 * encoders run without flash attention.
 */
function llamaBytes({ card, contextTokens }: MemoryQuestion): number {
  const vocabulary = vocabularyOf(card);
  const batch = Math.min(LONGEST_BATCH, contextTokens);
  const encoder = card.task === 'generate' ? 0 : 4 * batch * vocabulary + 2 * attentionBytes(card, batch);
  const perToken = 2 * feedForwardOf(card) + 6 * card.architecture.hiddenSize;
  return vocabulary * VOCABULARY_ENTRY_BYTES.gguf + 4 * batch * perToken + encoder;
}

/**
 * ONNX and TFLite hold the tokenizer and the activations of one text of full length: feed-forward layer and attention
 * scores, input and output. ONNX Runtime keeps weights a second time in the layout of its kernels, and an arena that grows
 * by doubling; TFLite plans its arena to the byte and packs the weights of a file that stays mapped.
 */
function graphBytes({ card, variant, backend }: MemoryQuestion, weightsBytes: number): number {
  const packedBytes = backend === 'onnx' ? packedWeightBytes(card, variant, weightsBytes) : 0;
  if (card.architecture.hiddenSize === 0) return packedBytes + tensorBytes(card);
  const tokens = Math.min(card.contextTokens, LONGEST_BATCH);
  const activationBytes = 2 * (4 * tokens * feedForwardOf(card) + attentionBytes(card, tokens));
  const arenaBytes = backend === 'onnx' ? 2 * activationBytes : activationBytes;
  return packedBytes + arenaBytes + vocabularyOf(card) * VOCABULARY_ENTRY_BYTES.json;
}

/** Weights that are multiplied as floats become floats when the graph is loaded, all of them, and the matrices a second time. */
function packedWeightBytes(card: ModelCard, variant: ModelVariant, weightsBytes: number): number {
  return isWeightOnly(variant) ? 4 * (card.parameters + matrixWeights(card)) : weightsBytes;
}

function tensorBytes({ architecture: { multiplyAdds = Number.POSITIVE_INFINITY } }: ModelCard): number {
  return Math.min(MOST_TENSOR_BYTES, multiplyAdds * TENSOR_BYTES_A_MULTIPLICATION);
}

/** Scores of every pair of tokens in one layer. */
function attentionBytes({ architecture }: ModelCard, tokens: number): number {
  const heads = architecture.attentionHeads ?? Math.ceil(architecture.hiddenSize / 32);
  return 4 * heads * tokens * tokens;
}

function feedForwardOf({ architecture }: ModelCard): number {
  return architecture.feedForwardSize ?? 4 * architecture.hiddenSize;
}
