import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { test, type TestContext } from "node:test";

import { openStoreDatabase } from "./open.ts";

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
