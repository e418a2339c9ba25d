import type { Activity, Category, Colour, Gender, Season } from './shop.ts';

/** Hard conditions on a product; every one given must hold. */
export interface ProductFilter {
  readonly categories?: readonly Category[];
  /** `men` and `women` also take `unisex` articles. */
  readonly gender?: Gender;
  readonly colours?: readonly Colour[];
  readonly notColours?: readonly Colour[];
  readonly brands?: readonly string[];
  readonly notBrands?: readonly string[];
  readonly materials?: readonly string[];
  readonly notMaterials?: readonly string[];
  readonly size?: string;
  readonly waterproof?: boolean;
  /** Pence, inclusive. */
  readonly minPrice?: number;
  /** Pence, inclusive. */
  readonly maxPrice?: number;
  /** Grams, inclusive. */
  readonly maxWeight?: number;
  /** Grams, inclusive. */
  readonly minWeight?: number;
  /** `summer` and `winter` also take `all-year` articles; `summer` takes `three-season` ones too. */
  readonly season?: Season;
  readonly activities?: readonly Activity[];
  /** Stars, inclusive. */
  readonly minRating?: number;
  /** True leaves out what is sold out. */
  readonly inStock?: boolean;
}

interface Condition {
  readonly sql: string;
  readonly values: readonly (string | number)[];
}

const GENDER_FITS: Readonly<Record<Gender, readonly Gender[]>> = {
  men: ['men', 'unisex'],
  women: ['women', 'unisex'],
  kids: ['kids'],
  unisex: ['unisex'],
};

const SEASON_FITS: Readonly<Record<Season, readonly Season[]>> = {
  summer: ['summer', 'three-season', 'all-year'],
  winter: ['winter', 'all-year'],
  'three-season': ['three-season', 'all-year'],
  'all-year': ['all-year'],
};

/** The filter as an SQL condition over the table of products; values are bound, never pasted. */
export function toSql(filter: ProductFilter): Condition {
  const conditions: readonly (Condition | undefined)[] = [
    oneOf('category', filter.categories),
    oneOf('gender', filter.gender && GENDER_FITS[filter.gender]),
    oneOf('colour', filter.colours),
    noneOf('colour', filter.notColours),
    oneOf('brand', filter.brands),
    noneOf('brand', filter.notBrands),
    contains('material', filter.materials),
    containsNone('material', filter.notMaterials),
    filter.size === undefined ? undefined : { sql: 'EXISTS (SELECT 1 FROM json_each(sizes) WHERE value = ?)', values: [filter.size] },
    filter.waterproof === undefined ? undefined : { sql: 'waterproof = ?', values: [Number(filter.waterproof)] },
    compare('price >= ?', filter.minPrice),
    compare('price <= ?', filter.maxPrice),
    compare('weightGrams >= ?', filter.minWeight),
    compare('weightGrams <= ?', filter.maxWeight),
    oneOf('season', filter.season && SEASON_FITS[filter.season]),
    oneOf('activity', filter.activities),
    compare('rating >= ?', filter.minRating),
    filter.inStock ? { sql: 'stock > 0', values: [] } : undefined,
  ];
  const given = conditions.filter((condition) => condition !== undefined);
  return {
    sql: given.length > 0 ? given.map(({ sql }) => `(${sql})`).join(' AND ') : '1',
    values: given.flatMap(({ values }) => values),
  };
}

function marks(values: readonly string[]): string {
  return values.map(() => '?').join(', ');
}

function oneOf(column: string, values: readonly string[] | undefined): Condition | undefined {
  return values && { sql: `${column} IN (${marks(values)})`, values };
}

function noneOf(column: string, values: readonly string[] | undefined): Condition | undefined {
  return values && { sql: `${column} NOT IN (${marks(values)})`, values };
}

function contains(column: string, words: readonly string[] | undefined): Condition | undefined {
  return words && { sql: words.map(() => `instr(lower(${column}), ?) > 0`).join(' OR '), values: words };
}

function containsNone(column: string, words: readonly string[] | undefined): Condition | undefined {
  return words && { sql: words.map(() => `instr(lower(${column}), ?) = 0`).join(' AND '), values: words };
}

function compare(sql: string, value: number | undefined): Condition | undefined {
  return value === undefined ? undefined : { sql, values: [value] };
}
