import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { readStoredEvent } from "../event/validate.ts";
import type { Folding } from "../sinks/sink.ts";
import { RETENTION_BEGIN } from "./retention.ts";
import { openStore } from "./sqlite-store.ts";

import { endOf, openTestStore, received, SINGLE } from "../testing/store.ts";

test("an accepted event is leased once per subscription, and not again", async (t) => {
  const store = openTestStore(t);
  const [accepted] = await store.accept([received("a", ["one", "two"])], 1000);
  assert.equal(accepted?.result, "accepted");
  assert.equal(accepted.deliveryIds.length, 2);
  const request = { subscription: "one", limit: 4, folding: SINGLE, now: 1000 };
  const [lease, ...others] = await store.lease(request);
  assert.ok(lease);
  assert.deepEqual(others, []);
  assert.deepEqual(await store.lease(request), []);
  const batch = store.batch(lease, 1);
  assert.equal(batch.messageId, "a");
  assert.equal(batch.items[0]?.event.id, "a");
  assert.equal(await store.endAttempt(endOf(lease, "delivered")), "recorded");
  assert.equal(store.delivery(lease.deliveryId)?.state, "delivered");
  assert.equal(store.attempts(lease.deliveryId)[0]?.status, 200);
  assert.equal((await store.lease({ ...request, subscription: "two" })).length, 1);
});

test("the first body of an id wins, and a differing one is told apart", async (t) => {
  const store = openTestStore(t);
  await store.accept([received("a", ["one"])], 1000);
  const other = { ...received("a", ["one"]), digest: new Uint8Array(32) };
  const results = await store.accept([received("a", ["one"]), other], 1000);
  assert.deepEqual(
    results.map(({ result }) => result),
    ["duplicate", "differing"],
  );
  assert.equal(store.deliveries({}, { limit: 10, cursor: undefined }).items.length, 1);
});

test("whoever holds an old fence changes nothing", async (t) => {
  const store = openTestStore(t);
  await store.accept([received("a", ["one"])], 1000);
  const request = { subscription: "one", limit: 1, folding: SINGLE, now: 1000 };
  const [first] = await store.lease(request);
  assert.ok(first);
  await store.endAttempt(endOf(first, "pending", { dueAt: 1000 }));
  const [second] = await store.lease(request);
  assert.ok(second);
  assert.equal(await store.endAttempt(endOf(first, "dead")), "stale");
  assert.equal(store.delivery(first.deliveryId)?.state, "delivering");
  assert.equal(await store.endAttempt(endOf(second, "delivered")), "recorded");
  assert.equal(store.attempts(first.deliveryId).length, 2);
});

test("what was under way when the relay ended is sent again and says so", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "relay-store-"));
  const options = {
    directory: folder,
    clock: { now: () => 3000, monotonic: () => 0 },
    parseEvent: readStoredEvent,
  };
  const first = openStore(options);
  await first.store.accept([received("a", ["one"])], 1000);
  await first.store.lease({ subscription: "one", limit: 1, folding: SINGLE, now: 1000 });
  first.store.close();
  const second = openStore(options);
  t.after(() => {
    second.store.close();
    rmSync(folder, { recursive: true });
  });
  assert.equal(second.interrupted, 1);
  const request = { subscription: "one", limit: 1, folding: SINGLE, now: 3000 };
  const [lease] = await second.store.lease(request);
  assert.equal(lease?.mayHaveArrived, true);
  assert.equal(lease.spent, 0);
  assert.equal(second.store.attempts(lease.deliveryId)[0]?.outcome, "interrupted");
});

test("a replay sends each delivery of its filter once, a message of several as a whole", async (t) => {
  const store = openTestStore(t);
  const folding: Folding = { max: 100, load: 3, grows: false, overflowAfter: undefined };
  const request = { subscription: "one", limit: 10, folding, now: 1000 };
  const window = { key: "storm", intervalMs: 0 };
  await store.accept([received("a", ["one"], window), received("b", ["one"], window)], 1000);
  await store.accept([received("c", ["one"]), received("d", ["two"])], 1000);
  for (const lease of await store.lease(request)) await store.endAttempt(endOf(lease, "delivered"));
  const replay = await store.createReplay({ subscription: "one" }, 10, 2000);
  const first = await store.stepReplay(replay.id, 2, 2000);
  assert.equal(first?.replay.replayed, 1);
  assert.deepEqual(first.subscriptions, ["one"]);
  const second = await store.stepReplay(replay.id, 2, 2000);
  assert.equal(second?.replay.replayed, 2);
  const third = await store.stepReplay(replay.id, 2, 2000);
  assert.equal(third?.replay.state, "done");
  assert.equal(await store.stepReplay(replay.id, 2, 2000), undefined);
  const leases = await store.lease({ ...request, now: 2000 });
  assert.deepEqual(
    leases.map(({ total, isReplay }) => [total, isReplay]),
    [
      [2, true],
      [1, true],
    ],
  );
});

test("retention deletes what is done and old, keeps the rest, and still knows the ids", async (t) => {
  const store = openTestStore(t);
  await store.accept(
    [received("done", ["one"]), received("waits", ["two"]), received("dies", ["three"])],
    1000,
  );
  for (const [subscription, state] of [
    ["one", "delivered"],
    ["three", "dead"],
  ] as const) {
    const request = { subscription, limit: 1, folding: SINGLE, now: 1000 };
    for (const lease of await store.lease(request)) await store.endAttempt(endOf(lease, state));
  }
  const step = { before: 5000, deadBefore: 1500, after: RETENTION_BEGIN, max: 100, now: 5000 };
  assert.equal((await store.deleteEnded(step)).deleted, 1);
  assert.equal(store.event("done"), undefined);
  assert.ok(store.event("waits"));
  assert.ok(store.event("dies"));
  assert.equal((await store.deleteEnded({ ...step, deadBefore: 3000 })).deleted, 1);
  const [late] = await store.accept([received("done", ["one"])], 6000);
  assert.equal(late?.result, "duplicate");
});

test("pages follow each other without a gap or a repeat", async (t) => {
  const store = openTestStore(t);
  await store.accept(
    Array.from({ length: 25 }, (_, at) => received(`e${at}`, ["one"])),
    1000,
  );
  const ids: string[] = [];
  let cursor: string | undefined;
  do {
    const page = store.events({ type: "tote.*" }, { limit: 10, cursor });
    ids.push(...page.items.map(({ id }) => id));
    cursor = page.next;
  } while (cursor !== undefined);
  assert.deepEqual(
    ids,
    Array.from({ length: 25 }, (_, at) => `e${24 - at}`),
  );
  assert.deepEqual(store.events({ type: "other.*" }, { limit: 10, cursor: undefined }).items, []);
  assert.throws(() => store.events({}, { limit: 10, cursor: "no!" }), /cursor: "no!" is none/);
});
