/** Schema of the shop's file; see `openDatabase` for how migrations run. */
export const SHOP_MIGRATIONS: readonly string[] = [
  `CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
   CREATE TABLE products (
     id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, brand TEXT NOT NULL, category TEXT NOT NULL, gender TEXT NOT NULL,
     colour TEXT NOT NULL, sizes TEXT NOT NULL, price INTEGER NOT NULL, waterproof INTEGER NOT NULL,
     weightGrams INTEGER NOT NULL, material TEXT NOT NULL, season TEXT NOT NULL, activity TEXT NOT NULL,
     rating REAL NOT NULL, ratingCount INTEGER NOT NULL, stock INTEGER NOT NULL, description TEXT NOT NULL
   ) WITHOUT ROWID;
   CREATE INDEX products_category ON products (category);
   CREATE TABLE customers (
     id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE, postcode TEXT NOT NULL, city TEXT NOT NULL
   ) WITHOUT ROWID;
   CREATE TABLE orders (
     id TEXT PRIMARY KEY, customerId TEXT NOT NULL REFERENCES customers, status TEXT NOT NULL, placedOn TEXT NOT NULL,
     body TEXT NOT NULL
   ) WITHOUT ROWID;
   CREATE INDEX orders_customer ON orders (customerId, placedOn);
   CREATE TABLE ratings (
     customerId TEXT NOT NULL, productId TEXT NOT NULL, stars INTEGER NOT NULL, PRIMARY KEY (customerId, productId)
   ) WITHOUT ROWID;
   CREATE TABLE pages (source TEXT PRIMARY KEY, title TEXT NOT NULL, markdown TEXT NOT NULL) WITHOUT ROWID;
   CREATE TABLE returns (
     number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, orderId TEXT NOT NULL, productId TEXT NOT NULL,
     condition TEXT NOT NULL, reason TEXT NOT NULL, UNIQUE (orderId, productId)
   );
   CREATE TABLE tickets (
     number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, customerId TEXT, contact TEXT NOT NULL,
     summary TEXT NOT NULL, transcript TEXT NOT NULL
   );
   CREATE TABLE product_vectors (
     productId TEXT NOT NULL, encoder TEXT NOT NULL, vector BLOB NOT NULL, PRIMARY KEY (productId, encoder)
   ) WITHOUT ROWID;`,
];
