/** Variants made on this device: what a model can be made in, and what became of it. */
import type { ModelCard, ModelSource, ModelVariant } from '#edge/contracts/model.ts';
import { type KeptQuality, QUANTIZATION_FACTS, QUANTIZATIONS, type QualityMeasure, type Quantization } from '#edge/contracts/quantize.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { Catalog } from './catalog.ts';
import type { StoreLayout } from './layout.ts';
import { type Manifest, readManifestsOf } from './manifest.ts';

/** The variant and quantisation that a variant's weights are made from; `undefined` for one that is fetched. */
export function sourceOfMade(variant: ModelVariant): Extract<ModelSource, { kind: 'derived' }> | undefined {
  const weights = variant.files.find(({ role }) => role === 'weights');
  return weights?.sources.find((source) => source.kind === 'derived');
}

/** What tells the loss of a model's quality. @throws EdgeError `E_UNSUPPORTED` for a task without such a measure. */
export function measureOf({ id, task }: ModelCard): QualityMeasure {
  if (task === 'generate') return 'perplexity';
  if (task === 'embed') return 'cosine';
  throw new EdgeError('E_UNSUPPORTED', {
    what: `cannot judge another quantisation of ${id}`,
    expected: 'a model that generates or embeds',
    found: task,
  });
}

/**
 * The variant of a model in a quantisation, to be made of the best of the given stored variants, or declared by its card.
 * @throws EdgeError `E_UNSUPPORTED` when it is published ready-made, when the model has no GGUF, or when it would take more memory than
 * its source and gain nothing; `E_MODEL_NOT_STORED` when its GGUF is not here.
 */
export function variantToMake(card: ModelCard, stored: readonly string[], to: Quantization): ModelVariant {
  const what = `cannot make ${to} of ${card.id}`;
  const existing = card.variants.find(({ format, quantisation }) => format === 'gguf' && quantisation === to);
  if (existing && sourceOfMade(existing)) return existing;
  if (existing) {
    throw new EdgeError('E_UNSUPPORTED', {
      what,
      found: `variant "${existing.id}", ready-made of better weights`,
      hint: `Run "nearside pull ${card.id} --variant ${existing.id}".`,
    });
  }
  const source = sourceFor(card, stored, what);
  const { bits, isDirect } = QUANTIZATION_FACTS[to];
  if (bits >= source.bitsPerWeight && !isDirect) {
    const direct = QUANTIZATIONS.filter((each) => QUANTIZATION_FACTS[each].isDirect);
    throw new EdgeError('E_UNSUPPORTED', {
      what,
      expected: `fewer than the ${source.bitsPerWeight} bits a weight of ${source.id}, or a type that CPUs compute with (${direct.join(', ')})`,
      found: `${bits} bits: larger, and neither better nor faster`,
      hint: 'Choose another type; "nearside quantize --help" lists them.',
    });
  }
  return madeVariant(card, source, to, { bytes: Math.round((card.parameters * bits) / 8) });
}

/** The catalog with the variants that were made here and that no card declares; read anew each time, as other processes make them too. */
export function withMadeVariants(catalog: Catalog, layout: StoreLayout): Catalog {
  const extended = (card: ModelCard): ModelCard => {
    const made = readManifestsOf(layout, card.id).flatMap((manifest) => variantOfManifest(card, manifest) ?? []);
    return made.length === 0 ? card : { ...card, variants: [...card.variants, ...made] };
  };
  return {
    get cards() {
      return catalog.cards.map(extended);
    },
    get: (id) => extended(catalog.get(id)),
    defaults: () => catalog.defaults().map(extended),
  };
}

function variantOfManifest(card: ModelCard, { variant, made, files }: Manifest): ModelVariant | undefined {
  const source = card.variants.find(({ id }) => id === made?.from);
  const weights = files.find(({ role }) => role === 'weights');
  if (!made || !source || !weights || card.variants.some(({ id }) => id === variant)) return undefined;
  return madeVariant(card, source, made.to, weights);
}

function madeVariant(
  card: ModelCard,
  source: ModelVariant,
  to: Quantization,
  { bytes, kept }: { readonly bytes: number; readonly kept?: KeptQuality | undefined },
): ModelVariant {
  return {
    id: to.toLowerCase(),
    format: 'gguf',
    quantisation: to,
    bitsPerWeight: (bytes * 8) / card.parameters,
    quality: source.quality * (kept ? shareKept(kept) : 1),
    ...(kept ? { qualitySource: `${kept.measure} ${kept.derived.toFixed(3)} against ${kept.source.toFixed(3)} of ${source.id}` } : {}),
    files: [{ role: 'weights', name: `${card.id}.${to}.gguf`, sha256: null, bytes, sources: [{ kind: 'derived', from: source.id, to }] }],
  };
}

const shareKept = ({ measure, source, derived }: KeptQuality): number => Math.min(1, measure === 'perplexity' ? source / derived : derived);

/** The stored GGUF with most bits a weight, and not itself made: every conversion loses something. */
function sourceFor(card: ModelCard, stored: readonly string[], what: string): ModelVariant {
  const fetched = card.variants.filter((variant) => variant.format === 'gguf' && !sourceOfMade(variant));
  const [first] = fetched;
  if (!first) {
    const formats = [...new Set(card.variants.map(({ format }) => format))];
    throw new EdgeError('E_UNSUPPORTED', { what, expected: 'weights in GGUF', found: `only ${formats.join(' and ')}` });
  }
  const [best] = fetched.filter(({ id }) => stored.includes(id)).sort((a, b) => b.bitsPerWeight - a.bitsPerWeight);
  if (best) return best;
  throw new EdgeError('E_MODEL_NOT_STORED', {
    what,
    expected: `one of its variants ${fetched.map(({ id }) => id).join(', ')} in the store`,
    hint: `Fetch it with "nearside pull ${card.id} --variant ${first.id}".`,
  });
}
