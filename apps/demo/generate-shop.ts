import type { Product, Rating, ReturnPolicy, Shop } from '#agent/shop/shop.ts';
import { makeCustomers } from './make-customers.ts';
import { makeOrders } from './make-orders.ts';
import { makeProducts, type UnratedProduct } from './make-products.ts';
import { makeRatings } from './make-ratings.ts';
import { createRandom } from './random.ts';
import { readPages } from './read-pages.ts';

/** The day on which the demo shop's calendar stands, whatever the device's clock says: its orders never grow old. */
export const DEMO_DAY = '2026-06-01';

/** Said in words by `pages/returns.md`. */
export const RETURN_POLICY: ReturnPolicy = {
  unopenedDays: 60,
  openedDays: 30,
  sealedCategories: ['harness', 'rope', 'bike-helmet'],
};

const CUSTOMERS = 200;
const ORDERS = 600;
const RATINGS_PER_CUSTOMER = 100;

/**
 * The demo shop: about 1,000 products, 200 customers, 600 orders, 20,000 ratings and the help pages. The same seed gives
 * the same bytes, on every machine.
 * @param options `seed`: any whole number.
 */
export function generateShop({ seed }: { readonly seed: number }): Shop {
  const random = createRandom(seed);
  const products = makeProducts(random.fork('products'));
  const customers = makeCustomers(random.fork('customers'), CUSTOMERS);
  const ratings = makeRatings(random.fork('ratings'), customers, products, RATINGS_PER_CUSTOMER);
  return {
    name: 'Fell & Harbour',
    asOf: DEMO_DAY,
    products: addRatings(products, ratings),
    customers,
    orders: makeOrders(random.fork('orders'), customers, products, { asOf: DEMO_DAY, count: ORDERS }),
    ratings,
    pages: readPages(),
    returnPolicy: RETURN_POLICY,
  };
}

function addRatings(products: readonly UnratedProduct[], ratings: readonly Rating[]): Product[] {
  const stars = new Map<string, number[]>();
  for (const rating of ratings) stars.set(rating.productId, [...(stars.get(rating.productId) ?? []), rating.stars]);
  return products.map((product) => {
    const own = stars.get(product.id) ?? [];
    const sum = own.reduce((total, value) => total + value, 0);
    return { ...product, rating: own.length > 0 ? Math.round((sum / own.length) * 10) / 10 : 0, ratingCount: own.length };
  });
}
