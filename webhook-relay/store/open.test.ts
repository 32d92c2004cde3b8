import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { test, type TestContext } from "node:test";

import { testEvent } from "../event/testing.ts";
import { readStoredEvent } from "../event/validate.ts";
import { openDatabase } from "./database.ts";
import { migrate, STORE_VERSION } from "./migrations.ts";
import { openStoreDatabase } from "./open.ts";
import { openStore } from "./sqlite-store.ts";
import { prepareStatements } from "./statements.ts";

const NOW = Date.parse("2026-01-31T12:00:00Z");

function folder(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "relay-open-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

test("a second process on the same file is told why it cannot have it", (t) => {
  const directory = folder(t);
  const { database } = openStoreDatabase(directory, NOW);
  t.after(() => database.close());
  const script = `import { openStoreDatabase } from ${JSON.stringify(new URL("./open.ts", import.meta.url).href)};
    openStoreDatabase(${JSON.stringify(directory)}, 0);`;
  const isDeno = "Deno" in globalThis;
  const file = join(directory, "second.ts");
  writeFileSync(file, script);
  const args = isDeno ? ["run", "--allow-all", file] : ["--input-type=module-typescript", "--eval", script];
  const second = spawnSync(process.execPath, args, { encoding: "utf8" });
  assert.notEqual(second.status, 0);
  assert.match(second.stderr, /relay\.db is in use by another process: one relay to a data directory/);
});

test("a store of the first release is brought up to date with all that is in it, and its retention has an index", async (t) => {
  const directory = folder(t);
  const old = openDatabase(join(directory, "relay.db"));
  migrate(old, 1);
  assert.equal(old.prepare("PRAGMA user_version").get()?.["user_version"], 1);
  const event = testEvent({ id: "old" });
  old
    .prepare(
      "INSERT INTO events VALUES (7, 'old', 'tote.image.detected', 'shop', 'warning', 'i', ?, 1000, x'00', ?)",
    )
    .run(event.time, JSON.stringify(event));
  old.exec(`INSERT INTO deliveries (event_seq, subscription, state, created_at, age_from, due_at, lease_until)
    VALUES (7, 'one', 'delivering', 1000, 1000, 1000, 2000)`);
  old.close();
  const { store, interrupted } = openStore({
    directory,
    clock: { now: () => 3000, monotonic: () => 0 },
    parseEvent: readStoredEvent,
  });
  assert.equal(interrupted, 1);
  const folding = { max: 1, load: 1, grows: false, overflowAfter: undefined };
  const [lease] = await store.lease({ subscription: "one", limit: 1, folding, now: 3000 });
  assert.ok(lease);
  assert.deepEqual(store.batch(lease, 1).items[0]?.event, event);
  store.close();

  const { database } = openStoreDatabase(directory, NOW);
  t.after(() => database.close());
  assert.equal(database.prepare("PRAGMA user_version").get()?.["user_version"], STORE_VERSION);
  const { sourceSQL } = prepareStatements(database).agedEvents;
  const values = { before: 1, deadBefore: 1, afterTime: 0, afterSeq: 0, max: 1 };
  const plan = database.prepare(`EXPLAIN QUERY PLAN ${sourceSQL}`).all(values);
  assert.match(JSON.stringify(plan), /SEARCH events USING COVERING INDEX events_by_age/);
  assert.doesNotMatch(JSON.stringify(plan), /SCAN|TEMP B-TREE/);
});

test("a file that is no database is set aside and a new one begun", (t) => {
  const directory = folder(t);
  writeFileSync(join(directory, "relay.db"), "this is not a database ".repeat(500));
  const { database, setAside } = openStoreDatabase(directory, NOW);
  t.after(() => database.close());
  assert.match(setAside?.reason ?? "", /not a database/);
  assert.match(setAside?.path ?? "", /relay\.db\.broken-20260131T120000Z$/);
  assert.ok(existsSync(setAside?.path ?? ""));
  assert.deepEqual(database.prepare("SELECT count(*) AS count FROM events").get()?.["count"], 0);
});

test("a database with a damaged page is set aside together with its log", (t) => {
  const directory = folder(t);
  const path = join(directory, "relay.db");
  const first = openStoreDatabase(directory, NOW);
  first.database.exec("INSERT INTO health VALUES ('a', '" + "x".repeat(100_000) + "')");
  first.database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  first.database.close();
  truncateSync(path, 40_000);
  const second = openStoreDatabase(directory, NOW);
  t.after(() => second.database.close());
  assert.ok(second.setAside);
  assert.ok(readdirSync(directory).some((name) => name.includes("broken")));
});

test("a store of a newer release is left alone", (t) => {
  const directory = folder(t);
  const { database, path } = openStoreDatabase(directory, NOW);
  database.exec("PRAGMA user_version = 99");
  database.close();
  assert.throws(() => openStoreDatabase(directory, NOW), /version 99.*a newer release wrote it/);
  const after = new DatabaseSync(path);
  t.after(() => after.close());
  assert.equal(after.prepare("PRAGMA user_version").get()?.["user_version"], 99);
});

test("a data directory that cannot be made is named", (t) => {
  const directory = folder(t);
  const file = join(directory, "file");
  writeFileSync(file, "");
  assert.throws(
    () => openStoreDatabase(join(file, "data"), NOW),
    /cannot make the data directory .*file\/data/,
  );
});
