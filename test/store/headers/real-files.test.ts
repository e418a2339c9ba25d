import { open, stat } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import type { ModelCard } from '#edge/contracts/model.ts';
import { loadCatalog } from '#edge/store/catalog.ts';
import type { ByteSource } from '#edge/store/headers/byte-source.ts';
import { cardFromHeader } from '#edge/store/headers/card-from-header.ts';
import { readFileHeader } from '#edge/store/headers/file-source.ts';
import type { ModelHeader } from '#edge/store/headers/model-header.ts';
import { readHeader } from '#edge/store/headers/read-header.ts';
import { pulledVariant } from '#test/support/pulled-variant.ts';

/** Variants at hand of every format. */
const AT_HAND = [
  ['smollm2-135m-instruct', 'q4_1'],
  ['e5-small-v2', 'q8_0'],
  ['e5-small-v2', 'int8'],
  ['e5-small-v2', 'int8-tflite'],
  ['bge-small-en-v1.5', 'int8'],
  ['hand-landmark-lite', 'fp16'],
] as const;

async function headerOf(model: string, variant: string): Promise<ModelHeader> {
  const { files } = await pulledVariant(model, variant);
  return readFileHeader(files.weights as string);
}

describe.each(AT_HAND)('%s (%s)', (model, variant) => {
  const card = loadCatalog().get(model);
  const stated = card.variants.find(({ id }) => id === variant);

  test('says in its header what the card says', async () => {
    const header = await headerOf(model, variant);
    expect(header.format).toBe(stated?.format);
    expect(header.fileBytes).toBe(stated?.files.find(({ role }) => role === 'weights')?.bytes);
    expect(header.unusable).toBeUndefined();
    expect(header.weightBytes).toBeLessThan(header.fileBytes);
    // What is not weights is vocabulary, names and the tables of the graph.
    expect(header.weightBytes).toBeGreaterThan(0.9 * header.fileBytes);
    expect(Math.abs(header.parameters / card.parameters - 1)).toBeLessThan(0.02);
  });

  test('becomes a card that plans alike', async () => {
    const made = cardFromHeader({ name: `${model}.bin`, source: { kind: 'file', path: '/model.bin' } }, await headerOf(model, variant));
    expect(made).toMatchObject({ id: `${model}.bin`, task: card.task, contextTokens: card.contextTokens, verified: false });
    expect(made.variants[0]?.qualitySource).toMatch(/^unknown/);
    if (card.task === 'tensor') return;
    const { layers, hiddenSize, kvBytesPerToken, vocabularySize } = card.architecture;
    expect(made.architecture).toMatchObject({ layers, hiddenSize, kvBytesPerToken, vocabularySize });
  });
});

test.each([
  ['smollm2-135m-instruct', 'q4_1'],
  ['e5-small-v2', 'q8_0'],
])('the architecture of %s is that of its GGUF file, with the cache of grouped heads', async (model, variant) => {
  const card: ModelCard = loadCatalog().get(model);
  const { transformer } = await headerOf(model, variant);
  if (!transformer) throw new Error('a GGUF has one');
  const { layers, hiddenSize, attentionHeads, feedForwardSize, vocabularySize } = transformer;
  expect(card.architecture).toMatchObject({ layers, hiddenSize, attentionHeads, feedForwardSize, vocabularySize });
  const cache = transformer.causal ? 2 * 2 * layers * transformer.keyValueHeads * transformer.keyLength : 0;
  expect(card.architecture.kvBytesPerToken).toBe(cache);
  expect(transformer.kvBytesPerToken).toBe(cache);
});

test('a GGUF tells quantisation, template and heads', async () => {
  expect(await headerOf('smollm2-135m-instruct', 'q4_1')).toMatchObject({
    parameters: 134_515_008,
    quantisation: 'Q4_1',
    weightBytesByDtype: { Q8_0: 30_081_024, F32: 140_544, Q4_1: 66_355_200 },
    transformer: { architecture: 'llama', attentionHeads: 9, keyValueHeads: 3, keyLength: 64, contextTokens: 8192, hasChatTemplate: true },
  });
});

test('an ONNX file tells inputs, free dimensions and how it is quantised', async () => {
  const header = await headerOf('e5-small-v2', 'int8');
  expect(header.quantisation).toBe('int8-dynamic');
  expect(header.quantisedOperators).toEqual(['DequantizeLinear', 'DynamicQuantizeLinear', 'MatMulInteger']);
  expect(header.inputs).toContainEqual({ name: 'input_ids', dtype: 'int64', shape: [-1, -1] });
  expect(header.outputs).toEqual([{ name: 'last_hidden_state', dtype: 'float32', shape: [-1, -1, 384] }]);
});

test('a TFLite file tells its signatures and fixed shapes', async () => {
  const header = await headerOf('e5-small-v2', 'int8-tflite');
  expect(header.signatures).toContain('embed_128');
  expect(header.outputs).toContainEqual({ name: 'embedding', dtype: 'float32', shape: [1, 384] });
  const picture = await headerOf('hand-landmark-lite', 'fp16');
  expect(picture.inputs).toEqual([{ name: 'input_1', dtype: 'float32', shape: [1, 224, 224, 3] }]);
});

test.each(AT_HAND)('of %s (%s) little is read', async (model, variant) => {
  const path = (await pulledVariant(model, variant)).files.weights as string;
  let bytesRead = 0;
  await using file = await open(path);
  const source: ByteSource = {
    name: path,
    size: (await stat(path)).size,
    read: async (offset, length) => {
      bytesRead += length;
      return (await file.read(Buffer.alloc(length), 0, length, offset)).buffer;
    },
  };
  await readHeader(source);
  expect(bytesRead).toBeLessThan(6 * 1024 * 1024);
  expect(bytesRead).toBeLessThan(source.size / 8);
});
