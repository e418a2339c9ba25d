import { bytesOf } from './fixture.ts';

/** A metadata value: a number becomes a `uint32`, an array one of `int32` or of texts. */
export type MetadataValue = number | bigint | boolean | string | readonly number[] | readonly string[];

export interface GgufTensor {
  readonly name: string;
  readonly shape: readonly (number | bigint)[];
  /** GGML type id; F32 when left out. */
  readonly type?: number;
  readonly offset?: number | bigint;
}

export interface GgufFile {
  readonly version?: number;
  readonly metadata: Readonly<Record<string, MetadataValue>>;
  readonly tensors?: readonly GgufTensor[];
  /** Bytes of data behind the header. */
  readonly dataBytes?: number;
  /** What the header claims instead of the truth. */
  readonly claims?: { readonly tensors?: bigint; readonly pairs?: bigint };
}

/** Metadata of a small model that generates text. */
export const TINY_LLAMA = {
  'general.architecture': 'llama',
  'general.name': 'Tiny',
  'general.file_type': 0,
  'llama.block_count': 2,
  'llama.embedding_length': 64,
  'llama.feed_forward_length': 256,
  'llama.context_length': 512,
  'llama.attention.head_count': 8,
  'llama.attention.head_count_kv': 2,
  'tokenizer.ggml.model': 'gpt2',
  'tokenizer.ggml.tokens': ['<s>', '</s>', 'a', 'b'],
  'tokenizer.chat_template': '{{ messages }}',
} as const satisfies Record<string, MetadataValue>;

/** Bytes of a GGUF file, written as `docs/gguf.md` of ggml says. */
export function ggufFile({ version = 3, metadata, tensors = [], dataBytes = 0, claims = {} }: GgufFile): Buffer {
  const pairs = Object.entries(metadata).map(([key, value]) => Buffer.concat([text(key), typed(value)]));
  const header = Buffer.concat([
    Buffer.from('GGUF'),
    u32(version),
    u64(claims.tensors ?? BigInt(tensors.length)),
    u64(claims.pairs ?? BigInt(pairs.length)),
    ...pairs,
    ...tensors.map(tensorRecord),
  ]);
  const padding = (32 - (header.length % 32)) % 32;
  return Buffer.concat([header, Buffer.alloc(padding), bytesOf(dataBytes, 3)]);
}

/** A whole file that generates text, with `dataBytes` of F32 weights. */
export function generatorFile(dataBytes: number): Buffer {
  return ggufFile({ metadata: TINY_LLAMA, tensors: [{ name: 'token_embd.weight', shape: [64, dataBytes / 256] }], dataBytes });
}

function tensorRecord({ name, shape, type = 0, offset = 0 }: GgufTensor): Buffer {
  return Buffer.concat([text(name), u32(shape.length), ...shape.map((size) => u64(BigInt(size))), u32(type), u64(BigInt(offset))]);
}

function typed(value: MetadataValue): Buffer {
  if (typeof value === 'string') return Buffer.concat([u32(8), text(value)]);
  if (typeof value === 'boolean') return Buffer.concat([u32(7), Buffer.from([value ? 1 : 0])]);
  if (typeof value === 'bigint') return Buffer.concat([u32(10), u64(value)]);
  if (typeof value === 'number') return Buffer.concat([u32(4), u32(value)]);
  const texts = value.every((each) => typeof each === 'string');
  const items = value.map((each) => (typeof each === 'string' ? text(each) : u32(each)));
  return Buffer.concat([u32(9), u32(texts ? 8 : 5), u64(BigInt(value.length)), ...items]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([u64(BigInt(bytes.length)), bytes]);
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}
