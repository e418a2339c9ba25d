import type { ProductFilter } from '#agent/shop/product-filter.ts';
import { formatPrice } from '#agent/shop/shop.ts';
import { CATEGORY_NAMES } from './vocabulary.ts';

/** One condition as a person sees it: `the price`, `the colour`. */
export type FacetId =
  | 'category'
  | 'gender'
  | 'colour'
  | 'price'
  | 'weight'
  | 'size'
  | 'waterproof'
  | 'brand'
  | 'material'
  | 'season'
  | 'activity'
  | 'rating'
  | 'persons';

/** The shop's conditions, and what only the name of a product says. */
export interface SearchFilter extends ProductFilter {
  /** People that a tent is for. */
  readonly persons?: number;
}

interface Facet {
  readonly fields: readonly (keyof SearchFilter)[];
  /** The condition in words, such as `under £120`; called only when one of the fields is set. */
  readonly describe: (filter: SearchFilter) => string;
}

export const FACETS: Readonly<Record<FacetId, Facet>> = {
  category: { fields: ['categories'], describe: ({ categories = [] }) => join(categories.map((category) => CATEGORY_NAMES[category])) },
  gender: { fields: ['gender'], describe: ({ gender }) => `for ${gender}` },
  colour: {
    fields: ['colours', 'notColours'],
    describe: ({ colours, notColours }) => either(colours && `in ${join(colours)}`, notColours && `not ${join(notColours)}`),
  },
  price: { fields: ['minPrice', 'maxPrice'], describe: ({ minPrice, maxPrice }) => describeBounds(minPrice, maxPrice, priceBound) },
  weight: { fields: ['minWeight', 'maxWeight'], describe: ({ minWeight, maxWeight }) => describeBounds(minWeight, maxWeight, weightBound) },
  size: { fields: ['size'], describe: ({ size }) => `in size ${size}` },
  waterproof: { fields: ['waterproof'], describe: ({ waterproof }) => (waterproof ? 'waterproof' : 'not waterproof') },
  brand: {
    fields: ['brands', 'notBrands'],
    describe: ({ brands, notBrands }) => either(brands && `by ${join(brands)}`, notBrands && `not by ${join(notBrands)}`),
  },
  material: {
    fields: ['materials', 'notMaterials'],
    describe: ({ materials, notMaterials }) =>
      either(materials && `of ${join(materials)}`, notMaterials && `without ${join(notMaterials)}`),
  },
  season: { fields: ['season'], describe: ({ season }) => `for ${season === 'all-year' ? 'all year' : season}` },
  activity: { fields: ['activities'], describe: ({ activities = [] }) => `for ${join(activities)}` },
  rating: { fields: ['minRating'], describe: ({ minRating }) => `rated ${minRating} stars or more` },
  persons: { fields: ['persons'], describe: ({ persons }) => (persons === 1 ? 'for 1 person' : `for ${persons} people`) },
};

export const FACET_IDS = Object.keys(FACETS) as readonly FacetId[];

/** The conditions that a filter holds. */
export function activeFacets(filter: SearchFilter): FacetId[] {
  return FACET_IDS.filter((id) => FACETS[id].fields.some((field) => filter[field] !== undefined));
}

/** The filter without these conditions. */
export function dropFacets(filter: SearchFilter, facets: readonly FacetId[]): SearchFilter {
  const fields = new Set<string>(facets.flatMap((facet) => FACETS[facet].fields));
  return Object.fromEntries(Object.entries(filter).filter(([field]) => !fields.has(field)));
}

/**
 * The filter with another's conditions. What both hold is replaced; only a range keeps the bound that was not named anew, unless
 * it would be empty then (`under 50` after `over 80`).
 */
export function mergeFilters(filter: SearchFilter, added: SearchFilter): SearchFilter {
  const merged = { ...filter, ...added };
  const isRange = (id: FacetId): boolean => id === 'price' || id === 'weight';
  const isEmpty = (min = 0, max = Number.POSITIVE_INFINITY): boolean => min > max;
  const stale = activeFacets(added).filter((id) =>
    isRange(id) ? isEmpty(...(id === 'price' ? [merged.minPrice, merged.maxPrice] : [merged.minWeight, merged.maxWeight])) : true,
  );
  return { ...dropFacets(filter, stale), ...added };
}

/** A filter in words: `waterproof jackets for men, under £120`. */
export function describeFilter(filter: SearchFilter): string {
  const active = activeFacets(filter);
  const words = (id: FacetId): string => FACETS[id].describe(filter);
  const noun = active.includes('category') ? words('category') : 'products';
  const before = active.includes('waterproof') && filter.waterproof ? ['waterproof'] : [];
  const after = active.filter((id) => id !== 'category' && !(id === 'waterproof' && filter.waterproof)).map(words);
  return [[...before, noun, ...after.slice(0, 1)].join(' '), ...after.slice(1)].join(', ');
}

function join(values: readonly string[]): string {
  return values.length > 1 ? `${values.slice(0, -1).join(', ')} or ${values.at(-1)}` : (values[0] ?? '');
}

function either(...parts: readonly (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined).join(', ');
}

function describeBounds(min: number | undefined, max: number | undefined, bound: (value: number, side: 'min' | 'max') => string): string {
  return either(min === undefined ? undefined : bound(min, 'min'), max === undefined ? undefined : bound(max, 'max'));
}

/** `under £120` was parsed to the penny below it; say it as it was said. */
function priceBound(pence: number, side: 'min' | 'max'): string {
  const shown = (value: number): string => (value % 100 === 0 ? `£${value / 100}` : formatPrice(value));
  if (side === 'min') return (pence - 1) % 5 === 0 ? `over ${shown(pence - 1)}` : `from ${shown(pence)}`;
  return (pence + 1) % 5 === 0 ? `under ${shown(pence + 1)}` : `up to ${shown(pence)}`;
}

function weightBound(grams: number, side: 'min' | 'max'): string {
  if (side === 'min') return (grams - 1) % 5 === 0 ? `over ${grams - 1} g` : `from ${grams} g`;
  return (grams + 1) % 5 === 0 ? `under ${grams + 1} g` : `up to ${grams} g`;
}
