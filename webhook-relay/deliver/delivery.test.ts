import assert from "node:assert/strict";
import { test } from "node:test";

import { Webhook } from "standardwebhooks";

import { createMovingClock } from "../../test/harness/moving-clock.ts";
import { waitFor } from "../../test/harness/wait.ts";
import { testEvent } from "../event/testing.ts";
import { ATTEMPT_TIMEOUT_MAX_MS, BREAKER_PAUSE_MS } from "../limits.ts";
import { startReceiver } from "../testing/receiver.ts";
import { startRig, TEST_KEY } from "../testing/relay-rig.ts";
import { configFor, ended, rigFor } from "../testing/one-receiver.ts";

test("a delivery arrives signed, with the id of its event, and verifies", async (t) => {
  const receiver = await startReceiver(t);
  const rig = await rigFor(t, receiver);
  const event = testEvent({ data: { message: "ünïcode 🚀" } });
  await rig.post(event);
  assert.equal((await ended(rig)).state, "delivered");
  const [request] = receiver.requests;
  assert.ok(request);
  assert.equal(request.headers["webhook-id"], event.id);
  assert.equal(request.headers["content-type"], "application/json");
  assert.equal(request.body, JSON.stringify(event));
  assert.deepEqual(new Webhook(TEST_KEY).verify(request.body, request.headers), event);
  assert.equal(request.headers["tote-replay"], undefined);
});

test("every retry has the same id and body, a fresh time, and a signature that verifies", async (t) => {
  const receiver = await startReceiver(t);
  receiver.behave((_, response, number) => response.writeHead(number < 3 ? 503 : 200).end("so so"));
  const rig = await rigFor(t, receiver, "retry: {schedule: [0s, 50ms, 1200ms]}");
  await rig.post(testEvent());
  assert.equal((await ended(rig)).state, "delivered");
  assert.equal(receiver.requests.length, 3);
  assert.equal(new Set(receiver.ids()).size, 1);
  assert.equal(new Set(receiver.requests.map(({ body }) => body)).size, 1);
  const times = receiver.requests.map(({ headers }) => Number(headers["webhook-timestamp"]));
  assert.ok((times[2] ?? 0) > (times[0] ?? 0), String(times));
  for (const { body, headers } of receiver.requests) new Webhook(TEST_KEY).verify(body, headers);
  const attempts = rig.relay.control.attempts(1);
  assert.deepEqual(
    attempts.map(({ outcome, status, reason, excerpt }) => [outcome, status, reason, excerpt]),
    [
      ["retry", 503, "5xx", "so so"],
      ["retry", 503, "5xx", "so so"],
      ["delivered", 200, "", "so so"],
    ],
  );
});

test("what is refused or redirected is dead after three attempts, and can be sent again", async (t) => {
  for (const [status, reason] of [
    [400, "4xx"],
    [302, "3xx"],
  ] as const) {
    const receiver = await startReceiver(t);
    receiver.behave((_, response) =>
      response.writeHead(status, { location: "http://169.254.169.254/" }).end(),
    );
    const rig = await rigFor(t, receiver);
    await rig.post(testEvent());
    const dead = await ended(rig);
    assert.deepEqual([dead.state, dead.reason, dead.attempts], ["dead", reason, 3]);
    assert.match(dead.message, /^refused 3 times: answered/);
    receiver.behave(undefined);
    assert.equal(await rig.relay.control.redeliver(1), "queued");
    assert.equal((await ended(rig)).state, "delivered");
    const last = receiver.requests.at(-1);
    assert.equal(last?.headers["webhook-id"], testEvent().id);
    assert.equal(last.headers["tote-replay"], "true");
    assert.equal(rig.relay.control.attempts(1).length, 4);
  }
});

test("after the last attempt of the schedule a delivery is dead", async (t) => {
  const receiver = await startReceiver(t);
  receiver.behave((_, response) => response.writeHead(500).end());
  const rig = await rigFor(t, receiver);
  await rig.post(testEvent());
  const dead = await ended(rig);
  assert.deepEqual([dead.state, dead.reason, dead.attempts], ["dead", "5xx", 5]);
  assert.match(await rig.registry.metrics(), /deliveries_ended_total\{subscription="one",state="dead"\} 1/);
  assert.equal(await rig.relay.control.redeliver(99), "not_found");
});

