/** Schema of the fleet's SQLite file; number `i` brings version `i` to `i + 1`. Times are ms since 1970. */
export const FLEET_MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE device (
    id INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    device TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'unknown',
    session TEXT,
    boot TEXT,
    inventory TEXT NOT NULL DEFAULT '{}',
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    UNIQUE (tenant, device)
  );
  CREATE TABLE boot (
    id INTEGER PRIMARY KEY,
    device_id INTEGER NOT NULL REFERENCES device (id),
    boot TEXT NOT NULL,
    UNIQUE (device_id, boot)
  );
  -- What the device said about each lane with its latest batch.
  CREATE TABLE lane (
    boot_id INTEGER NOT NULL REFERENCES boot (id),
    lane TEXT NOT NULL,
    produced INTEGER NOT NULL,
    dropped INTEGER NOT NULL,
    PRIMARY KEY (boot_id, lane)
  ) WITHOUT ROWID;
  -- The primary key is the event key: a second delivery finds its row and changes nothing.
  CREATE TABLE event (
    boot_id INTEGER NOT NULL REFERENCES boot (id),
    seq INTEGER NOT NULL,
    lane TEXT NOT NULL,
    time INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    name TEXT NOT NULL,
    attributes TEXT NOT NULL,
    PRIMARY KEY (boot_id, seq)
  ) WITHOUT ROWID;
  CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    attributes TEXT NOT NULL,
    boundaries TEXT,
    UNIQUE (name, kind, attributes, boundaries)
  );
  CREATE TABLE metric (
    boot_id INTEGER NOT NULL REFERENCES boot (id),
    seq INTEGER NOT NULL,
    lane TEXT NOT NULL,
    time INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    series_id INTEGER NOT NULL REFERENCES series (id),
    start_time INTEGER,
    -- A gauge's value, a counter's increase, a histogram's sum.
    value REAL NOT NULL,
    count INTEGER,
    buckets TEXT,
    PRIMARY KEY (boot_id, seq)
  ) WITHOUT ROWID;
  CREATE INDEX metric_series ON metric (series_id, time);
  CREATE INDEX event_time ON event (time);
  CREATE TABLE dead_letter (
    hash BLOB PRIMARY KEY,
    topic TEXT NOT NULL,
    reason TEXT NOT NULL,
    payload BLOB NOT NULL,
    count INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL
  ) WITHOUT ROWID;
  `,
];
