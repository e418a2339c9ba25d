/**
 * Writes the golden cases of model cards: `node scripts/write-golden.ts FOLDER [MODEL...]`. FOLDER keeps the full-precision originals.
 * Vectors are those of the original; continuations are the words on which every variant of the card agrees; tensors are the first values of
 * the card's first variant. Tells how near each variant comes, and fails when one does not pass.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { importBackend } from '#edge/backends/registry.ts';
import { goldenInputs, realValues } from '#edge/calibration/golden-tensors.ts';
import { cosine, decodeGoldenVector, encodeGoldenVector } from '#edge/calibration/golden-vector.ts';
import { continueGreedily, verifyEngine } from '#edge/calibration/verify-engine.ts';
import { loadConfig } from '#edge/config/load.ts';
import type { BackendId, Engine } from '#edge/contracts/backend.ts';
import type { GoldenCase, ModelCard, ModelFile, ModelFormat, StoredVariant } from '#edge/contracts/model.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { silentLogger } from '#edge/core/log.ts';
import { loadCatalog } from '#edge/store/catalog.ts';
import { ModelStore } from '#edge/store/model-store.ts';

/** Short and long, with names and digits, as tokenizers differ in them; on both the eight-bit variants keep near to the original. */
const TEXTS = [
  'How many days do I have to return an opened tent?',
  'The lighthouse at Cape Wrath was built in 1828 by Robert Stevenson, and its light can be seen from 22 nautical miles away.',
];

/**
 * Prompts that go on in one way, and for how many characters: up to there the next token is at least three times as likely as any other, so
 * that another quantisation, or the rounding of another build's kernels, does not change it. After that near ties come: on the same weights
 * two builds of equal perplexity went on with Spain and with Germany.
 */
const PROMPTS = [
  { prompt: 'The numbers from one to ten are: one, two, three, four,', characters: 30 },
  { prompt: 'The capital of France is Paris. The capital of Italy is', characters: 6 },
  { prompt: '1 2 3 4 5 6 7 8', characters: 6 },
];

/** Values of each output that are written down, and how far another engine may be from them (relative above 1). */
const TENSOR_VALUES = 8;
const TENSOR_TOLERANCE = 0.01;

/** Where the full-precision files of the encoders are. */
const ORIGINALS: Readonly<Record<string, Omit<ModelFile, 'role' | 'name'>>> = {
  'e5-small-v2': original('e5-small-v2', 'b2a43b66f7f9b6f29643a21340ad7c03d2d91e6bd5d43429a77799a9ee880eb0', 133_093_467),
  'bge-small-en-v1.5': original('bge-small-en-v1.5', '828e1496d7fabb79cfa4dcd84fa38625c0d3d21da474a00f08db0f559940cf35', 133_093_490),
  'all-minilm-l6-v2': original('all-minilm-l6-v2', 'ca46f1a88a9c6e61b918af1ab38be3e7903b986616551f0a6f10a7ecc5730cd4', 90_984_153),
};

const BACKEND_OF: Readonly<Record<ModelFormat, BackendId>> = { onnx: 'onnx', tflite: 'tflite', gguf: 'llama' };
const CATALOG = fileURLToPath(new URL('../models/catalog/', import.meta.url));
const MODELS = ['smollm2-135m-instruct', 'e5-small-v2', 'bge-small-en-v1.5', 'all-minilm-l6-v2', 'hand-landmark-lite', 'akiki-vad'];

const [folder, ...models] = process.argv.slice(2);
if (!folder) throw new EdgeError('E_USAGE', { what: 'write-golden', expected: 'a folder for the originals', found: 'none' });
const work = resolve(folder);
for (const model of models.length > 0 ? models : MODELS) {
  const card = loadCatalog().get(model);
  const golden = await casesOf(card);
  await checkVariants(card, golden);
  writeCard(model, golden);
}

function casesOf(card: ModelCard): Promise<readonly GoldenCase[]> {
  if (card.task === 'embed') return vectorCases(card);
  return card.task === 'generate' ? continuationCases(card) : tensorCases(card);
}

async function vectorCases(card: ModelCard): Promise<readonly GoldenCase[]> {
  await using engine = await load(card, await pullOriginal(card));
  const { queryPrefix = '', passagePrefix = '' } = card.embedding ?? {};
  const texts = TEXTS.map((text, index) => (index === 0 ? queryPrefix : passagePrefix) + text);
  const vectors = await Promise.all(texts.map(async (text) => (await embed(engine, text)) as Float32Array));
  return texts.map((text, i) => ({ kind: 'vector', text, vector: encodeGoldenVector(vectors[i] as Float32Array) }));
}

async function continuationCases(card: ModelCard): Promise<readonly GoldenCase[]> {
  const found: string[][] = PROMPTS.map(() => []);
  for (const stored of await pullVariants(card)) {
    for (const threads of [1, 2]) {
      await using engine = await load(card, stored, threads);
      const subject = { engine, info: engine.info, options: {} };
      for (const [i, { prompt, characters }] of PROMPTS.entries()) {
        found[i]?.push((await continueGreedily(prompt, characters, subject)).slice(0, characters));
      }
    }
  }
  return PROMPTS.map(({ prompt }, i) => ({ kind: 'continuation', prompt, startsWith: sharedWords(found[i] ?? []) }));
}

