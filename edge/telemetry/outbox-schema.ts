/** Schema of the outbox file; number `i` brings version `i` to `i + 1`. */
export const OUTBOX_MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE identity (boot TEXT NOT NULL);
  CREATE TABLE event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    lane TEXT NOT NULL,
    time INTEGER NOT NULL,
    payload TEXT NOT NULL
  );
  CREATE INDEX event_lane ON event (lane, seq);
  CREATE TABLE lane (
    lane TEXT PRIMARY KEY,
    produced INTEGER NOT NULL DEFAULT 0,
    stored INTEGER NOT NULL DEFAULT 0
  ) WITHOUT ROWID;
  INSERT INTO lane (lane) VALUES ('lifecycle'), ('alerts'), ('metrics'), ('traces');
  -- Where dropped events lie: how many, why, and between which numbers and times.
  CREATE TABLE tombstone (
    lane TEXT NOT NULL,
    reason TEXT NOT NULL,
    count INTEGER NOT NULL,
    first_seq INTEGER,
    last_seq INTEGER,
    first_time INTEGER NOT NULL,
    last_time INTEGER NOT NULL,
    PRIMARY KEY (lane, reason)
  ) WITHOUT ROWID;
  `,
];
