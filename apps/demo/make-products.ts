import type { Category, Gender, Product } from '#agent/shop/shop.ts';
import { BRANDS, CATALOGUE, type CategorySpec, COLOURS, MODELS, SIZES } from './catalogue.ts';
import type { Random } from './random.ts';

/** A product before anybody rated it. */
export type UnratedProduct = Omit<Product, 'rating' | 'ratingCount'>;

const FOR: Readonly<Record<Gender, string>> = { men: ' for men', women: ' for women', kids: ' for kids', unisex: '' };
const POSSESSIVE: Readonly<Record<Gender, string>> = { men: "Men's ", women: "Women's ", kids: "Kids' ", unisex: '' };

/** Nouns that name the activity a product is made for. */
const NAMED_ACTIVITIES: readonly (readonly [word: string, activity: Product['activity']])[] = [
  ['Hiking', 'hiking'],
  ['Trekking', 'hiking'],
  ['Running', 'running'],
  ['Climbing', 'climbing'],
  ['Bouldering', 'climbing'],
  ['Camp', 'camping'],
];

/** The whole catalogue, in a fixed order of categories; names are unique. */
export function makeProducts(random: Random): UnratedProduct[] {
  const names = new Set<string>();
  const products: UnratedProduct[] = [];
  for (const [category, spec] of Object.entries(CATALOGUE)) {
    for (let index = 0; index < spec.count; index++) {
      const id = `P${String(products.length + 1).padStart(4, '0')}`;
      products.push(makeProduct(random, { id, category: category as Category, spec, index }, names));
    }
  }
  return products;
}

interface Place {
  readonly id: string;
  readonly category: Category;
  readonly spec: CategorySpec;
  readonly index: number;
}

function makeProduct(random: Random, { id, category, spec, index }: Place, names: Set<string>): UnratedProduct {
  // Colours and genders go round with different periods, so that every common pair of them exists.
  const gender = spec.genders[index % spec.genders.length] as Gender;
  const colour = COLOURS[(index + Math.floor(index / COLOURS.length)) % COLOURS.length] as Product['colour'];
  const brand = random.pick(BRANDS);
  const noun = random.pick(spec.nouns);
  const name = uniqueName(names, () => `${brand} ${random.pick(MODELS)} ${POSSESSIVE[gender]}${noun}`);
  const rain = noun.startsWith('Rain');
  const waterproof = rain || random.chance(noun.includes('Down') ? 0.1 : spec.waterproof);
  const material = random.pick(spec.materials.filter((candidate) => !candidate.startsWith('down') || noun.startsWith('Down')));
  const season = noun.startsWith('Winter') ? 'winter' : random.pick(spec.seasons);
  const activity = NAMED_ACTIVITIES.find(([word]) => noun.includes(word))?.[1] ?? random.pick(spec.activities);
  const weightGrams = between(random, spec.grams, 5);
  const labels = SIZES[spec.sizing][gender === 'kids' ? 'kids' : 'adult'];
  return {
    id,
    name,
    brand,
    category,
    gender,
    colour,
    sizes: labels.filter(() => random.chance(0.85)),
    price: between(random, spec.pounds, 1) * 100 + random.pick([0, 95, 95]),
    waterproof,
    weightGrams,
    material,
    season,
    activity,
    stock: random.chance(0.08) ? 0 : random.integer(1, 60),
    description:
      `${colour === 'orange' && !waterproof ? 'An' : 'A'} ${waterproof ? 'waterproof ' : ''}${colour} ${noun.toLowerCase()}${FOR[gender]}, made of ${material} and weighing ${weightGrams} g. ` +
      `Made for ${activity}, ${seasonWords(season)}: ${random.pick(spec.features)}.`,
  };
}

function uniqueName(names: Set<string>, propose: () => string): string {
  for (;;) {
    const name = propose();
    if (names.has(name)) continue;
    names.add(name);
    return name;
  }
}

function between(random: Random, [low, high]: readonly [number, number], step: number): number {
  // The smaller of two draws: cheap and light things are more common than dear and heavy ones.
  const drawn = Math.min(random.integer(low, high), random.integer(low, high));
  return Math.max(low, Math.round(drawn / step) * step);
}

function seasonWords(season: Product['season']): string {
  return { summer: 'in summer', winter: 'in winter', 'three-season': 'from spring to autumn', 'all-year': 'all year round' }[season];
}
