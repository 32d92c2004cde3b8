import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

import type { OpenDelivery } from "./ledger.ts";

/** Reads what the store of a relay that was killed does not have as done. It is left to the next relay as it is. */
export async function readOpenDeliveries(dataDir: string): Promise<readonly OpenDelivery[]> {
  // whoever opens a store that was left open mends it
  const copy = await mkdtemp(join(dataDir, "..", "copy-"));
  try {
    for (const name of ["relay.db", "relay.db-wal"]) await copyFile(join(dataDir, name), join(copy, name));
    using database = new DatabaseSync(join(copy, "relay.db"));
    const rows = database.prepare(
      `SELECT events.id, subscription, is_replay FROM deliveries JOIN events ON events.seq = event_seq
       WHERE state NOT IN ('delivered', 'dead')`,
    );
    return Array.from(rows.iterate(), (row) => ({
      subscription: String(row["subscription"]),
      id: String(row["id"]),
      isReplay: row["is_replay"] === 1,
    }));
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}
