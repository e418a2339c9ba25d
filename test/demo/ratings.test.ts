import { expect, it } from 'vitest';
import type { Rating } from '#agent/shop/shop.ts';
import { generateShop } from '#apps/demo/generate-shop.ts';

const { ratings, products } = generateShop({ seed: 1 });
const train = ratings.filter((_, index) => index % 5 !== 0);
const test = ratings.filter((_, index) => index % 5 === 0);

const mean = (values: readonly number[], fallback: number): number =>
  values.length > 0 ? values.reduce((sum, value) => sum + value, 0) / values.length : fallback;

function groupStars(rows: readonly Rating[], key: (row: Rating) => string): Map<string, number[]> {
  const groups = new Map<string, number[]>();
  for (const row of rows) groups.set(key(row), [...(groups.get(key(row)) ?? []), row.stars]);
  return groups;
}

const global = mean(
  train.map(({ stars }) => stars),
  0,
);
const byProduct = groupStars(train, ({ productId }) => productId);
const byCustomer = groupStars(train, ({ customerId }) => customerId);
/** Means, pulled towards the global one by five imagined ratings. */
const damped = (values: readonly number[] | undefined): number =>
  values ? values.reduce((sum, value) => sum + value - global, 0) / (values.length + 5) : 0;
const bias = ({ customerId, productId }: Pick<Rating, 'customerId' | 'productId'>): number =>
  global + damped(byProduct.get(productId)) + damped(byCustomer.get(customerId));

/** Item-item neighbours: cosine of what is left of the ratings after both biases, shrunk by the number of common raters. */
function itemItem(): (row: Rating) => number {
  const residuals = new Map<string, Map<string, number>>();
  for (const row of train) {
    const column = residuals.get(row.productId) ?? new Map<string, number>();
    residuals.set(row.productId, column.set(row.customerId, row.stars - bias(row)));
  }
  const norm = (column: ReadonlyMap<string, number>): number => Math.hypot(...column.values());
  const similarity = (a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): number => {
    const common = [...a].filter(([customer]) => b.has(customer));
    const dot = common.reduce((sum, [customer, value]) => sum + value * (b.get(customer) as number), 0);
    return dot / (norm(a) * norm(b) + 2);
  };
  const ownOf = new Map<string, Rating[]>();
  for (const row of train) ownOf.set(row.customerId, [...(ownOf.get(row.customerId) ?? []), row]);
  return (row) => {
    const target = residuals.get(row.productId);
    if (!target) return bias(row);
    const neighbours = (ownOf.get(row.customerId) ?? [])
      .map((own) => ({ own, weight: similarity(target, residuals.get(own.productId) as ReadonlyMap<string, number>) }))
      .toSorted((a, b) => Math.abs(b.weight) - Math.abs(a.weight))
      .slice(0, 40);
    const weights = neighbours.reduce((sum, { weight }) => sum + Math.abs(weight), 0.1);
    return bias(row) + neighbours.reduce((sum, { own, weight }) => sum + weight * (own.stars - bias(own)), 0) / weights;
  };
}

function rmse(predict: (row: Rating) => number): number {
  return Math.sqrt(
    mean(
      test.map((row) => (row.stars - predict(row)) ** 2),
      0,
    ),
  );
}

it('has taste: item-item neighbours predict held-out stars clearly better than popularity, even after both biases', () => {
  const popularity = rmse(({ productId }) => mean(byProduct.get(productId) ?? [], global));
  const biases = rmse(bias);
  const neighbours = rmse(itemItem());
  expect(biases).toBeLessThan(popularity);
  expect(neighbours).toBeLessThan(0.95 * biases);
  expect(neighbours).toBeLessThan(0.92 * popularity);
});

it('has no product that everybody loves or nobody rated', () => {
  expect(Math.max(...products.map(({ rating }) => rating))).toBeLessThanOrEqual(5);
  expect(products.filter(({ ratingCount }) => ratingCount === 0).length).toBeLessThan(products.length / 100);
});
