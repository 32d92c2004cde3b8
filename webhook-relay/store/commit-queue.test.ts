import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { CommitQueue, type CommitMode } from "./commit-queue.ts";
import { StoreError } from "./database.ts";
import { openStoreDatabase } from "./open.ts";
import { prepareStatements } from "./statements.ts";

interface Bench {
  readonly queue: CommitQueue;
  /** operations of each transaction */
  readonly commits: number[];
  readonly insert: (name: string) => void;
  readonly names: () => readonly unknown[];
  readonly sql: (text: string) => void;
}

function bench(t: TestContext): Bench {
  const directory = mkdtempSync(join(tmpdir(), "relay-queue-"));
  const { database } = openStoreDatabase(directory, 0);
  const commits: number[] = [];
  const queue = new CommitQueue({
    database,
    statements: prepareStatements(database),
    beforeCommit: () => undefined,
    afterCommit: (_, operations) => void commits.push(operations),
    monotonic: () => performance.now(),
  });
  t.after(() => {
    queue.close();
    database.close();
    rmSync(directory, { recursive: true });
  });
  return {
    queue,
    commits,
    insert: (name) => void database.prepare("INSERT INTO health VALUES (?, '')").run(name),
    names: () =>
      database
        .prepare("SELECT subscription FROM health ORDER BY 1")
        .all()
        .map((row) => row["subscription"]),
    sql: (text) => database.exec(text),
  };
}

test("what comes together is committed together", async (t) => {
  const { queue, insert, commits, names } = bench(t);
  await Promise.all(["a", "b", "c"].map((name) => queue.run(() => insert(name))));
  assert.deepEqual(commits, [3]);
  assert.deepEqual(names(), ["a", "b", "c"]);
});

test("an operation that fails leaves nothing, and the others go on", async (t) => {
  const { queue, insert, names } = bench(t);
  const results = await Promise.allSettled([
    queue.run(() => insert("a")),
    queue.run(() => {
      insert("b");
      insert("a");
    }),
    queue.run(() => insert("c")),
  ]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ["fulfilled", "rejected", "fulfilled"],
  );
  assert.deepEqual(names(), ["a", "c"]);
});

test("without room everything is refused as full, and goes on when there is room", async (t) => {
  const { queue, insert, sql, names } = bench(t);
  sql("PRAGMA max_page_count = 30");
  const big = "x".repeat(200_000);
  await assert.rejects(
    queue.run(() => insert(big)),
    (error) => error instanceof StoreError && error.kind === "full",
  );
  sql("PRAGMA max_page_count = 100000");
  await queue.run(() => insert("later"));
  assert.deepEqual(names(), ["later"]);
});

test("a read-only database is told apart", async (t) => {
  const { queue, insert, sql } = bench(t);
  sql("PRAGMA query_only = ON");
  await assert.rejects(
    queue.run(() => insert("a")),
    (error) => error instanceof StoreError && error.kind === "read_only",
  );
  sql("PRAGMA query_only = OFF");
});

test("what is lazy waits a moment for company, and goes with what is not", async (t) => {
  const { queue, insert, commits } = bench(t);
  const run = (name: string, mode: CommitMode): Promise<void> => queue.run(() => insert(name), mode);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const lazy = [run("a", "lazy"), run("b", "lazy")];
  await run("c", "soft");
  assert.deepEqual(commits, [1], "what is soft does not wait for the disk on behalf of others");
  t.mock.timers.tick(5);
  await Promise.all(lazy);
  assert.deepEqual(commits, [1, 2]);
  const more = run("d", "lazy");
  await Promise.all([run("e", "durable"), more]);
  assert.deepEqual(commits, [1, 2, 2]);
});

test("closing commits what waits and refuses the rest", async (t) => {
  const { queue, insert, names } = bench(t);
  const waiting = [queue.run(() => insert("a"), "lazy"), queue.run(() => insert("b"))];
  queue.close();
  await Promise.all(waiting);
  assert.deepEqual(names(), ["a", "b"]);
  await assert.rejects(
    queue.run(() => insert("c")),
    (error) => error instanceof StoreError && error.kind === "closed",
  );
});
