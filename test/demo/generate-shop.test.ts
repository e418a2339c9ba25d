import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { generateShop, RETURN_POLICY } from '#apps/demo/generate-shop.ts';
import { DEMO_CUSTOMER } from '#apps/demo/make-customers.ts';
import { createRandom } from '#apps/demo/random.ts';

const shop = generateShop({ seed: 1 });
const digest = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex');

describe('generateShop', () => {
  it('gives the same bytes for the same seed, others for another', () => {
    expect(digest(generateShop({ seed: 1 }))).toBe(digest(shop));
    expect(digest(generateShop({ seed: 2 }))).not.toBe(digest(shop));
  });

  it('gives the very bytes of seed 1 that every other machine gives', () => {
    const { pages: _, ...data } = shop;
    expect(digest(data)).toBe('f1adda2d7fa5d85dbf5bd99fbce0b2281d04e124aab50174fd7324941a080897');
  });

  it('has the promised size', () => {
    expect(shop.products.length).toBeGreaterThanOrEqual(1000);
    expect([shop.customers.length, shop.orders.length, shop.ratings.length]).toEqual([200, 600, 20_000]);
    expect(shop.pages.length).toBeGreaterThanOrEqual(12);
  });

  it('keys everything uniquely and refers only to what exists', () => {
    const unique = (values: readonly string[]): void => expect(new Set(values).size).toBe(values.length);
    unique(shop.products.map(({ id }) => id));
    unique(shop.products.map(({ name }) => name));
    unique(shop.customers.map(({ email }) => email));
    unique(shop.orders.map(({ id }) => id));
    unique(shop.ratings.map(({ customerId, productId }) => `${customerId} ${productId}`));
    const products = new Map(shop.products.map((product) => [product.id, product]));
    const customers = new Set(shop.customers.map(({ id }) => id));
    for (const order of shop.orders) {
      expect(customers).toContain(order.customerId);
      for (const line of order.lines) {
        const product = products.get(line.productId);
        expect(product).toBeDefined();
        if (line.size !== undefined) expect(product?.sizes).toContain(line.size);
      }
    }
    for (const { customerId, productId, stars } of shop.ratings) {
      expect(customers.has(customerId) && products.has(productId) && [1, 2, 3, 4, 5].includes(stars)).toBe(true);
    }
  });

  it('dates orders so that each status agrees with what happened', () => {
    for (const order of shop.orders) {
      const dates = [order.placedOn, order.shippedOn, order.deliveredOn, shop.asOf].filter((date) => date !== undefined);
      expect(dates).toEqual(dates.toSorted());
      expect(order.shippedOn !== undefined).toBe(['shipped', 'delivered', 'returned'].includes(order.status));
      expect(order.deliveredOn !== undefined).toBe(['delivered', 'returned'].includes(order.status));
      expect(order.tracking !== undefined).toBe(order.shippedOn !== undefined);
    }
  });

  it('sells a pink shirt for men, and for women, so that confusing them would show', () => {
    const pink = shop.products.filter(({ category, colour }) => category === 'shirt' && colour === 'pink');
    expect(new Set(pink.map(({ gender }) => gender))).toEqual(new Set(['men', 'women', 'kids']));
  });

  it('keeps the demo customer and their orders whatever the seed', () => {
    for (const seed of [1, 2, 3]) {
      const other = generateShop({ seed });
      expect(other.customers[0]).toEqual(DEMO_CUSTOMER);
      const own = other.orders.filter(({ customerId }) => customerId === DEMO_CUSTOMER.id);
      expect(own.map(({ id, status }) => [id, status])).toEqual([
        ['FH-100001', 'delivered'],
        ['FH-100002', 'shipped'],
        ['FH-100003', 'delivered'],
      ]);
    }
  });

  it('says on its pages what its policies and its demo customer are', () => {
    const page = (name: string): string => shop.pages.find(({ source }) => source === `demo/policies/${name}.md`)?.markdown ?? '';
    expect(page('returns')).toContain(`An opened tent can be returned within ${RETURN_POLICY.openedDays} days`);
    expect(page('returns')).toContain(`within ${RETURN_POLICY.unopenedDays} days of delivery`);
    expect(page('demo')).toContain(DEMO_CUSTOMER.email);
    expect(page('demo')).toContain(DEMO_CUSTOMER.postcode);
    for (const { title, markdown } of shop.pages) {
      expect(title).not.toMatch(/\.md$/);
      expect(markdown.split(/\s+/).length).toBeGreaterThan(150);
    }
  });
});

describe('createRandom', () => {
  it('draws evenly, within bounds, and normally with variance 1', () => {
    const random = createRandom(7);
    const dice = Array.from({ length: 12_000 }, () => random.integer(1, 6));
    for (const face of [1, 2, 3, 4, 5, 6]) expect(dice.filter((value) => value === face).length).toBeGreaterThan(1800);
    const draws = Array.from({ length: 5000 }, () => random.normal());
    const variance = draws.reduce((sum, draw) => sum + draw * draw, 0) / draws.length;
    expect(variance).toBeGreaterThan(0.9);
    expect(variance).toBeLessThan(1.1);
  });

  it('forks streams that do not depend on what was drawn before', () => {
    const random = createRandom(7);
    const first = random.fork('orders').next();
    random.next();
    expect(random.fork('orders').next()).toBe(first);
    expect(random.fork('ratings').next()).not.toBe(first);
  });
});