async function tensorCases(card: ModelCard): Promise<readonly GoldenCase[]> {
  const [stored] = await pullVariants(card);
  await using engine = await load(card, stored as StoredVariant);
  const { outputs } = await engine.runTensors({ model: card.id, inputs: goldenInputs(engine.info) });
  const values = Object.entries(outputs).map(([name, tensor]) => {
    const quantization = engine.info.outputs?.find((spec) => spec.name === name)?.quantization;
    return [name, realValues(tensor, TENSOR_VALUES, quantization).map((value) => Number(value.toPrecision(5)))] as const;
  });
  return [{ kind: 'tensor', outputs: Object.fromEntries(values), tolerance: TENSOR_TOLERANCE }];
}

/** Beginning that all texts share, up to the end of a word. */
function sharedWords(texts: readonly string[]): string {
  const [first = '', ...others] = texts;
  let length = 0;
  while (length < first.length && others.every((text) => text[length] === first[length])) length++;
  return first.slice(0, length).replace(/\W*\w*$/, '');
}

async function checkVariants(card: ModelCard, golden: readonly GoldenCase[]): Promise<void> {
  for (const stored of await pullVariants(card)) {
    await using engine = await load(card, stored);
    await verifyEngine({ engine, info: engine.info, options: {} }, golden);
    for (const each of golden) console.log(`${card.id} ${stored.variant} ${await describe(engine, each)}`);
  }
}

async function describe(engine: Engine, golden: GoldenCase): Promise<string> {
  if (golden.kind === 'vector')
    return `cosine ${cosine((await embed(engine, golden.text)) ?? [], decodeGoldenVector(golden.vector)).toFixed(4)}`;
  return golden.kind === 'continuation' ? `${golden.prompt} >${golden.startsWith}` : `${golden.kind} passes`;
}

async function embed(engine: Engine, text: string): Promise<Float32Array | undefined> {
  return (await engine.embed({ model: engine.info.model, texts: [text], purpose: 'plain' })).vectors[0];
}

async function load(card: ModelCard, stored: StoredVariant, threads = 2): Promise<Engine> {
  const backend = BACKEND_OF[stored.format];
  const { embedding } = card;
  const base = { stored, backend, provider: 'cpu', threads, contextTokens: Math.min(2048, card.contextTokens), sequences: 1, gpuLayers: 0 };
  return await (await importBackend(backend)).load({ ...base, ...(embedding ? { embedding } : {}) });
}

async function pullVariants(card: ModelCard): Promise<readonly StoredVariant[]> {
  const { paths } = loadConfig();
  return await Promise.all(card.variants.map(({ id }) => storeIn(paths.store).pull(card.id, { variant: id })));
}

/** The full-precision file as the one variant of a card of its own, with the tokenizer of the model. */
async function pullOriginal(card: ModelCard): Promise<StoredVariant> {
  const [variant] = card.variants;
  const weights = ORIGINALS[card.id];
  if (!variant || !weights) throw new EdgeError('E_MODEL_UNKNOWN', { what: `no original of ${card.id} is named in this script` });
  const files = [{ role: 'weights', name: 'model.onnx', ...weights }, ...variant.files.filter(({ role }) => role === 'tokenizer')];
  const catalog = join(work, 'catalog');
  mkdirSync(catalog, { recursive: true });
  const fp32 = { ...card, variants: [{ id: 'fp32', format: 'onnx', quantisation: 'fp32', bitsPerWeight: 32, quality: 1, files }] };
  writeFileSync(join(catalog, `${card.id}.json`), JSON.stringify(fp32));
  return await storeIn(join(work, 'store'), catalog).pull(card.id);
}

function storeIn(directory: string, catalog?: string): ModelStore {
  const { store, environment } = loadConfig();
  return new ModelStore({ directory, catalog: loadCatalog(catalog), settings: store, environment, log: silentLogger });
}

function original(name: string, sha256: string, bytes: number): Omit<ModelFile, 'role' | 'name'> {
  const artifact = `dev.langchain4j:langchain4j-embeddings-${name.replace('v1.5', 'v15')}:1.0.0-beta5`;
  return { sha256, bytes, sources: [{ kind: 'maven', artifact, path: `${name}.onnx` }] };
}

/** Puts the cases before the variants, and leaves every other line as it is. */
function writeCard(model: string, golden: readonly GoldenCase[]): void {
  const path = join(CATALOG, `${model}.json`);
  const rest = readFileSync(path, 'utf8').replace(/^ {2}"golden": \[\n[\s\S]*?^ {2}\],\n/m, '');
  writeFileSync(
    path,
    rest.replace(/^ {2}"variants": \[/m, () => `  "golden": ${JSON.stringify(golden, null, 2).replaceAll('\n', '\n  ')},\n  "variants": [`),
  );
  execFileSync('node_modules/.bin/biome', ['format', '--write', path], { stdio: 'inherit' });
}
