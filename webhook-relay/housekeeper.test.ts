import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { createMovingClock, type MovingClock } from "../test/harness/moving-clock.ts";
import { waitFor } from "../test/harness/wait.ts";
import { testEvent } from "./event/testing.ts";
import { HOUSEKEEPING_INTERVAL_MS, SIZE_LOOK_EVENTS, TOMBSTONE_MS } from "./limits.ts";
import type { DeliveryState } from "./store/views.ts";
import { startReceiver, type Receiver } from "./testing/receiver.ts";
import { startRig, type Rig } from "./testing/relay-rig.ts";

const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;
const MAX_BYTES = 2 ** 20;

/** One subscription for each namespace of the same name. */
function configFor(receiver: Receiver, names: readonly string[], more: string): string {
  const lines = names.map(
    (name) =>
      `  - {name: ${name}, type: webhook, url: "${receiver.url}/${name}", namespaces: ${name}, allowAddresses: 127.0.0.1, ${more}}`,
  );
  return ["subscriptions:", ...lines].join("\n");
}

async function rigFor(
  t: TestContext,
  config: string,
  maxBytes = 2 ** 30,
): Promise<Rig & { clock: MovingClock }> {
  const clock = createMovingClock();
  const retention = { eventsMs: YEAR_MS, deadMs: YEAR_MS, maxBytes };
  return { ...(await startRig(t, { config, clock, retention })), clock };
}

function count(rig: Rig, subscription: string, state: DeliveryState): number {
  return rig.relay.control.deliveries({ subscription, state }, { limit: 500, cursor: undefined }).items
    .length;
}

/** A minute passes, so that the housekeeper has its turn. */
function tidyUp({ clock }: { readonly clock: MovingClock }): void {
  clock.skip(HOUSEKEEPING_INTERVAL_MS);
}

test("a store that is too large gives up what is delivered, then what is dead, and never what waits", async (t) => {
  const receiver = await startReceiver(t);
  receiver.behave(({ path }, response) => response.writeHead(path === "/bad" ? 400 : 204).end());
  const retry = "retry: {schedule: [0s, 1ms, 1ms]}";
  const rig = await rigFor(t, configFor(receiver, ["good", "bad", "off"], retry), MAX_BYTES);
  const { control, store } = rig.relay;
  await control.setEnabled("off", false, "a test");
  let posted = 0;
  async function post(namespace: string): Promise<Response> {
    posted += 1;
    const data = { namespace, message: "x".repeat(40_000) };
    return await rig.post(testEvent({ id: `${namespace}-${posted}`, data }));
  }
  async function growPast(): Promise<void> {
    while (store.size().used <= MAX_BYTES) assert.equal((await post("off")).status, 202);
    tidyUp(rig);
  }
  for (let at = 0; at < 6; at += 1) await post("good");
  for (let at = 0; at < 4; at += 1) await post("bad");
  await waitFor("all to end", () => count(rig, "good", "delivered") === 6 && count(rig, "bad", "dead") === 4);

  await growPast();
  await waitFor("what is delivered to go", () => count(rig, "good", "delivered") === 0);
  assert.equal(count(rig, "bad", "dead"), 4);
  assert.equal((await post("good")).status, 202);
  await waitFor("its delivery", () => count(rig, "good", "delivered") === 1);

  await growPast();
  await waitFor("what is dead to go", () => count(rig, "bad", "dead") === 0);

  await growPast();
  const waiting = posted - 11;
  await waitFor("events to be refused", async () => (await rig.get("/readyz")).status === 503);
  assert.equal(await (await rig.get("/readyz")).text(), "not ready: the store is as large as it may be\n");
  const refused = await post("off");
  assert.deepEqual([refused.status, refused.headers.get("retry-after")], [503, "10"]);
  assert.match(await rig.registry.metrics(), /^tote_relay_store_writable 0$/m);
  assert.equal(count(rig, "off", "pending"), waiting);
  assert.ok(posted < SIZE_LOOK_EVENTS, "it was the clock that made it tidy up");

  await control.setEnabled("off", true, "");
  await waitFor("what waited to go out", () => count(rig, "off", "delivered") === waiting);
  tidyUp(rig);
  await waitFor("room", async () => (await post("good")).status === 202);
  assert.equal((await rig.get("/readyz")).status, 200);
  assert.match(await rig.registry.metrics(), /^tote_relay_store_writable 1$/m);
});

test("a storm does not outgrow the store until the next clean-up", async (t) => {
  const receiver = await startReceiver(t);
  const rig = await rigFor(t, configFor(receiver, ["good"], "timeout: 5s"), MAX_BYTES);
  const events = Array.from({ length: SIZE_LOOK_EVENTS }, (_, at) =>
    testEvent({ id: `e${at}`, data: { namespace: "good", message: "x".repeat(20_000) } }),
  );
  // in pieces that fit into a request; what is delivered may go when the size is looked at
  for (let at = 0; at < events.length - 10; at += 10) await rig.post(events.slice(at, at + 10));
  await waitFor("deliveries", () => count(rig, "good", "delivered") === events.length - 10);
  assert.ok(rig.relay.store.size().used > MAX_BYTES);
  await rig.post(events.slice(-10));
  // the clock stands for the housekeeper: its next turn would be in a minute
  await waitFor("room", () => rig.relay.store.size().used < MAX_BYTES, { timeoutMs: 20_000 });
});

