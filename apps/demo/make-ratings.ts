import type { Activity, Customer, Rating } from '#agent/shop/shop.ts';
import { BRANDS } from './catalogue.ts';
import type { UnratedProduct } from './make-products.ts';
import type { Random } from './random.ts';

/** Hidden dimensions of taste beside activity and brand. */
const FACTORS = 3;

/** What a customer likes; nobody but the generator sees it. */
interface Taste {
  /** How kindly this customer rates, in stars. */
  readonly kindness: number;
  readonly activities: ReadonlyMap<Activity, number>;
  readonly brands: ReadonlyMap<string, number>;
  readonly factors: readonly number[];
}

interface Appeal {
  /** How good the product is, in stars. */
  readonly quality: number;
  readonly factors: readonly number[];
}

/** Each persona cares for some activities; a customer is one of them, with a will of their own. */
const PERSONAS: readonly (readonly Activity[])[] = [
  ['hiking', 'camping'],
  ['climbing', 'skiing'],
  ['running', 'travel'],
  ['cycling', 'paddling'],
];
const ACTIVITIES = PERSONAS.flat();

/**
 * About `perCustomer` ratings a customer. Stars = 3.5 + kindness + quality + taste + noise, and customers mostly rate what
 * suits them: so neighbours in taste tell more about an unseen rating than the product's mean does.
 */
export function makeRatings(
  random: Random,
  customers: readonly Customer[],
  products: readonly UnratedProduct[],
  perCustomer: number,
): Rating[] {
  const appeals = products.map((): Appeal => ({ quality: 0.45 * random.normal(), factors: drawFactors(random) }));
  return customers.flatMap((customer, index) => {
    const taste = drawTaste(random, PERSONAS[index % PERSONAS.length] as readonly Activity[]);
    const rated = new Set<number>();
    while (rated.size < perCustomer) {
      const candidate = random.integer(0, products.length - 1);
      const affinity = affinityOf(taste, products[candidate] as UnratedProduct, appeals[candidate] as Appeal);
      if (random.chance(0.5 + (0.5 * affinity) / (1 + Math.abs(affinity)))) rated.add(candidate);
    }
    return [...rated]
      .sort((a, b) => a - b)
      .map((position): Rating => {
        const [product, appeal] = [products[position] as UnratedProduct, appeals[position] as Appeal];
        const stars = 3.5 + taste.kindness + appeal.quality + affinityOf(taste, product, appeal) + 0.45 * random.normal();
        return { customerId: customer.id, productId: product.id, stars: Math.min(5, Math.max(1, Math.round(stars))) };
      });
  });
}

function drawFactors(random: Random): number[] {
  return Array.from({ length: FACTORS }, () => random.normal());
}

function drawTaste(random: Random, loved: readonly Activity[]): Taste {
  return {
    kindness: 0.3 * random.normal(),
    activities: new Map(ACTIVITIES.map((activity) => [activity, (loved.includes(activity) ? 1 : -0.6) + 0.3 * random.normal()])),
    brands: new Map(BRANDS.map((brand) => [brand, 0.35 * random.normal()])),
    factors: drawFactors(random),
  };
}

/** In stars, around zero. */
function affinityOf(taste: Taste, product: UnratedProduct, appeal: Appeal): number {
  const shared = taste.factors.reduce((sum, weight, index) => sum + weight * (appeal.factors[index] as number), 0);
  return (taste.activities.get(product.activity) ?? 0) + (taste.brands.get(product.brand) ?? 0) + 0.45 * shared;
}
