import { EdgeError } from '#edge/core/errors.ts';
import { openDatabase, type SqliteDatabase } from '#edge/storage/sqlite.ts';
import { type ProductFilter, toSql } from './product-filter.ts';
import type { Customer, Order, Product, Rating, ReturnPolicy, ReturnRecord, Shop, ShopPage, Ticket } from './shop.ts';
import { SHOP_MIGRATIONS } from './shop-schema.ts';

/** The shop as the bots ask it. Every method throws `E_DATABASE` and its kin when the file fails. */
export interface ShopDatabase {
  /** Replaces catalogue, customers, orders, ratings and pages; returns and tickets stay. One transaction. */
  importShop(shop: Shop): void;
  /** False before the first {@link importShop}. */
  isImported(): boolean;
  /** `YYYY-MM-DD`, see {@link Shop.asOf}. */
  asOf(): string;
  returnPolicy(): ReturnPolicy;
  findProducts(filter: ProductFilter): readonly Product[];
  countProducts(filter: ProductFilter): number;
  readProduct(id: string): Product | undefined;
  /** Every brand, in alphabetical order. */
  listBrands(): readonly string[];
  findCustomer(email: string): Customer | undefined;
  readOrder(id: string): Order | undefined;
  /** A customer's orders, newest first. */
  listOrders(customerId: string): readonly Order[];
  listRatings(): readonly Rating[];
  listPages(): readonly ShopPage[];
  findReturn(orderId: string, productId: string): ReturnRecord | undefined;
  /** Registers a return once: the same `key`, or the same item of the same order, gives the record that exists. */
  createReturn(key: string, record: Omit<ReturnRecord, 'id'>): ReturnRecord;
  /** Opens a ticket once a `key`. */
  createTicket(key: string, ticket: Omit<Ticket, 'id'>): Ticket;
  listTickets(): readonly Ticket[];
  /** Vectors of products made by one encoder (`model/variant`), by product id. */
  readVectors(encoder: string, productIds: readonly string[]): ReadonlyMap<string, Float32Array>;
  storeVectors(encoder: string, vectors: ReadonlyMap<string, Float32Array>): void;
  [Symbol.dispose](): void;
}

/**
 * Opens (or makes) the shop's file.
 * @throws EdgeError as `openDatabase` does.
 */
export function openShop(path: string): ShopDatabase {
  return new SqliteShop(openDatabase({ path, migrations: SHOP_MIGRATIONS }));
}

type ProductRow = Omit<Product, 'sizes' | 'waterproof'> & { readonly sizes: string; readonly waterproof: number };
type ReturnRow = Omit<ReturnRecord, 'id'> & { readonly number: number };
type TicketRow = Omit<Ticket, 'id' | 'customerId'> & { readonly number: number; readonly customerId: string | null };

const CONTENT_TABLES = ['facts', 'ratings', 'orders', 'customers', 'products', 'pages', 'product_vectors'] as const;

class SqliteShop implements ShopDatabase {
  readonly #database: SqliteDatabase;

  constructor(database: SqliteDatabase) {
    this.#database = database;
  }

