import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { testEvent } from "../event/testing.ts";
import { readStoredEvent } from "../event/validate.ts";
import type { Folding } from "../sinks/sink.ts";
import type { NewEvent } from "./accept-events.ts";
import type { AttemptEnd } from "./end-attempt.ts";
import type { Lease } from "./lease-deliveries.ts";
import { RETENTION_BEGIN } from "./retention.ts";
import { openStore } from "./sqlite-store.ts";
import type { RelayStore } from "./store.ts";

const SINGLE: Folding = { max: 1, load: 1, grows: false, overflowAfter: undefined };

function open(t: TestContext, directory?: string): RelayStore {
  const folder = directory ?? mkdtempSync(join(tmpdir(), "relay-store-"));
  const { store } = openStore({
    directory: folder,
    clock: { now: () => 1000, monotonic: () => performance.now() },
    parseEvent: readStoredEvent,
  });
  t.after(() => {
    store.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return store;
}

function received(
  id: string,
  subscriptions: readonly string[],
  group?: { key: string; intervalMs: number },
): NewEvent {
  const event = testEvent({ id });
  const body = JSON.stringify(event);
  return {
    event,
    body,
    digest: createHash("sha256").update(body).digest(),
    deliveries: subscriptions.map((subscription) => ({
      subscription,
      groupKey: group?.key,
      intervalMs: group?.intervalMs ?? 0,
    })),
  };
}

function endOf(lease: Lease, state: AttemptEnd["state"], changes: Partial<AttemptEnd> = {}): AttemptEnd {
  return {
    lease,
    now: 2000,
    state,
    dueAt: 5000,
    spent: lease.spent + 1,
    rejections: 0,
    mayHaveArrived: false,
    reason: state === "delivered" ? "" : "5xx",
    message: "",
    attempt: {
      startedAt: 1500,
      durationMs: 20,
      outcome: state,
      status: 200,
      excerpt: "ok",
      retryAfterMs: undefined,
    },
    sinkState: [],
    health: undefined,
    ...changes,
  };
}

test("an accepted event is leased once per subscription, and not again", async (t) => {
  const store = open(t);
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
  const store = open(t);
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
  const store = open(t);
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

test("the first of a group goes at once, and what follows in its window goes as one message", async (t) => {
  const store = open(t);
  const group = { key: "storm", intervalMs: 60_000 };
  await store.accept([received("a", ["one"], group)], 1000);
  const folding: Folding = { max: 100, load: 3, grows: false, overflowAfter: undefined };
  const request = { subscription: "one", limit: 4, folding, now: 1000 };
  const [first] = await store.lease(request);
  assert.ok(first);
  assert.equal(first.total, 1);
  for (const id of ["b", "c", "d", "e"]) await store.accept([received(id, ["one"], group)], 2000);
  assert.deepEqual(await store.lease({ ...request, now: 60_000 }), []);
  assert.equal(store.nextDue("one"), 61_000);
  const [second, ...others] = await store.lease({ ...request, now: 61_000 });
  assert.ok(second);
  assert.deepEqual(others, []);
  const batch = store.batch(second, 3);
  assert.equal(batch.total, 4);
  assert.deepEqual(
    batch.items.map(({ event }) => event.id),
    ["b", "c", "e"],
  );
  assert.notEqual(batch.messageId, "b");
  await store.accept([received("f", ["one"], group)], 70_000);
  assert.equal(store.nextDue("one"), 121_000);
  await store.endAttempt(endOf(second, "pending", { dueAt: 61_000 }));
  const [again] = await store.lease({ ...request, now: 61_500 });
  assert.ok(again);
  assert.deepEqual(store.batch(again, 3), batch);
  await store.endAttempt(endOf(again, "delivered"));
  const { items } = store.deliveries({ state: "delivered" }, { limit: 10, cursor: undefined });
  assert.deepEqual(items.map(({ eventId }) => eventId).toSorted(), ["b", "c", "d", "e"]);
  const folded = items.find(({ eventId }) => eventId === "d");
  assert.equal(folded?.leadId, second.deliveryId);
  assert.equal(store.attempts(folded.id).length, 2);
});

test("a growing group takes up what came since its last attempt, and one batch of it is out at a time", async (t) => {
  const store = open(t);
  const group = { key: "incident", intervalMs: 0 };
  const folding: Folding = { max: 100, load: 50, grows: true, overflowAfter: undefined };
  const request = { subscription: "one", limit: 4, folding, now: 1000 };
  await store.accept([received("a", ["one"], group)], 1000);
  const [first] = await store.lease(request);
  assert.ok(first);
  await store.accept([received("b", ["one"], group)], 1000);
  assert.deepEqual(await store.lease(request), []);
  await store.endAttempt(endOf(first, "pending", { dueAt: 99_000 }));
  const [second, ...others] = await store.lease(request);
  assert.ok(second);
  assert.deepEqual(others, []);
  assert.equal(second.deliveryId, first.deliveryId);
  assert.deepEqual(
    store.batch(second, 50).items.map(({ event }) => event.id),
    ["a", "b"],
  );
});

test("what may have arrived is known of a batch whatever leads it, until it is delivered", async (t) => {
  const store = open(t);
  const group = { key: "incident", intervalMs: 0 };
  const folding: Folding = { max: 100, load: 50, grows: true, overflowAfter: undefined };
  const request = { subscription: "one", limit: 1, folding, now: 1000 };
  await store.accept([received("a", ["one"], group)], 1000);
  const [older] = await store.lease(request);
  assert.ok(older);
  await store.endAttempt(endOf(older, "delivered"));
  await store.accept([received("b", ["one"], group)], 1000);
  const [newer] = await store.lease(request);
  assert.ok(newer);
  await store.endAttempt(endOf(newer, "pending", { dueAt: 1000, mayHaveArrived: true }));
  await store.sendAgain(older.deliveryId, 1000);
  const [both] = await store.lease(request);
  assert.deepEqual([both?.deliveryId, both?.total, both?.mayHaveArrived], [older.deliveryId, 2, true]);
});

test("too much that is due goes as one batch, whatever its groups", async (t) => {
  const store = open(t);
  const folding: Folding = { max: 1000, load: 10, grows: true, overflowAfter: 5 };
  const events = Array.from({ length: 20 }, (_, at) =>
    received(`e${at}`, ["one"], { key: `incident-${at}`, intervalMs: 0 }),
  );
  await store.accept(events, 1000);
  const leases = await store.lease({ subscription: "one", limit: 1, folding, now: 1000 });
  assert.equal(leases.length, 1);
  assert.equal(leases[0]?.total, 20);
  assert.equal(leases[0].isOverflow, true);
});

test("too much of one group is not too much, and a group of which something is remembered goes by itself", async (t) => {
  const store = open(t);
  const folding: Folding = { max: 1000, load: 10, grows: true, overflowAfter: 5 };
  const request = { subscription: "one", limit: 1, folding, now: 1000 };
  const of = (incident: string, count: number, prefix = incident): readonly NewEvent[] =>
    Array.from({ length: count }, (_, at) =>
      received(`${prefix}-${at}`, ["one"], { key: incident, intervalMs: 0 }),
    );
  await store.accept(of("known", 20), 1000);
  const [first] = await store.lease(request);
  assert.ok(first);
  assert.deepEqual([first.total, first.isOverflow], [20, false]);
  await store.endAttempt({ ...endOf(first, "delivered"), sinkState: [{ key: "known", value: "x" }] });
  await store.accept(of("a", 1, "early"), 1000);
  const [early] = await store.lease(request);
  assert.ok(early);
  await store.endAttempt(endOf(early, "pending", { dueAt: 99_000 }));
  await store.accept(
    ["a", "b", "c", "d", "e", "f"].flatMap((incident) => of(incident, 3)),
    1000,
  );
  await store.accept(of("known", 1, "again"), 1000);
  const [storm] = await store.lease(request);
  assert.ok(storm);
  assert.deepEqual([storm.total, storm.isOverflow], [18, true]);
  const [known] = await store.lease(request);
  assert.ok(known);
  assert.deepEqual([known.total, known.isOverflow, known.groupKey], [1, false, "known"]);
  assert.deepEqual(await store.lease(request), []);

  // one that failed stays what it was, also when something older of a group leads it now
  await store.endAttempt(endOf(storm, "pending", { dueAt: 1000 }));
  const [again] = await store.lease(request);
  assert.deepEqual([again?.deliveryId, again?.total, again?.isOverflow], [early.deliveryId, 19, true]);
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
  const store = open(t);
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
  const store = open(t);
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
  const store = open(t);
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
