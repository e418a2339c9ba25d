import { execFileSync } from 'node:child_process';
import { mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readFileHeader } from '#edge/store/headers/file-source.ts';
import { readHeader } from '#edge/store/headers/read-header.ts';
import { expectCode } from '#test/support/expect-code.ts';
import { type GgufFile, ggufFile, TINY_LLAMA, u32, u64 } from '../gguf-file.ts';
import { MemorySource } from './memory-source.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

/** Expects the code, and that hardly anything was read. */
async function refusal(bytes: Buffer, code: string, size?: number): Promise<string> {
  const source = new MemorySource(bytes, size === undefined ? {} : { size });
  const error = await expectCode(readHeader(source), code);
  expect(source.bytesRead).toBeLessThan(4 * MIB);
  expect(error.hint.length).toBeGreaterThan(10);
  return error.message;
}

const tiny = (changes: Partial<GgufFile> = {}): Buffer =>
  ggufFile({ metadata: TINY_LLAMA, tensors: [{ name: 'token_embd.weight', shape: [64, 4] }], dataBytes: 1024, ...changes });

test('the file that the others are made from is sound', async () => {
  expect(await readHeader(new MemorySource(tiny()))).toMatchObject({
    modelName: 'Tiny',
    parameters: 256,
    quantisation: 'F32',
    transformer: { layers: 2, vocabularySize: 4, kvBytesPerToken: 2 * 2 * 2 * 2 * 8, hasChatTemplate: true },
  });
});

