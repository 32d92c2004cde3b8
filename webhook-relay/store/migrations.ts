import type { DatabaseSync } from "node:sqlite";

import { int, onlyRow, StoreError } from "./database.ts";

/**
 * What brings a database from one `user_version` to the next, in order. Never change one that was released: add another.
 *
 * `deliveries.lease_until` is not used any more; taking it away would write the whole table anew.
 *
 * Times are milliseconds since 1970. A delivery that has a `lead_id` is part of the message of that delivery. The
 * partial indexes hold only what is not done, so that they stay small however much history is kept.
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    namespace TEXT NOT NULL,
    severity TEXT NOT NULL,
    incident TEXT NOT NULL,
    time TEXT NOT NULL,
    accepted_at INTEGER NOT NULL,
    digest BLOB NOT NULL,
    body TEXT NOT NULL
  ) STRICT;
  CREATE INDEX events_by_incident ON events (incident, seq);

  CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    event_seq INTEGER NOT NULL REFERENCES events (seq) ON DELETE CASCADE,
    subscription TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'delivering', 'folded', 'delivered', 'dead')),
    group_key TEXT,
    lead_id INTEGER,
    total INTEGER NOT NULL DEFAULT 1,
    is_overflow INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    age_from INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    ended_at INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    spent INTEGER NOT NULL DEFAULT 0,
    rejections INTEGER NOT NULL DEFAULT 0,
    fence INTEGER NOT NULL DEFAULT 0,
    lease_until INTEGER,
    may_have_arrived INTEGER NOT NULL DEFAULT 0,
    is_replay INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    message TEXT NOT NULL DEFAULT '',
    UNIQUE (event_seq, subscription)
  ) STRICT;
  CREATE INDEX deliveries_due ON deliveries (subscription, due_at, id) WHERE state = 'pending';
  CREATE INDEX deliveries_by_group ON deliveries (subscription, group_key, id)
    WHERE state IN ('pending', 'delivering') AND group_key IS NOT NULL;
  CREATE INDEX deliveries_by_lead ON deliveries (lead_id) WHERE lead_id IS NOT NULL;
  CREATE INDEX deliveries_open ON deliveries (state, subscription, id, created_at) WHERE state <> 'delivered';

  CREATE TABLE attempts (
    delivery_id INTEGER NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    message TEXT NOT NULL,
    status INTEGER,
    excerpt TEXT NOT NULL,
    retry_after_ms INTEGER,
    PRIMARY KEY (delivery_id, number)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE windows (
    subscription TEXT NOT NULL,
    group_key TEXT NOT NULL,
    interval_ms INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    PRIMARY KEY (subscription, group_key)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE sink_state (
    subscription TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (subscription, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX sink_state_by_age ON sink_state (updated_at);

  CREATE TABLE health (
    subscription TEXT PRIMARY KEY,
    value TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE replays (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    state TEXT NOT NULL CHECK (state IN ('running', 'done', 'cancelled')),
    created_at INTEGER NOT NULL,
    ended_at INTEGER,
    query TEXT NOT NULL,
    per_second REAL NOT NULL,
    after_id INTEGER NOT NULL,
    until_id INTEGER NOT NULL,
    replayed INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE tombstones (
    id TEXT PRIMARY KEY,
    digest BLOB NOT NULL,
    deleted_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX tombstones_by_age ON tombstones (deleted_at);
  `,
  // what retention walks: without it every clean-up reads all that is kept
  "CREATE INDEX events_by_age ON events (accepted_at)",
];

/** The `user_version` of a store that this release has opened. */
export const STORE_VERSION = MIGRATIONS.length;

/**
 * Brings a database to the newest version, one transaction per step.
 * @param version default: the newest
 * @throws StoreError when a newer release has written it
 */
export function migrate(database: DatabaseSync, version = STORE_VERSION): void {
  const found = int(onlyRow(database.prepare("PRAGMA user_version")), "user_version");
  if (found > STORE_VERSION) {
    throw new StoreError(
      "other",
      `the store has version ${found}, this release knows ${STORE_VERSION}: a newer release wrote it, start that one`,
    );
  }
  for (const [index, sql] of MIGRATIONS.slice(0, version).entries()) {
    if (index < found) continue;
    database.exec(`BEGIN IMMEDIATE; ${sql}; PRAGMA user_version = ${index + 1}; COMMIT`);
  }
}
