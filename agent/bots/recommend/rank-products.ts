import type { Product } from '#agent/shop/shop.ts';
import type { ShopDatabase } from '#agent/shop/shop-database.ts';
import type { CallOptions } from '#edge/contracts/backend.ts';
import type { EngineRef } from '#edge/contracts/parts.ts';
import type { RuntimePort } from '#edge/contracts/runtime.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { Logger } from '#edge/core/log.ts';

/** Candidates whose vectors are compared; the others keep their place behind them. */
const RERANKED = 50;
/** Imagined ratings at the shop's mean that pull a product with few ratings towards it (Bayesian average). */
const PRIOR_RATINGS = 10;
/** Weight of popularity (0..1) beside similarity (0..1). */
const POPULARITY_WEIGHT = 0.3;

export interface RankedProducts {
  readonly products: readonly Product[];
  /** The encoder that compared texts; absent when words or popularity alone did. */
  readonly engine?: EngineRef;
}

export interface RankerDependencies {
  readonly runtime: RuntimePort;
  readonly shop: ShopDatabase;
  readonly log: Logger;
}

/** Orders products by likeness to a text and by popularity. Falls back to shared words when no encoder answers, and says so once. */
export class ProductRanker {
  readonly #dependencies: RankerDependencies;
  #saidFallback = false;

  constructor(dependencies: RankerDependencies) {
    this.#dependencies = dependencies;
  }

  /** @param words what the user described beyond the hard conditions; with none, popularity alone orders. */
  async rank(products: readonly Product[], words: readonly string[], options?: CallOptions): Promise<RankedProducts> {
    const byWords = orderBy(products, (product) => wordOverlap(product, words) + POPULARITY_WEIGHT * popularity(product));
    if (words.length === 0) return { products: byWords };
    const head = byWords.slice(0, RERANKED);
    const compared = await this.#compare(head, words.join(' '), options);
    if (!compared) return { products: byWords };
    const likeness = (product: Product): number => compared.likeness.get(product.id) ?? 0;
    const ordered = orderBy(head, (product) => likeness(product) + wordOverlap(product, words) + POPULARITY_WEIGHT * popularity(product));
    return { products: [...ordered, ...byWords.slice(RERANKED)], engine: compared.engine };
  }

  async #compare(
    products: readonly Product[],
    text: string,
    options?: CallOptions,
  ): Promise<{ readonly likeness: ReadonlyMap<string, number>; readonly engine: EngineRef } | undefined> {
    const { runtime, log } = this.#dependencies;
    try {
      const query = await runtime.embed({ model: 'embed', texts: [text], purpose: 'query' }, options);
      const vectors = await this.#vectorsOf(products, query.engine, options);
      const target = query.vectors[0] as Float32Array;
      return { likeness: stretch(new Map([...vectors].map(([id, vector]) => [id, dot(target, vector)]))), engine: query.engine };
    } catch (error) {
      if (EdgeError.is(error, 'E_CANCELLED') || !EdgeError.is(error)) throw error;
      if (!this.#saidFallback) log.warn('product ranking fell back', { from: 'embeddings', to: 'words', reason: error.code });
      this.#saidFallback = true;
      return undefined;
    }
  }

  async #vectorsOf(products: readonly Product[], engine: EngineRef, options?: CallOptions): Promise<Map<string, Float32Array>> {
    const { runtime, shop } = this.#dependencies;
    const encoder = `${engine.model}/${engine.variant}`;
    const vectors = new Map(
      shop.readVectors(
        encoder,
        products.map(({ id }) => id),
      ),
    );
    const missing = products.filter(({ id }) => !vectors.has(id));
    if (missing.length === 0) return vectors;
    const texts = missing.map((product) => `${product.name}. ${product.description}`);
    const made = await runtime.embed({ model: engine.model, texts, purpose: 'passage' }, options);
    const fresh = new Map(missing.map((product, index) => [product.id, made.vectors[index] as Float32Array]));
    shop.storeVectors(`${made.engine.model}/${made.engine.variant}`, fresh);
    return new Map([...vectors, ...fresh]);
  }
}

/** Share of the words that stand in the product's name or description, 0..1; a word matches its plural. */
export function wordOverlap(product: Pick<Product, 'name' | 'description'>, words: readonly string[]): number {
  if (words.length === 0) return 0;
  const flatten = (value: string): string => value.toLowerCase().replaceAll(/[^a-z0-9]+/g, ' ');
  const text = ` ${flatten(`${product.name} ${product.description}`)}`;
  const stem = (word: string): string => (word.length > 3 ? flatten(word).replace(/(?:es|s)$/, '') : flatten(word));
  return words.filter((word) => text.includes(` ${stem(word)}`)).length / words.length;
}

/** Bayesian mean of the stars, as 0..1. */
function popularity({ rating, ratingCount }: Product): number {
  return (rating * ratingCount + 3 * PRIOR_RATINGS) / (ratingCount + PRIOR_RATINGS) / 5;
}

/** Cosines of one encoder lie close together; spread over 0..1 they can be weighed against the rest. */
function stretch(scores: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  const [low, high] = [Math.min(...scores.values()), Math.max(...scores.values())];
  return new Map([...scores].map(([id, score]) => [id, high > low ? (score - low) / (high - low) : 0]));
}

function orderBy(products: readonly Product[], score: (product: Product) => number): Product[] {
  const scored = products.map((product) => ({ product, score: score(product) }));
  return scored.sort((a, b) => b.score - a.score || (a.product.id < b.product.id ? -1 : 1)).map(({ product }) => product);
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0);
}
