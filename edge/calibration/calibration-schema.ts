/** Schema of the calibration file; number `i` brings version `i` to `i + 1`. */
export const CALIBRATION_MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE measurement (
    model_sha256 TEXT NOT NULL,
    variant TEXT NOT NULL,
    backend TEXT NOT NULL,
    provider TEXT NOT NULL,
    threads INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    backend_version TEXT NOT NULL,
    -- A JSON object: rate by name, per second.
    rates TEXT NOT NULL CHECK (json_valid(rates)),
    load_ms REAL NOT NULL,
    resident_bytes INTEGER NOT NULL,
    joules REAL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (model_sha256, variant, backend, provider, threads, fingerprint)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE quarantine (
    candidate_id TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    -- In a row, up to now.
    failures INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    reason TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
];