test("what has waited too long is given up, with what its last failure was", async (t) => {
  const receiver = await startReceiver(t);
  receiver.behave((_, response) => response.writeHead(503).end());
  const retry = "retry: {schedule: [0s, 20h, 20h], maxAge: 21h}";
  const rig = await rigFor(t, configFor(receiver, ["one"], retry));
  await rig.post(testEvent({ data: { namespace: "one" } }));
  await waitFor("the first attempt", () => rig.relay.control.attempts(1).length === 1);
  // nothing is sent any more: it is the housekeeper that gives it up
  await rig.relay.control.setEnabled("one", false, "a test");
  rig.clock.skip(20 * HOUR_MS);
  tidyUp(rig);
  assert.equal(rig.relay.control.delivery(1)?.state, "pending");
  rig.clock.skip(2 * HOUR_MS);
  const dead = await waitFor("its end", () => {
    const delivery = rig.relay.control.delivery(1);
    return delivery?.state === "dead" && delivery;
  });
  assert.equal(dead.reason, "expired");
  assert.match(dead.message, /^older than 21h, at last: answered 503/);
  assert.equal(receiver.requests.length, 1);
});

test("what waits for a subscription that is gone is given up after 30 hours", async (t) => {
  const receiver = await startReceiver(t);
  receiver.behave((_, response) => response.writeHead(503).end());
  const rig = await rigFor(t, configFor(receiver, ["one"], "retry: {schedule: [0s, 12h], maxAge: 90h}"));
  await rig.post(testEvent({ data: { namespace: "one" } }));
  await waitFor("the first attempt", () => rig.relay.control.attempts(1).length === 1);
  await rig.reload("subscriptions: []");
  rig.clock.skip(29 * HOUR_MS);
  tidyUp(rig);
  assert.equal(rig.relay.control.delivery(1)?.state, "pending");
  rig.clock.skip(2 * HOUR_MS);
  await waitFor("its end", () => rig.relay.control.delivery(1)?.state === "dead");
  assert.match(rig.relay.control.delivery(1)?.message ?? "", /^there is no such subscription any more/);
});

test("when the clock is set back, what waits and what is paused wait no longer for it", async (t) => {
  const receiver = await startReceiver(t);
  receiver.behave(({ path }, response, number) => {
    const isFirst = number <= 2;
    if (path === "/paused" && isFirst) response.writeHead(429, { "retry-after": "1800" }).end();
    else response.writeHead(isFirst ? 503 : 204).end();
  });
  const retry = "retry: {schedule: [0s, 30m]}";
  const rig = await rigFor(t, configFor(receiver, ["failing", "paused"], retry));
  await rig.post(["failing", "paused"].map((namespace) => testEvent({ id: namespace, data: { namespace } })));
  await waitFor("the first attempts", () =>
    [1, 2].every((id) => rig.relay.control.attempts(id).length === 1),
  );
  const before = [1, 2].map((id) => rig.relay.control.delivery(id)?.dueAt ?? 0);
  rig.clock.turn(-5 * HOUR_MS);
  tidyUp(rig);
  await waitFor("the times to follow", () =>
    [1, 2].every((id, at) => {
      const due = rig.relay.control.delivery(id)?.dueAt ?? 0;
      return Math.abs(due + 5 * HOUR_MS - (before[at] ?? 0)) < 60_000;
    }),
  );
  rig.clock.skip(HOUR_MS);
  await waitFor("both to arrive", () => receiver.requests.length === 4);
});

test("when the clock is set ahead, nothing is given up for it", async (t) => {
  const receiver = await startReceiver(t);
  receiver.behave((_, response, number) => response.writeHead(number === 1 ? 503 : 204).end());
  const rig = await rigFor(t, configFor(receiver, ["one"], "retry: {schedule: [0s, 12h], maxAge: 24h}"));
  await rig.post(testEvent({ data: { namespace: "one" } }));
  await waitFor("the first attempt", () => rig.relay.control.attempts(1).length === 1);
  await rig.relay.control.setEnabled("one", false, "so that the housekeeper has its turn first");
  // as after a long sleep of the machine
  rig.clock.turn(100 * HOUR_MS);
  tidyUp(rig);
  await waitFor("it to be noticed", () => rig.log.some((line) => line.includes("the clock jumped")));
  await rig.relay.control.setEnabled("one", true, "");
  await waitFor("its arrival", () => rig.relay.control.delivery(1)?.state === "delivered");
});

test("an id is known as long as a repeat may come, after its event is gone", async (t) => {
  const receiver = await startReceiver(t);
  const rig = await rigFor(t, configFor(receiver, ["one"], "timeout: 5s"));
  const event = testEvent({ data: { namespace: "one" } });
  await rig.post(event);
  await waitFor("the delivery", () => count(rig, "one", "delivered") === 1);
  rig.clock.skip(YEAR_MS + HOUR_MS);
  await waitFor("the event to go", () => rig.relay.control.event(event.id) === undefined);
  assert.equal((await (await rig.post(event)).json()).duplicate, true);
  rig.clock.skip(TOMBSTONE_MS + HOUR_MS);
  await waitFor("the id to be forgotten", async () => (await rig.post(event)).status === 202);
});