test("410 switches the subscription off, and what comes meanwhile waits until it is on again", async (t) => {
  const receiver = await startReceiver(t);
  receiver.behave((_, response) => response.writeHead(410).end());
  const rig = await rigFor(t, receiver);
  await rig.post(testEvent({ id: "a" }));
  assert.deepEqual([(await ended(rig)).state, (await ended(rig)).reason], ["dead", "410"]);
  const [status] = rig.relay.control.subscriptions();
  assert.equal(status?.health.disabledBy, "receiver");
  assert.match(status.health.disabledReason, /answered 410/);
  assert.match(await rig.registry.metrics(), /subscription_disabled\{subscription="one",by="receiver"\} 1/);
  await rig.post(testEvent({ id: "b" }));
  receiver.behave(undefined);
  assert.equal(rig.relay.control.delivery(2)?.state, "pending");
  assert.equal(receiver.requests.length, 1);
  assert.equal(await rig.relay.control.setEnabled("one", true, ""), true);
  assert.equal((await ended(rig, 2)).state, "delivered");
  assert.equal(await rig.relay.control.setEnabled("none", true, ""), false);
});

test("an operator's switch is kept over a restart", async (t) => {
  const receiver = await startReceiver(t);
  const first = await rigFor(t, receiver);
  await first.relay.control.setEnabled("one", false, "too loud at night");
  await first.stop();
  const second = await startRig(t, { config: configFor(receiver), directory: first.directory });
  const [status] = second.relay.control.subscriptions();
  assert.deepEqual(
    [status?.health.disabledBy, status?.health.disabledReason],
    ["operator", "too loud at night"],
  );
  await second.post(testEvent());
  await second.reload(configFor(receiver, "timeout: 3s"));
  assert.equal(
    second.relay.control.subscriptions()[0]?.health.disabledBy,
    "operator",
    "a reload is no permission",
  );
  assert.equal(receiver.requests.length, 0);
  await second.relay.control.setEnabled("one", true, "");
  assert.equal((await ended(second)).state, "delivered");
});

test("a receiver that hangs, drips or never ends costs its time and no more", async (t) => {
  const receiver = await startReceiver(t);
  const clock = createMovingClock();
  const config = configFor(receiver, "timeout: 5m, retry: {schedule: [0s]}");
  const rig = await startRig(t, { config, clock });
  receiver.behave((request, response) => {
    const { id } = JSON.parse(request.body);
    if (id === "drips") {
      response.writeHead(200);
      const timer = setInterval(() => response.write("x"), 50);
      response.on("close", () => clearInterval(timer));
    }
    if (id === "endless") {
      response.writeHead(200);
      const chunk = Buffer.alloc(65_536, "x");
      const fill = (): void => {
        while (!response.destroyed && response.write(chunk));
      };
      response.on("drain", fill);
      fill();
    }
  });
  await rig.post(["hangs", "drips", "endless"].map((id) => testEvent({ id })));
  const endless = await ended(rig, 3);
  await waitFor("all three", () => receiver.requests.length === 3);
  clock.skip(ATTEMPT_TIMEOUT_MAX_MS);
  const [hangs, drips] = [await ended(rig, 1), await ended(rig, 2)];
  assert.deepEqual([hangs.state, hangs.reason], ["dead", "timeout"]);
  assert.deepEqual([drips.state, drips.reason], ["dead", "timeout"]);
  assert.equal(endless.state, "delivered");
  for (const id of [1, 2]) {
    const [attempt] = rig.relay.control.attempts(id);
    const tookMs = attempt?.durationMs ?? 0;
    assert.ok(tookMs >= ATTEMPT_TIMEOUT_MAX_MS && tookMs < 2 * ATTEMPT_TIMEOUT_MAX_MS, String(tookMs));
  }
  assert.ok((rig.relay.control.attempts(3)[0]?.excerpt.length ?? 0) <= 4096);
});

