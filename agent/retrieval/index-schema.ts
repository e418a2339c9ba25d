/**
 * Schema of the index file. `chunk_words` holds the text of the chunks and finds it by BM25; the vector tables are made
 * by `vector-tables.ts` when the dimensions are known.
 */
export const INDEX_MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

  CREATE TABLE documents (
    id TEXT PRIMARY KEY,
    source TEXT NOT NULL UNIQUE,
    container TEXT,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    hash TEXT NOT NULL,
    chunks INTEGER NOT NULL,
    added_at TEXT NOT NULL
  ) STRICT;
  CREATE INDEX documents_container ON documents (container);

  CREATE TABLE chunks (
    id INTEGER PRIMARY KEY,
    document_id TEXT NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    page INTEGER,
    path TEXT NOT NULL
  ) STRICT;
  CREATE INDEX chunks_document ON chunks (document_id);

  CREATE TABLE sentences (
    id INTEGER PRIMARY KEY,
    chunk_id INTEGER NOT NULL REFERENCES chunks (id) ON DELETE CASCADE,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX sentences_chunk ON sentences (chunk_id);

  CREATE VIRTUAL TABLE chunk_words USING fts5 (title, body, tokenize = 'porter unicode61 remove_diacritics 2');
  INSERT INTO chunk_words (chunk_words, rank) VALUES ('secure-delete', 1);
  CREATE VIRTUAL TABLE chunk_vocabulary USING fts5vocab ('chunk_words', 'row');
  `,
];