describe('a file of another kind named model.gguf', () => {
  test.each([
    ['nothing', Buffer.alloc(0), /an empty file/],
    ['a web page', Buffer.from('\n<!DOCTYPE html><html><body>Sign in</body></html>'), /a web page/],
    ['an error of a storage service', Buffer.from('<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'), /a web page/],
    ['a Git LFS pointer', Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n'), /a Git LFS pointer/],
    ['a ZIP archive', Buffer.from('PK\x03\x04and more'), /a ZIP archive/],
    ['a pickle', Buffer.from([0x80, 0x02, 0x7d, 0x71, 0x00]), /a Python pickle/],
    ['safetensors', Buffer.concat([u64(64n), Buffer.from('{"weight":{"dtype":"F16"}}')]), /a safetensors file/],
    ['JSON', Buffer.from('{"error":"Repository not found"}'), /a JSON text/],
    ['GGML of old', Buffer.from('tjgg\x03\x00\x00\x00'), /from before GGUF/],
    ['ORT', Buffer.from('\x18\x00\x00\x00ORTM\x00\x00\x00\x00', 'latin1'), /an ORT file/],
    ['noise', Buffer.from('f3a1b2c3d4e5f6a7b8c9', 'hex'), /begins with f3a1b2c3/],
  ])('%s is named', async (_, bytes, message) => {
    expect(await refusal(bytes, 'E_MODEL_FORMAT')).toMatch(message);
  });

  test('a Git LFS pointer comes with its cure', async () => {
    const pointer = new MemorySource(Buffer.from('version https://git-lfs.github.com/spec/v1\n'));
    expect((await expectCode(readHeader(pointer), 'E_MODEL_FORMAT')).hint).toContain('git lfs pull');
  });

  test.each([
    [tiny({ version: 1 }), /found version 1$/],
    [tiny({ version: 4 }), /found version 4$/],
    [tiny({ version: 0x03_00_00_00 }), /found a big-endian file$/],
  ])('a version that is not read %#', async (bytes, message) => {
    expect(await refusal(bytes, 'E_MODEL_FORMAT')).toMatch(message);
  });
});

describe('a GGUF header that lies', () => {
  test.each([
    ['2^60 tensors', tiny({ claims: { tensors: 2n ** 60n } }), /claims 1152921504606846976/],
    ['2^60 metadata entries', tiny({ claims: { pairs: 2n ** 60n } }), /claims 1152921504606846976/],
    [
      'a key of 2^63 bytes',
      Buffer.concat([Buffer.from('GGUF'), u32(3), u64(0n), u64(1n), u64(2n ** 63n), Buffer.alloc(64)]),
      /9223372036854775808/,
    ],
    ['a text of 2^63 bytes', Buffer.concat([withPair(8), u64(2n ** 63n), Buffer.alloc(64)]), /9223372036854775808/],
    ['an array of 2^62 numbers', Buffer.concat([withPair(9), u32(5), u64(2n ** 62n), Buffer.alloc(64)]), /4611686018427387904/],
    ['an array of 2^40 texts', Buffer.concat([withPair(9), u32(8), u64(2n ** 40n), Buffer.alloc(64)]), /1099511627776/],
    ['arrays in arrays', Buffer.concat([withPair(9), u32(9), u64(1n), u32(9), u64(1n), Buffer.alloc(64)]), /an array of arrays/],
    ['a value of no type', Buffer.concat([withPair(77), Buffer.alloc(64)]), /type 77/],
    ['a key twice', Buffer.concat([Buffer.from('GGUF'), u32(3), u64(0n), u64(2n), pair('a'), pair('a'), Buffer.alloc(64)]), /"a" twice/],
    ['an alignment of 33', tiny({ metadata: { ...TINY_LLAMA, 'general.alignment': 33 } }), /power of two/],
    ['a tensor of 9 dimensions', tiny({ tensors: [{ name: 'w', shape: [1, 1, 1, 1, 1, 1, 1, 1, 1] }] }), /at most 4 dimensions/],
    ['a tensor of 2^64 numbers', tiny({ tensors: [{ name: 'w', shape: [2n ** 32n, 2n ** 32n] }] }), /tensor "w"/],
    ['a tensor beyond the end', tiny({ tensors: [{ name: 'w', shape: [64, 4], offset: 2n ** 50n }] }), /where tensor "w" ends/],
    ['a tensor of half a block', tiny({ tensors: [{ name: 'w', shape: [33], type: 8 }] }), /in whole blocks/],
  ])('%s', async (_, bytes, message) => {
    expect(await refusal(bytes, 'E_MODEL_CORRUPT')).toMatch(message);
  });

  test('claims are refused in a file of many gigabytes as well', async () => {
    const source = new MemorySource(tiny({ claims: { pairs: 2n ** 30n } }), { size: 64 * GIB });
    await expectCode(readHeader(source), 'E_MODEL_CORRUPT');
    expect(source.bytesRead).toBeLessThan(40 * MIB);
  });
});

describe('a GGUF that is cut', () => {
  const whole = tiny();

  test('is refused wherever it was cut', async () => {
    for (let length = 8; length < whole.length; length += 7) await refusal(whole.subarray(0, length), 'E_MODEL_CORRUPT');
  });

  test('in its weights names the tensor', async () => {
    expect(await refusal(whole.subarray(0, whole.length - 1), 'E_MODEL_CORRUPT')).toMatch(
      new RegExp(`expected ${whole.length} bytes, where tensor "token_embd.weight" ends, found a file of ${whole.length - 1} bytes`),
    );
  });
});

describe('a sound GGUF that is no model to load alone', () => {
  test.each([
    [{ 'split.count': 3, 'split.no': 1 }, /part 2 of 3/],
    [{ 'general.type': 'adapter' }, /an adapter/],
    [{ 'general.architecture': 'clip' }, /projector/],
    [{ 'general.architecture': '' }, /no architecture/],
  ])('%j', async (changes, reason) => {
    const header = await readHeader(new MemorySource(tiny({ metadata: { ...TINY_LLAMA, ...changes } })));
    expect(header.unusable).toMatch(reason);
  });

  test('is told from a vocabulary, and from tensors of a later day', async () => {
    expect((await readHeader(new MemorySource(tiny({ tensors: [], dataBytes: 0 })))).unusable).toMatch(/without weights/);
    const later = tiny({ tensors: [{ name: 'w', shape: [64], type: 99 }] });
    expect((await readHeader(new MemorySource(later))).unusable).toMatch(/type 99/);
  });
});

test('heads, widths and windows may differ by layer', async () => {
  const metadata = {
    'general.architecture': 'gemma3',
    'gemma3.block_count': 3,
    'gemma3.embedding_length': 640,
    'gemma3.attention.head_count': 4,
    'gemma3.attention.head_count_kv': [1, 0, 2],
    'gemma3.attention.key_length': 256,
    'gemma3.attention.value_length': 128,
    'gemma3.attention.sliding_window': 512,
    'gemma3.feed_forward_length': [2048, 1024, 4096],
  };
  const { transformer } = await readHeader(new MemorySource(tiny({ metadata })));
  expect(transformer).toMatchObject({ keyValueHeads: 2, feedForwardSize: 4096, slidingWindow: 512, vocabularySize: 4 });
  expect(transformer?.kvBytesPerToken).toBe((1 + 0 + 2) * (256 + 128) * 2);
});

describe('ONNX', () => {
  const field = (number: number, bytes: Buffer): Buffer => Buffer.concat([Buffer.from([(number << 3) | 2]), varint(bytes.length), bytes]);
  const model = (graph: Buffer): Buffer => Buffer.concat([Buffer.from([0x08, 0x08]), field(7, graph)]);
  const tensor = (dims: readonly number[], data: Buffer): Buffer =>
    Buffer.concat([
      ...dims.map((size) => Buffer.concat([Buffer.from([0x08]), varint(size)])),
      Buffer.from([0x10, 0x01]),
      field(8, Buffer.from('w')),
      field(9, data),
    ]);

  test('a small graph is read', async () => {
    const graph = Buffer.concat([field(1, field(4, Buffer.from('MatMulInteger'))), field(5, tensor([2, 3], Buffer.alloc(24)))]);
    expect(await readHeader(new MemorySource(model(graph)))).toMatchObject({
      format: 'onnx',
      parameters: 6,
      weightBytesByDtype: { float32: 24 },
      quantisedOperators: ['MatMulInteger'],
      largestTable: [2, 3],
    });
  });

  test('weights in other files make it unusable, and the files are named', async () => {
    const location = Buffer.concat([field(1, Buffer.from('location')), field(2, Buffer.from('model.onnx_data'))]);
    const outside = Buffer.concat([
      Buffer.from([0x08]),
      varint(2 ** 31),
      Buffer.from([0x10, 0x01]),
      field(13, location),
      Buffer.from([0x70, 0x01]),
    ]);
    const header = await readHeader(new MemorySource(model(field(5, outside))));
    expect(header.unusable).toContain('model.onnx_data');
    expect(header.parameters).toBe(2 ** 31);
  });

  test.each([
    ['garbage behind the first field', Buffer.concat([Buffer.from([0x08, 0x08]), Buffer.alloc(4096, 0xff)]), /a number that ends/],
    ['no graph', Buffer.from([0x08, 0x08, 0x12, 0x01, 0x61]), /with a graph/],
    ['a field that runs over its message', model(Buffer.from([0x0a, 0x7f])), /claims to end/],
    ['a graph of 2^56 bytes', Buffer.concat([Buffer.from([0x08, 0x08, 0x3a]), varint(2 ** 52)]), /claims to end/],
    ['a claim of 2^50 numbers', model(field(5, tensor([2 ** 50], Buffer.alloc(4)))), /4503599627370496 bytes|tensor "w"/],
    ['a negative dimension', model(field(5, Buffer.concat([Buffer.from([0x08]), varint(-1)]))), /found -1/],
    ['data of another size', model(field(5, tensor([3], Buffer.alloc(4)))), /expected 12 bytes of tensor "w" \[3\], found 4/],
    ['a group', model(Buffer.from([0x0b])), /kind 3/],
  ])('%s', async (_, bytes, message) => {
    expect(await refusal(bytes, 'E_MODEL_CORRUPT')).toMatch(message);
  });

  test('graphs within graphs are followed so deep and no deeper', async () => {
    let graph = field(5, tensor([1], Buffer.alloc(4)));
    for (let depth = 0; depth < 500; depth++) graph = field(1, field(5, field(6, graph)));
    expect(await refusal(model(graph), 'E_MODEL_CORRUPT')).toMatch(/at most 8 deep/);
  });

  test('millions of empty fields end by the bound', async () => {
    const source = new MemorySource(model(Buffer.alloc(4 * MIB, Buffer.from([0x0a, 0x00]))));
    const error = await expectCode(readHeader(source), 'E_MODEL_CORRUPT');
    expect(error.message).toMatch(/at most 2000000 values/);
    expect(source.bytesRead).toBeLessThan(6 * MIB);
  });
});

describe('TFLite', () => {
  const begin = Buffer.concat([u32(16), Buffer.from('TFL3'), Buffer.alloc(8)]);

  test.each([
    ['nothing behind the identifier', begin],
    ['a root beyond the end', Buffer.concat([u32(0xff_ff_ff_f0), Buffer.from('TFL3'), Buffer.alloc(64)])],
    ['a table without its fields', Buffer.concat([begin, Buffer.from([0xff, 0xff, 0xff, 0x7f]), Buffer.alloc(64)])],
    ['zeros', Buffer.concat([begin, Buffer.alloc(4096)])],
  ])('%s', async (_, bytes) => {
    await refusal(bytes, 'E_MODEL_CORRUPT');
  });

  test('one table named again and again ends by the bound', async () => {
    // The model names one graph 8,192 times, the graph one tensor 8,192 times: 67 million tensors in 64 KiB.
    const count = 8192;
    const graph = 44 + 4 * count;
    const tensor = graph + 12 + 4 * count;
    const graphFields = tensor + 16;
    const bytes = Buffer.alloc(graphFields + 12);
    bytes.writeUInt32LE(24, 0);
    bytes.write('TFL3', 4);
    const writeFields = (at: number, fields: readonly number[]): void => {
      bytes.writeUInt16LE(12, at);
      for (const field of fields) bytes.writeUInt16LE(4, at + 4 + 2 * field);
    };
    // Every field there is stands behind the table's first number; a graph has tensors and operators alone.
    writeFields(8, [0, 1, 2, 3]);
    writeFields(graphFields, [0, 3]);
    const writeTable = (at: number, fields: number, vector: number, length: number, target: number): void => {
      bytes.writeInt32LE(at - fields, at);
      bytes.writeUInt32LE(vector - (at + 4), at + 4);
      bytes.writeUInt32LE(length, vector);
      for (let index = 0; index < length; index++) bytes.writeUInt32LE(target - (vector + 4 + 4 * index), vector + 4 + 4 * index);
    };
    writeTable(24, 8, 40, count, graph);
    writeTable(graph, graphFields, graph + 8, count, tensor);
    writeTable(tensor, 8, tensor + 8, 0, 0);
    expect(await refusal(bytes, 'E_MODEL_CORRUPT')).toMatch(/at most 2000000 values/);
  });
});

describe('a path', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nearside-headers-'));

  test('to a folder, to nothing, to a pipe', async () => {
    expect((await expectCode(readFileHeader(folder), 'E_MODEL_FORMAT')).message).toMatch(/found a folder/);
    expect((await expectCode(readFileHeader(join(folder, 'none.gguf')), 'E_SOURCE_NOT_FOUND')).message).toMatch(/no such file/);
    if (process.platform === 'win32') return;
    execFileSync('mkfifo', [join(folder, 'pipe.gguf')]);
    await expectCode(readFileHeader(join(folder, 'pipe.gguf')), 'E_MODEL_FORMAT');
    await expectCode(readFileHeader('/dev/zero'), 'E_MODEL_FORMAT');
  });

  test('to a link leads to the file', async () => {
    writeFileSync(join(folder, 'tiny.gguf'), tiny());
    symlinkSync(join(folder, 'tiny.gguf'), join(folder, 'link.gguf'));
    expect((await readFileHeader(join(folder, 'link.gguf'))).modelName).toBe('Tiny');
  });
});

/** A header with one key whose value of the given type is to follow. */
function withPair(type: number): Buffer {
  return Buffer.concat([Buffer.from('GGUF'), u32(3), u64(0n), u64(1n), u64(1n), Buffer.from('a'), u32(type)]);
}

function pair(key: string): Buffer {
  return Buffer.concat([u64(BigInt(key.length)), Buffer.from(key), u32(4), u32(1)]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 0x80 : low);
  } while (rest > 0n);
  return Buffer.from(bytes);
}