test("an outage opens the breaker, is looked after, and after it nothing waits for its schedule", async (t) => {
  const receiver = await startReceiver(t);
  const { port } = receiver;
  await receiver.close();
  const clock = createMovingClock();
  const config = configFor(receiver, "retry: {schedule: [0s, 1h, 1h, 1h]}");
  const rig = await startRig(t, { config, clock });
  const events = Array.from({ length: 30 }, (_, at) => testEvent({ id: `e${at}` }));
  await rig.post(events);
  await waitFor("the breaker", () => rig.relay.control.subscriptions()[0]?.health.breaker === "open");
  const metrics = await rig.registry.metrics();
  assert.match(metrics, /breaker_state\{subscription="one"\} 2/);
  const back = await startReceiver(t, { port });
  clock.skip(BREAKER_PAUSE_MS + 1);
  await waitFor("everything to arrive", () => new Set(back.ids()).size === 30);
  assert.equal(rig.relay.control.subscriptions()[0]?.health.breaker, "closed");
  assert.deepEqual(back.ids().toSorted(), events.map(({ id }) => id).toSorted());
});

test("a receiver without a limit gets four at a time, one with a limit as many as it says", async (t) => {
  const receiver = await startReceiver(t);
  let now = 0;
  let most = 0;
  receiver.behave((_, response) => {
    now += 1;
    most = Math.max(most, now);
    setTimeout(() => {
      now -= 1;
      response.writeHead(200).end();
    }, 30);
  });
  const rig = await rigFor(t, receiver);
  await rig.post(Array.from({ length: 20 }, (_, at) => testEvent({ id: `a${at}` })));
  await waitFor("all", () => receiver.requests.length === 20);
  assert.equal(most, 4);
  await rig.reload(configFor(receiver, "rateLimit: 10/s"));
  receiver.behave(undefined);
  const started = performance.now();
  await rig.post(Array.from({ length: 20 }, (_, at) => testEvent({ id: `b${at}` })));
  await waitFor("all", () => receiver.requests.length === 40);
  const passed = performance.now() - started;
  assert.ok(passed > 800, `a burst of 10, then 10 a second: ${passed} ms`);
});

test("an attempt that the end of the relay cuts off costs nothing and is made by the next relay", async (t) => {
  const receiver = await startReceiver(t);
  receiver.behave((_, response, number) => {
    if (number > 1) response.writeHead(200).end();
  });
  const first = await rigFor(t, receiver);
  await first.post(testEvent());
  await waitFor("the attempt", () => receiver.requests.length === 1);
  const started = performance.now();
  await first.stop(100);
  // the attempt would have gone on for 15 s
  assert.ok(performance.now() - started < 12_000);
  const second = await startRig(t, { config: configFor(receiver), directory: first.directory });
  assert.equal((await ended(second)).state, "delivered");
  assert.deepEqual(
    second.relay.control.attempts(1).map(({ outcome }) => outcome),
    ["interrupted", "delivered"],
  );
});

test("a test goes to its subscription alone, whatever its filter", async (t) => {
  const receiver = await startReceiver(t);
  const rig = await rigFor(t, receiver, "events: nothing-like-it, group: {interval: 1h, events: '*'}");
  const sent = await rig.relay.control.sendTest("one");
  assert.ok(sent);
  assert.equal((await ended(rig, sent.deliveryId)).state, "delivered");
  const [request] = receiver.requests;
  assert.equal(JSON.parse(request?.body ?? "{}").type, "tote.relay.test");
  assert.equal(await rig.relay.control.sendTest("none"), undefined);
});

test("a replay sends past deliveries again, with their ids", async (t) => {
  const receiver = await startReceiver(t);
  const rig = await rigFor(t, receiver);
  await rig.post(Array.from({ length: 10 }, (_, at) => testEvent({ id: `e${at}` })));
  await waitFor("all", () => receiver.requests.length === 10);
  await waitFor(
    "the end",
    () =>
      rig.relay.control.deliveries({ state: "delivered" }, { limit: 20, cursor: undefined }).items.length ===
      10,
  );
  const replay = await rig.relay.control.createReplay({ subscription: "one", state: "delivered" }, 500);
  await waitFor("the replay", () => rig.relay.control.replay(replay.id)?.state === "done");
  await waitFor("all again", () => receiver.requests.length === 20);
  assert.equal(rig.relay.control.replay(replay.id)?.replayed, 10);
  const ids = receiver.ids();
  assert.deepEqual(ids.slice(10).toSorted(), ids.slice(0, 10).toSorted());
  assert.ok(receiver.requests.slice(10).every(({ headers }) => headers["tote-replay"] === "true"));
});
