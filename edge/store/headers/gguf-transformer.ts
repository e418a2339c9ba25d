import type { GgufMetadata } from './gguf-metadata.ts';
import type { TransformerFacts } from './model-header.ts';

const F16_BYTES = 2;

/** `llama_pooling_type` in `llama.h`; 0 is none. */
const POOLINGS = { 1: 'mean', 2: 'cls', 3: 'last', 4: 'rank' } as const;

/** Architectures that are encoders even where a file does not say `attention.causal`. */
const ENCODERS = /bert|^t5encoder$/;

/** What the metadata says of the transformer. `embeddingRows` stands in where the vocabulary's size is not stated. */
export function transformerFacts(metadata: GgufMetadata, embeddingRows: number | undefined): TransformerFacts {
  const architecture = metadata.text('general.architecture');
  const size = (name: string): number => metadata.size(`${architecture}.${name}`) ?? 0;
  const largest = (name: string): number => Math.max(0, ...(metadata.sizes(`${architecture}.${name}`) ?? [size(name)]));

  const layers = size('block_count');
  const hiddenSize = size('embedding_length');
  const attentionHeads = largest('attention.head_count');
  const perHead = attentionHeads === 0 ? 0 : Math.floor(hiddenSize / attentionHeads);
  const keyLength = size('attention.key_length') || perHead;
  const valueLength = size('attention.value_length') || perHead;
  const slidingWindow = size('attention.sliding_window');
  const pooling = POOLINGS[size('pooling_type') as keyof typeof POOLINGS];
  const causal = metadata.size(`${architecture}.attention.causal`) !== 0 && !ENCODERS.test(architecture);
  const heads = keyValueHeads(metadata, architecture, layers, attentionHeads);
  return {
    architecture,
    layers,
    hiddenSize,
    attentionHeads,
    keyValueHeads: heads.most,
    keyLength,
    valueLength,
    feedForwardSize: largest('feed_forward_length'),
    vocabularySize: size('vocab_size') || metadata.length('tokenizer.ggml.tokens') || embeddingRows || 0,
    contextTokens: size('context_length'),
    ...(slidingWindow > 0 ? { slidingWindow } : {}),
    kvBytesPerToken: causal ? heads.ofAllLayers * (keyLength + valueLength) * F16_BYTES : 0,
    causal,
    ...(pooling ? { pooling } : {}),
    hasChatTemplate: metadata.has('tokenizer.chat_template'),
  };
}

/** Fewer than attention heads where groups of queries share them; layers without attention have none. */
function keyValueHeads(
  metadata: GgufMetadata,
  architecture: string,
  layers: number,
  attentionHeads: number,
): { readonly most: number; readonly ofAllLayers: number } {
  const key = `${architecture}.attention.head_count_kv`;
  const perLayer = metadata.sizes(key);
  if (perLayer) return { most: Math.max(0, ...perLayer), ofAllLayers: perLayer.reduce((sum, heads) => sum + heads, 0) };
  const most = metadata.size(key) ?? attentionHeads;
  return { most, ofAllLayers: layers * most };
}
