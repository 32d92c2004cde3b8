import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { waitFor } from "../../test/harness/wait.ts";
import { testEvent } from "../event/testing.ts";
import { startReceiver } from "../testing/receiver.ts";
import { startRig, TEST_KEY, TEST_TOKENS, type Rig, type RigOptions } from "../testing/relay-rig.ts";

/** What answers of the API are looked at for here. */
interface Answer {
  readonly id: number;
  readonly state: string;
  readonly error: string;
  readonly details: readonly { readonly path: string }[];
  readonly replayed: number;
  readonly attempts: readonly { readonly outcome: string }[];
  readonly deliveries: readonly { readonly id: number }[];
  readonly subscriptions: readonly Readonly<Record<string, unknown>>[];
  readonly health: Readonly<Record<string, unknown>>;
  readonly queue: Readonly<Record<string, unknown>>;
  readonly deliveryId: number;
}

async function ask(
  rig: Rig,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ readonly status: number; readonly answer: Answer; readonly text: string }> {
  const response = await rig.relay.app.request(path, {
    method,
    headers: { authorization: `Bearer ${TEST_TOKENS.admin}` },
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, answer: JSON.parse(text), text };
}

async function ended(rig: Rig, state: string, count: number): Promise<readonly { readonly id: number }[]> {
  return await waitFor(`${count} deliveries to be ${state}`, async () => {
    const { answer } = await ask(rig, "GET", `/v1/deliveries?state=${state}`);
    return answer.deliveries.length === count && answer.deliveries;
  });
}

async function rigOf(
  t: TestContext,
  more = "",
  options: Partial<RigOptions> = {},
): Promise<{ readonly rig: Rig; readonly receiver: Awaited<ReturnType<typeof startReceiver>> }> {
  const receiver = await startReceiver(t);
  const config = `subscriptions:
  - {name: one, type: webhook, url: "${receiver.url}/secret-path-0815", secretFiles: key, allowAddresses: 127.0.0.1, retry: {schedule: [0s]}${more}}`;
  return { rig: await startRig(t, { config, ...options }), receiver };
}

test("a dead letter that is sent again arrives under its old id, marked as a replay", async (t) => {
  const { rig, receiver } = await rigOf(t);
  receiver.behave((_, response) => void response.writeHead(500).end());
  await rig.post(testEvent({ id: "lost" }));
  const [dead] = await ended(rig, "dead", 1);
  receiver.behave(undefined);
  const again = await ask(rig, "POST", `/v1/deliveries/${dead?.id}/redeliver`);
  assert.equal(again.status, 202);
  await ended(rig, "delivered", 1);
  assert.deepEqual(receiver.ids(), ["lost", "lost"]);
  assert.equal(receiver.requests[1]?.headers["tote-replay"], "true");
  const { answer } = await ask(rig, "GET", `/v1/deliveries/${dead?.id}`);
  assert.deepEqual(
    answer.attempts.map(({ outcome }) => outcome),
    ["retry", "delivered"],
  );
});

test("a delivery that is under way is not sent again beside itself", async (t) => {
  const { rig, receiver } = await rigOf(t);
  const held = Promise.withResolvers<() => void>();
  receiver.behave((_, response) => held.resolve(() => void response.writeHead(204).end()));
  await rig.post(testEvent());
  const release = await held.promise;
  const { status, answer } = await ask(rig, "POST", "/v1/deliveries/1/redeliver");
  assert.deepEqual([status, answer.error], [409, "delivery 1 is under way, look again when it has ended"]);
  release();
  await ended(rig, "delivered", 1);
  assert.equal(receiver.requests.length, 1);
});

test("a replay sends again what its filter and window name, and nothing else", async (t) => {
  const { rig, receiver } = await rigOf(t);
  await rig.post([
    testEvent({ id: "a", data: { namespace: "shop" } }),
    testEvent({ id: "b", data: { namespace: "bank" } }),
    testEvent({ id: "c", data: { namespace: "shop" } }),
  ]);
  await ended(rig, "delivered", 3);
  const replay = await ask(rig, "POST", "/v1/replays", {
    namespace: "sh*",
    state: "delivered",
    since: "2020-01-01",
    ratePerSecond: 500,
  });
  assert.equal(replay.status, 202, replay.text);
  const past = await ask(rig, "POST", "/v1/replays", { until: "2020-01-01", ratePerSecond: 500 });
  for (const { answer } of [replay, past]) {
    await waitFor("the replay", async () => {
      return (await ask(rig, "GET", `/v1/replays/${answer.id}`)).answer.state === "done";
    });
  }
  await waitFor("what is replayed", () => receiver.requests.length === 5);
  const replayed = receiver.requests.filter(({ headers }) => headers["tote-replay"] === "true");
  assert.deepEqual(new Set(replayed.map(({ headers }) => headers["webhook-id"])), new Set(["a", "c"]));
  assert.equal(replayed.length, 2);
  assert.equal((await ask(rig, "GET", `/v1/replays/${replay.answer.id}`)).answer.replayed, 2);
  assert.equal((await ask(rig, "GET", `/v1/replays/${past.answer.id}`)).answer.replayed, 0);
});

test("a replay keeps to its rate", async (t) => {
  const { rig, receiver } = await rigOf(t);
  await rig.post(Array.from({ length: 6 }, (_, at) => testEvent({ id: `e${at}` })));
  await ended(rig, "delivered", 6);
  const arrivals: number[] = [];
  receiver.behave((_, response) => {
    arrivals.push(performance.now());
    response.writeHead(204).end();
  });
  await ask(rig, "POST", "/v1/replays", { subscription: "one", ratePerSecond: 4 });
  await waitFor("all of it", () => arrivals.length === 6);
  const [first = 0] = arrivals;
  assert.ok((arrivals[4] ?? 0) - first > 200, "what is more than a second's worth comes a second later");
});

test("a replay goes on after a restart where it was", async (t) => {
  const directory = directoryOf(t);
  const { rig, receiver } = await rigOf(t, "", { directory });
  await rig.post(Array.from({ length: 16 }, (_, at) => testEvent({ id: `e${at}` })));
  await ended(rig, "delivered", 16);
  const { answer } = await ask(rig, "POST", "/v1/replays", { subscription: "one", ratePerSecond: 4 });
  await waitFor("the first part", () => receiver.requests.length >= 20);
  assert.equal((await ask(rig, "GET", `/v1/replays/${answer.id}`)).answer.state, "running");
  await rig.stop();
  const config = `subscriptions:
  - {name: one, type: webhook, url: "${receiver.url}/", secretFiles: key, allowAddresses: 127.0.0.1}`;
  const next = await startRig(t, { config, directory });
  await waitFor("the rest", () => receiver.requests.length === 32);
  await waitFor("the end", async () => {
    return (await ask(next, "GET", `/v1/replays/${answer.id}`)).answer.state === "done";
  });
  assert.equal(new Set(receiver.ids().slice(16)).size, 16, "none twice");
});

test("a replay that is cancelled asks for nothing more", async (t) => {
  const { rig, receiver } = await rigOf(t);
  await rig.post(Array.from({ length: 4 }, (_, at) => testEvent({ id: `e${at}` })));
  await ended(rig, "delivered", 4);
  const { answer } = await ask(rig, "POST", "/v1/replays", { subscription: "one", ratePerSecond: 0.001 });
  const cancelled = await ask(rig, "POST", `/v1/replays/${answer.id}/cancel`);
  assert.deepEqual([cancelled.status, cancelled.answer.state], [200, "cancelled"]);
  const twice = await ask(rig, "POST", `/v1/replays/${answer.id}/cancel`);
  assert.deepEqual([twice.status, twice.answer.error], [409, `replay ${answer.id} is cancelled already`]);
  assert.equal(receiver.requests.length, 4);
});

test("a subscription that is switched off keeps what comes, and sends it when it is on again", async (t) => {
  const { rig, receiver } = await rigOf(t);
  const off = await ask(rig, "POST", "/v1/subscriptions/one/disable", { reason: `for ${TEST_KEY}` });
  assert.equal(off.status, 200);
  assert.equal(off.answer.state, "disabled");
  assert.equal(off.answer.health["disabledBy"], "operator");
  assert.equal(off.answer.health["disabledReason"], "for [redacted]");
  await rig.post(testEvent({ id: "kept" }));
  const waiting = await ask(rig, "GET", "/v1/subscriptions/one");
  assert.equal(waiting.answer.queue["pending"], 1);
  assert.deepEqual(receiver.ids(), []);
  const on = await ask(rig, "POST", "/v1/subscriptions/one/enable");
  assert.equal(on.answer.state, "ok");
  await ended(rig, "delivered", 1);
  assert.deepEqual(receiver.ids(), ["kept"]);
});

test("a test goes to its subscription alone, whatever the filter", async (t) => {
  const { rig, receiver } = await rigOf(t, ", events: recovered");
  const { status, answer } = await ask(rig, "POST", "/v1/subscriptions/one/test");
  assert.equal(status, 202);
  await ended(rig, "delivered", 1);
  assert.match(receiver.requests[0]?.body ?? "", /"type":"tote\.relay\.test"/);
  assert.equal((await ask(rig, "GET", `/v1/deliveries/${answer.deliveryId}`)).answer.state, "delivered");
});

test("a match tells who would get an event and why the others not, and sends nothing", async (t) => {
  const { rig, receiver } = await rigOf(t);
  const base = `type: webhook, url: "${receiver.url}/", secretFiles: key, allowAddresses: 127.0.0.1`;
  await rig.reload(`subscriptions:
  - {name: all, ${base}}
  - {name: other-type, ${base}, events: recovered}
  - {name: other-place, ${base}, namespaces: "prod-*"}
  - {name: only-worse, ${base}, severity: critical}`);
  await ask(rig, "POST", "/v1/subscriptions/all/disable");
  const { answer } = await ask(rig, "POST", "/v1/subscriptions:match", testEvent());
  assert.deepEqual(answer.subscriptions, [
    { subscription: "all", matches: true, because: "", disabled: true },
    {
      subscription: "other-type",
      matches: false,
      because: "events: tote.image.detected is not among recovered",
      disabled: false,
    },
    {
      subscription: "other-place",
      matches: false,
      because: 'namespaces: "shop" is not among prod-*',
      disabled: false,
    },
    {
      subscription: "only-worse",
      matches: false,
      because: 'severity: "warning" is less than critical',
      disabled: false,
    },
  ]);
  assert.equal((await rig.get(`/v1/events/${testEvent().id}`)).status, 404);
});

test("subscriptions are shown with how they fare, without addresses, keys or where those are", async (t) => {
  const { rig, receiver } = await rigOf(t);
  receiver.behave((_, response) => void response.writeHead(503).end());
  await rig.post(testEvent());
  await ended(rig, "dead", 1);
  const { answer, text } = await ask(rig, "GET", "/v1/subscriptions");
  const [one] = answer.subscriptions;
  assert.equal(one?.["state"], "failing");
  assert.equal(one?.["target"], `${receiver.url}/…`);
  assert.doesNotMatch(text, /secret-path-0815|whsec|secretFiles|"key"/);
});

test("what is not valid is refused with the field and what it must be", async (t) => {
  const { rig } = await rigOf(t);
  const cases: readonly (readonly [path: string, body: unknown, field: string, message: RegExp])[] = [
    ["/v1/replays", "{", "body", /it is no JSON/],
    ["/v1/replays", [], "body", /must be a JSON object/],
    ["/v1/replays", {}, "body", /at least one of subscription, state/],
    ["/v1/replays", { colour: "red" }, "colour", /unknown field, known are subscription, .*ratePerSecond/],
    ["/v1/replays", { type: 5 }, "type", /must be a text/],
    ["/v1/replays", { type: "x".repeat(600) }, "type", /has 600 characters, at most 512/],
    [
      "/v1/replays",
      { state: "pending" },
      "state",
      /"pending" is not allowed, must be one of delivered, dead/,
    ],
    ["/v1/replays", { since: "yesterday" }, "since", /"yesterday" is not allowed, must be a time/],
    ["/v1/replays", { since: "2026-02-01", until: "2026-01-01" }, "until", /must be after since/],
    [
      "/v1/replays",
      { type: "*", ratePerSecond: 0 },
      "ratePerSecond",
      /0 is not allowed, must be more than 0/,
    ],
    ["/v1/replays", { type: "*", ratePerSecond: 501 }, "ratePerSecond", /501 is not allowed/],
    ["/v1/replays", { type: "*", ratePerSecond: "5" }, "ratePerSecond", /must be a number/],
    ["/v1/subscriptions/one/disable", { reason: 5 }, "reason", /must be a text/],
    ["/v1/subscriptions/one/disable", { cause: "x" }, "cause", /unknown field, known are reason/],
    ["/v1/subscriptions:match", "", "body", /it is no JSON/],
    ["/v1/subscriptions:match", { ...testEvent(), time: "now" }, "time", /no event/],
  ];
  for (const [path, body, field, message] of cases) {
    const { status, answer, text } = await ask(rig, "POST", path, body);
    assert.equal(status, 400, text);
    assert.equal(answer.details[0]?.path, field, text);
    assert.match(answer.error, message);
  }
  assert.equal((await ask(rig, "GET", "/v1/replays?limit=0")).answer.details[0]?.path, "limit");
  assert.equal((await ask(rig, "GET", "/v1/replays?state=done")).status, 400);
  // a colon is part of the name of this route, not the beginning of a parameter
  assert.equal((await ask(rig, "POST", "/v1/subscriptions:other", testEvent())).status, 404);
  assert.equal((await ask(rig, "POST", "/v1/subscriptionsXmatch", testEvent())).status, 404);
});

function directoryOf(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "relay-replay-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
