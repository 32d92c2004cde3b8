import assert from "node:assert/strict";
import { test } from "node:test";

import type { Folding } from "../sinks/sink.ts";
import type { NewEvent } from "./accept-events.ts";

import { endOf, openTestStore, received } from "../testing/store.ts";

const INCIDENT = { key: "incident", intervalMs: 0 };
const GROWING: Folding = { max: 100, load: 50, grows: true, overflowAfter: undefined };
const OVERFLOWING: Folding = { max: 1000, load: 10, grows: true, overflowAfter: 5 };

test("the first of a group goes at once, and what follows in its window goes as one message", async (t) => {
  const store = openTestStore(t);
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
  const store = openTestStore(t);
  const request = { subscription: "one", limit: 4, folding: GROWING, now: 1000 };
  await store.accept([received("a", ["one"], INCIDENT)], 1000);
  const [first] = await store.lease(request);
  assert.ok(first);
  await store.accept([received("b", ["one"], INCIDENT)], 1000);
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

test("what joins an older delivery has all its attempts and its whole time before it", async (t) => {
  const store = openTestStore(t);
  const request = { subscription: "one", limit: 4, folding: GROWING, now: 5000 };
  await store.accept([received("a", ["one"], INCIDENT)], 1000);
  const [first] = await store.lease(request);
  assert.ok(first);
  await store.endAttempt(endOf(first, "pending", { dueAt: 99_000, spent: 9, rejections: 2 }));
  await store.accept([received("b", ["one"], INCIDENT)], 5000);
  const [second] = await store.lease(request);
  assert.ok(second);
  assert.deepEqual([second.deliveryId, second.total], [first.deliveryId, 2]);
  assert.deepEqual([second.spent, second.rejections, second.ageFrom], [0, 0, 5000]);
  await store.endAttempt(endOf(second, "pending", { spent: 1, rejections: 1 }));
  const [third] = await store.lease(request);
  assert.deepEqual([third?.spent, third?.rejections, third?.ageFrom], [1, 1, 5000], "once only");
});

test("what may have arrived is known of a batch whatever leads it, until it is delivered", async (t) => {
  const store = openTestStore(t);
  const request = { subscription: "one", limit: 1, folding: GROWING, now: 1000 };
  await store.accept([received("a", ["one"], INCIDENT)], 1000);
  const [older] = await store.lease(request);
  assert.ok(older);
  await store.endAttempt(endOf(older, "delivered"));
  await store.accept([received("b", ["one"], INCIDENT)], 1000);
  const [newer] = await store.lease(request);
  assert.ok(newer);
  await store.endAttempt(endOf(newer, "pending", { dueAt: 1000, mayHaveArrived: true }));
  await store.sendAgain(older.deliveryId, 1000);
  const [both] = await store.lease(request);
  assert.deepEqual([both?.deliveryId, both?.total, both?.mayHaveArrived], [older.deliveryId, 2, true]);
});

test("too much that is due goes as one batch, whatever its groups", async (t) => {
  const store = openTestStore(t);
  const events = Array.from({ length: 20 }, (_, at) =>
    received(`e${at}`, ["one"], { key: `incident-${at}`, intervalMs: 0 }),
  );
  await store.accept(events, 1000);
  const leases = await store.lease({ subscription: "one", limit: 1, folding: OVERFLOWING, now: 1000 });
  assert.equal(leases.length, 1);
  assert.equal(leases[0]?.total, 20);
  assert.equal(leases[0].isOverflow, true);
});

test("too much of one group is not too much, and a group of which something is remembered goes by itself", async (t) => {
  const store = openTestStore(t);
  const request = { subscription: "one", limit: 1, folding: OVERFLOWING, now: 1000 };
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
