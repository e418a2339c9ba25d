import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openShop, type ShopDatabase } from '#agent/shop/shop-database.ts';
import { generateShop } from '#apps/demo/generate-shop.ts';

const shop = generateShop({ seed: 1 });
let database: ShopDatabase;

beforeEach(() => {
  database = openShop(':memory:');
});
afterEach(() => database[Symbol.dispose]());

describe('openShop', () => {
  it('knows whether a shop was imported, and says so when it is asked too early', () => {
    expect(database.isImported()).toBe(false);
    expect(() => database.asOf()).toThrow(expect.objectContaining({ code: 'E_DATABASE' }));
    database.importShop(shop);
    expect(database.isImported()).toBe(true);
    expect(database.asOf()).toBe(shop.asOf);
    expect(database.returnPolicy()).toEqual(shop.returnPolicy);
  });

  it('gives back what was imported, twice imported or not', () => {
    database.importShop(shop);
    database.importShop(shop);
    expect(database.findProducts({})).toEqual(shop.products);
    expect(database.listPages()).toEqual(shop.pages);
    expect(database.listRatings()).toHaveLength(shop.ratings.length);
    expect(database.readOrder('fh-100001')).toEqual(shop.orders[0]);
    expect(database.readProduct('P9999')).toBeUndefined();
    expect(database.findCustomer('Alex.Morgan@Example.com')?.id).toBe('C001');
    expect(database.listOrders('C001').map(({ id }) => id)).toEqual(['FH-100002', 'FH-100001', 'FH-100003']);
  });

  it('calls a file that is no database by its code', () => {
    const folder = mkdtempSync(join(tmpdir(), 'shop-'));
    writeFileSync(join(folder, 'shop.sqlite'), 'not a database at all, '.repeat(100));
    expect(() => openShop(join(folder, 'shop.sqlite'))).toThrow(expect.objectContaining({ code: 'E_DATABASE_CORRUPT' }));
    rmSync(folder, { recursive: true });
  });
});

describe('writes', () => {
  const record = { orderId: 'FH-100001', productId: 'P0001', condition: 'opened', reason: 'too small' } as const;

  it('registers a return once a key, and once an item', () => {
    const first = database.createReturn('key-1', record);
    expect(first).toEqual({ id: 'R-1001', ...record });
    expect(database.createReturn('key-1', record)).toEqual(first);
    expect(database.createReturn('key-2', { ...record, reason: 'other' })).toEqual(first);
    expect(database.findReturn('FH-100001', 'P0001')).toEqual(first);
    expect(database.createReturn('key-3', { ...record, productId: 'P0002' }).id).not.toBe(first.id);
  });

  it('opens a ticket once a key, with or without a customer, and keeps tickets and returns over an import', () => {
    const ticket = { contact: 'a@example.com', summary: 'help', transcript: 'user: help' };
    const first = database.createTicket('key-1', ticket);
    expect(database.createTicket('key-1', ticket)).toEqual(first);
    database.createTicket('key-2', { ...ticket, customerId: 'C001' });
    database.createReturn('key-1', record);
    database.importShop(shop);
    expect(database.listTickets().map(({ customerId }) => customerId)).toEqual([undefined, 'C001']);
    expect(database.findReturn('FH-100001', 'P0001')).toBeDefined();
  });

  it('keeps vectors by encoder, bit by bit', () => {
    const vector = Float32Array.of(0.1, -0.2, 3);
    database.storeVectors('e5/int8', new Map([['P0001', vector]]));
    expect(database.readVectors('e5/int8', ['P0001', 'P0002'])).toEqual(new Map([['P0001', vector]]));
    expect(database.readVectors('bge/int8', ['P0001']).size).toBe(0);
  });
});

describe('findProducts', () => {
  beforeEach(() => database.importShop(shop));

  it('binds values: a quote is a value like any other', () => {
    expect(database.findProducts({ brands: ["x' OR 1=1 --"] })).toEqual([]);
  });

  it('gives unisex articles to men and women but not to kids', () => {
    const genders = (gender: 'men' | 'kids'): Set<string> => new Set(database.findProducts({ gender }).map((product) => product.gender));
    expect(genders('men')).toEqual(new Set(['men', 'unisex']));
    expect(genders('kids')).toEqual(new Set(['kids']));
  });

  it('holds every condition at once', () => {
    const found = database.findProducts({
      categories: ['jacket'],
      waterproof: true,
      maxPrice: 15000,
      minPrice: 5000,
      notColours: ['black'],
      notMaterials: ['polyester'],
      size: 'M',
      maxWeight: 600,
      minRating: 3,
    });
    expect(found.length).toBeGreaterThan(0);
    const expected = shop.products.filter(
      (product) =>
        product.category === 'jacket' &&
        product.waterproof &&
        product.price >= 5000 &&
        product.price <= 15000 &&
        product.colour !== 'black' &&
        !product.material.includes('polyester') &&
        product.sizes.includes('M') &&
        product.weightGrams <= 600 &&
        product.rating >= 3,
    );
    expect(found).toEqual(expected);
    expect(database.countProducts({ categories: ['jacket'] })).toBe(110);
  });
});
