import type { BackendId } from '#edge/contracts/backend.ts';
import type { ModelCard, ModelVariant } from '#edge/contracts/model.ts';
import type { MemoryEstimate } from '#edge/contracts/plan.ts';

const MIB = 1024 * 1024;

/** llama.cpp pads a sequence's cache to this many tokens. */
const CACHE_PADDING = 256;

/** Tokens that llama.cpp evaluates at once. */
const MICRO_BATCH = 512;

/** Resident size of an engine child (bare Node.js 44 MiB) with the native library in it. */
const RUNTIME_BYTES: Readonly<Record<BackendId, number>> = {
  llama: 60 * MIB,
  onnx: 96 * MIB,
  tflite: 64 * MIB,
  remote: 60 * MIB,
  fake: 50 * MIB,
};

/** A CUDA context with cuBLAS; 200 to 600 MiB by driver and GPU. */
const CUDA_CONTEXT_BYTES = 300 * MIB;

/** Vocabulary sizes as published in the models' configurations; the file's own header is exact but needs the file. */
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

/** Bytes that one loaded variant takes, by formula; nothing is read. */
export function estimateMemory(question: MemoryQuestion): MemoryEstimate {
  const weightsBytes = weightsOf(question.variant);
  const kvBytes = question.backend === 'llama' ? cacheBytes(question) : 0;
  const computeBytes = question.backend === 'llama' ? llamaComputeBytes(question) : graphBytes(question, weightsBytes);
  const runtimeBytes = RUNTIME_BYTES[question.backend] + (question.provider === 'cuda' ? CUDA_CONTEXT_BYTES : 0);
  return { weightsBytes, kvBytes, computeBytes, runtimeBytes, totalBytes: weightsBytes + kvBytes + computeBytes + runtimeBytes };
}

/** Bytes of the files that hold weights. */
export function weightsOf(variant: ModelVariant): number {
  return variant.files.filter(({ role }) => role === 'weights').reduce((sum, { bytes }) => sum + bytes, 0);
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
 * llama.cpp's compute buffer: `4 * n_ubatch * (n_vocab + 2 * n_ff + 6 * n_embd)`, with the feed-forward width taken as
 * four times the hidden size. An encoder has no output layer over the vocabulary.
 */
function llamaComputeBytes({ card, contextTokens }: MemoryQuestion): number {
  const { hiddenSize, kvBytesPerToken } = card.architecture;
  const batch = Math.min(MICRO_BATCH, contextTokens);
  const vocabulary = kvBytesPerToken > 0 ? vocabularyOf(card.family) : 0;
  return 4 * batch * (vocabulary + 8 * hiddenSize + 6 * hiddenSize);
}

/** Entries of a family's vocabulary. */
export function vocabularyOf(family: string): number {
  const name = family.toLowerCase();
  return Object.entries(VOCABULARY_BY_FAMILY).find(([prefix]) => name.startsWith(prefix))?.[1] ?? USUAL_VOCABULARY;
}

/**
 * ONNX and TFLite: weights are held a second time in the layout of the kernels; activations are the feed-forward layer
 * and the attention scores of one text of full length, input and output at four bytes, in an arena that grows by doubling.
 * Checked: e5-small-v2 int8 takes 241 MiB resident after texts of 512 tokens, the formula says 223.
 */
function graphBytes({ card }: MemoryQuestion, weightsBytes: number): number {
  const { hiddenSize } = card.architecture;
  const tokens = Math.min(card.contextTokens, MICRO_BATCH);
  const attentionHeads = Math.ceil(hiddenSize / 32);
  const activationBytes = 2 * 4 * (tokens * 4 * hiddenSize + attentionHeads * tokens * tokens);
  return weightsBytes + 2 * activationBytes;
}