  importShop(shop: Shop): void {
    this.#database.transaction(() => {
      for (const table of CONTENT_TABLES) this.#database.exec(`DELETE FROM ${table}`);
      this.#insert('facts', [
        { name: 'asOf', value: shop.asOf },
        { name: 'returnPolicy', value: JSON.stringify(shop.returnPolicy) },
      ]);
      this.#insert(
        'products',
        shop.products.map((product) => ({
          ...product,
          sizes: JSON.stringify(product.sizes),
          waterproof: Number(product.waterproof),
        })),
      );
      this.#insert('customers', shop.customers);
      this.#insert(
        'orders',
        shop.orders.map((order) => ({
          id: order.id,
          customerId: order.customerId,
          status: order.status,
          placedOn: order.placedOn,
          body: JSON.stringify(order),
        })),
      );
      this.#insert('ratings', shop.ratings);
      this.#insert('pages', shop.pages);
    })();
  }

  isImported(): boolean {
    return this.#database.prepare("SELECT 1 FROM facts WHERE name = 'asOf'").get() !== undefined;
  }

  asOf(): string {
    return this.#fact('asOf');
  }

  returnPolicy(): ReturnPolicy {
    return JSON.parse(this.#fact('returnPolicy')) as ReturnPolicy;
  }

  findProducts(filter: ProductFilter): readonly Product[] {
    const { sql, values } = toSql(filter);
    const rows = this.#database.prepare(`SELECT * FROM products WHERE ${sql} ORDER BY id`).all(...values) as ProductRow[];
    return rows.map(toProduct);
  }

  countProducts(filter: ProductFilter): number {
    const { sql, values } = toSql(filter);
    return (this.#database.prepare(`SELECT count(*) AS count FROM products WHERE ${sql}`).get(...values) as { count: number }).count;
  }

  readProduct(id: string): Product | undefined {
    const row = this.#database.prepare('SELECT * FROM products WHERE id = ?').get(id) as ProductRow | undefined;
    return row && toProduct(row);
  }

  listBrands(): readonly string[] {
    const rows = this.#database.prepare('SELECT DISTINCT brand FROM products ORDER BY brand').all() as { brand: string }[];
    return rows.map(({ brand }) => brand);
  }

  findCustomer(email: string): Customer | undefined {
    return this.#database.prepare('SELECT * FROM customers WHERE email = ?').get(email.toLowerCase()) as Customer | undefined;
  }

  readOrder(id: string): Order | undefined {
    const row = this.#database.prepare('SELECT body FROM orders WHERE id = ?').get(id.toUpperCase()) as { body: string } | undefined;
    return row && (JSON.parse(row.body) as Order);
  }

  listOrders(customerId: string): readonly Order[] {
    const rows = this.#database.prepare('SELECT body FROM orders WHERE customerId = ? ORDER BY placedOn DESC, id DESC').all(customerId) as {
      body: string;
    }[];
    return rows.map(({ body }) => JSON.parse(body) as Order);
  }

  listRatings(): readonly Rating[] {
    return this.#database.prepare('SELECT * FROM ratings ORDER BY customerId, productId').all() as Rating[];
  }

  listPages(): readonly ShopPage[] {
    return this.#database.prepare('SELECT * FROM pages ORDER BY source').all() as ShopPage[];
  }

  findReturn(orderId: string, productId: string): ReturnRecord | undefined {
    const row = this.#database.prepare('SELECT * FROM returns WHERE orderId = ? AND productId = ?').get(orderId, productId);
    return row === undefined ? undefined : toReturn(row as ReturnRow);
  }

  createReturn(key: string, record: Omit<ReturnRecord, 'id'>): ReturnRecord {
    return this.#database.transaction((): ReturnRecord => {
      this.#database
        .prepare('INSERT OR IGNORE INTO returns (key, orderId, productId, condition, reason) VALUES (?, ?, ?, ?, ?)')
        .run(key, record.orderId, record.productId, record.condition, record.reason);
      const row = this.#database
        .prepare('SELECT * FROM returns WHERE key = ? OR (orderId = ? AND productId = ?)')
        .get(key, record.orderId, record.productId);
      return toReturn(row as ReturnRow);
    })();
  }

  createTicket(key: string, ticket: Omit<Ticket, 'id'>): Ticket {
    return this.#database.transaction((): Ticket => {
      this.#database
        .prepare('INSERT OR IGNORE INTO tickets (key, customerId, contact, summary, transcript) VALUES (?, ?, ?, ?, ?)')
        .run(key, ticket.customerId ?? null, ticket.contact, ticket.summary, ticket.transcript);
      return toTicket(this.#database.prepare('SELECT * FROM tickets WHERE key = ?').get(key) as TicketRow);
    })();
  }

  listTickets(): readonly Ticket[] {
    return (this.#database.prepare('SELECT * FROM tickets ORDER BY number').all() as TicketRow[]).map(toTicket);
  }

  readVectors(encoder: string, productIds: readonly string[]): ReadonlyMap<string, Float32Array> {
    const select = this.#database.prepare('SELECT vector FROM product_vectors WHERE productId = ? AND encoder = ?');
    const found = productIds.map((id) => [id, select.get(id, encoder) as { vector: Uint8Array } | undefined] as const);
    return new Map(found.flatMap(([id, row]) => (row ? [[id, new Float32Array(Uint8Array.from(row.vector).buffer)] as const] : [])));
  }

  storeVectors(encoder: string, vectors: ReadonlyMap<string, Float32Array>): void {
    const insert = this.#database.prepare('INSERT OR REPLACE INTO product_vectors VALUES (?, ?, ?)');
    this.#database.transaction(() => {
      for (const [id, vector] of vectors) {
        insert.run(id, encoder, Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength));
      }
    })();
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  #fact(name: string): string {
    const row = this.#database.prepare('SELECT value FROM facts WHERE name = ?').get(name) as { value: string } | undefined;
    if (row) return row.value;
    throw new EdgeError('E_DATABASE', { what: 'cannot read the shop', expected: 'an imported shop', found: 'an empty file' });
  }

  #insert(table: (typeof CONTENT_TABLES)[number], rows: readonly object[]): void {
    const [first] = rows;
    if (!first) return;
    const columns = Object.keys(first);
    const insert = this.#database.prepare(
      `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map((column) => `@${column}`).join(', ')})`,
    );
    for (const row of rows) insert.run(row);
  }
}

function toProduct(row: ProductRow): Product {
  return { ...row, sizes: JSON.parse(row.sizes) as string[], waterproof: row.waterproof === 1 };
}

function toReturn({ number, orderId, productId, condition, reason }: ReturnRow): ReturnRecord {
  return { id: `R-${1000 + number}`, orderId, productId, condition, reason };
}

function toTicket({ number, customerId, contact, summary, transcript }: TicketRow): Ticket {
  return { id: `T-${1000 + number}`, ...(customerId === null ? {} : { customerId }), contact, summary, transcript };
}
