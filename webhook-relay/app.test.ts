import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { testEvent } from "./event/testing.ts";
import { BODY_MAX_BYTES } from "./limits.ts";
import { startRig, TEST_TOKENS, type Rig, type RigOptions } from "./testing/relay-rig.ts";
import { waitFor } from "../test/harness/wait.ts";

const NOWHERE = `subscriptions:
  - {name: one, type: webhook, url: "http://127.0.0.1:1/", secretFiles: key, allowAddresses: 127.0.0.1}
  - {name: two, type: webhook, url: "http://127.0.0.1:1/", secretFiles: key, allowAddresses: 127.0.0.1, namespaces: elsewhere}`;

const rigOf = (t: TestContext, more: Partial<RigOptions> = {}): Promise<Rig> =>
  startRig(t, { config: NOWHERE, ...more });

async function request(
  rig: Rig,
  method: string,
  path: string,
  options: { readonly token?: string; readonly body?: string | ReadableStream } = {},
): Promise<Response> {
  const { token, body } = options;
  return await rig.relay.app.request(path, {
    method,
    ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
    ...(body !== undefined && { body }),
    ...(body instanceof ReadableStream && { duplex: "half" }),
  });
}

test("an event is answered 202 once, then 200 as a duplicate", async (t) => {
  const rig = await rigOf(t);
  const event = testEvent();
  const first = await rig.post(event);
  assert.equal(first.status, 202);
  assert.deepEqual(await first.json(), { id: event.id, duplicate: false });
  const second = await rig.post(event);
  assert.equal(second.status, 200);
  assert.deepEqual(await second.json(), { id: event.id, duplicate: true });
});

test("the first body of an id stays, a differing one is answered as a duplicate, counted and logged", async (t) => {
  const rig = await rigOf(t);
  await rig.post(testEvent({ data: { message: "first" } }));
  const second = await rig.post(testEvent({ data: { message: "second" } }));
  assert.deepEqual([second.status, await second.json()], [200, { id: testEvent().id, duplicate: true }]);
  const stored = await (await rig.get(`/v1/events/${testEvent().id}`)).text();
  assert.match(stored, /"message":"first"/);
  assert.doesNotMatch(stored, /second/);
  assert.match(
    await rig.registry.metrics(),
    /events_total\{type="tote.image.detected",result="differing"\} 1/,
  );
  assert.ok(rig.log.some((line) => line.includes("came again with another body")));
});

test("a batch is taken as a whole, with an answer for each of its events", async (t) => {
  const rig = await rigOf(t);
  await rig.post(testEvent({ id: "b" }));
  const answer = await rig.post([testEvent({ id: "a" }), testEvent({ id: "b" }), testEvent({ id: "a" })]);
  assert.equal(answer.status, 202);
  assert.deepEqual(await answer.json(), {
    events: [
      { id: "a", duplicate: false },
      { id: "b", duplicate: true },
      { id: "a", duplicate: true },
    ],
  });
  assert.equal((await rig.post([testEvent({ id: "a" })])).status, 200);
});

test("a batch with one bad event is refused as a whole, and says which", async (t) => {
  const rig = await rigOf(t);
  const bad = { ...testEvent({ id: "x.y" }), data: { bytes: -1, owner: "web" } };
  const answer = await request(rig, "POST", "/v1/events", {
    token: TEST_TOKENS.ingest,
    body: JSON.stringify([testEvent({ id: "good" }), bad]),
  });
  assert.equal(answer.status, 400);
  const { details } = await answer.json();
  assert.deepEqual(
    details.map(({ path }: { path: string }) => path),
    ["[1].id", "[1].data.bytes", "[1].data.owner"],
  );
  assert.match(details[0].message, /^"x\.y" is not allowed, must be 1 to 128 letters/);
  assert.equal((await rig.get("/v1/events/good")).status, 404);
});

test("what is no event is refused with what is wrong", async (t) => {
  const rig = await rigOf(t);
  const cases: readonly (readonly [string, RegExp])[] = [
    ["{", /the body is no JSON/],
    ["", /the body is no JSON/],
    ["5", /5 is not allowed, must be an object/],
    [`{"id":${"[".repeat(100_000)}${"]".repeat(100_000)}}`, /is nested too deep, at most 64 levels/],
    [`[${"[".repeat(100_000)}${"]".repeat(100_000)}]`, /is nested too deep, at most 64 levels/],
    ["[]", /the list has 0 events, must have 1 to 100/],
    [JSON.stringify(Array.from({ length: 101 }, () => ({}))), /the list has 101 events/],
    [JSON.stringify({ ...testEvent(), id: "" }), /"path":"id"/],
    [JSON.stringify({ ...testEvent(), type: "detected" }), /"path":"type"/],
    [JSON.stringify({ ...testEvent(), source: 5 }), /"path":"source"/],
    [JSON.stringify({ ...testEvent(), time: "yesterday" }), /"path":"time"/],
    [JSON.stringify({ ...testEvent(), time: "2026-13-01T00:00:00Z" }), /"path":"time"/],
    [JSON.stringify({ ...testEvent(), subject: undefined }), /"path":"subject".*nothing is not allowed/],
    [JSON.stringify({ ...testEvent(), data: [] }), /"path":"data"/],
    [JSON.stringify({ ...testEvent(), data: { namespace: 5 } }), /"path":"data.namespace"/],
    [JSON.stringify({ ...testEvent(), data: { sourceNodes: "a" } }), /"path":"data.sourceNodes"/],
  ];
  for (const [body, expected] of cases) {
    const answer = await request(rig, "POST", "/v1/events", { token: TEST_TOKENS.ingest, body });
    const text = await answer.text();
    assert.equal(answer.status, 400, text);
    assert.match(text, expected);
  }
  assert.match(await rig.registry.metrics(), /result="rejected"\} [1-9]/);
});

test("fields that this release does not know come through", async (t) => {
  const rig = await rigOf(t);
  const event = { ...testEvent(), later: { x: 1 }, data: { ...testEvent().data, alsoLater: [2] } };
  assert.equal((await rig.post(event)).status, 202);
  const { event: stored } = await (await rig.get(`/v1/events/${event.id}`)).json();
  assert.deepEqual(stored, event);
});

test("a body over 256 KiB is refused, whether its length is told or not", async (t) => {
  const rig = await rigOf(t);
  const body = JSON.stringify(testEvent({ data: { message: "x".repeat(BODY_MAX_BYTES) } }));
  assert.equal((await request(rig, "POST", "/v1/events", { token: TEST_TOKENS.ingest, body })).status, 413);
  const stream = new Blob([body]).stream();
  const chunked = await request(rig, "POST", "/v1/events", { token: TEST_TOKENS.ingest, body: stream });
  assert.equal(chunked.status, 413);
  const just = testEvent({ data: { message: "x".repeat(BODY_MAX_BYTES - 2000) } });
  assert.equal((await rig.post(just)).status, 202);
});

test("each route takes exactly the tokens it is for", async (t) => {
  const rig = await rigOf(t);
  const body = JSON.stringify(testEvent());
  const cells: readonly (readonly [string, string, readonly string[]])[] = [
    ["POST", "/v1/events", ["ingest"]],
    ["GET", "/v1/events", ["read", "admin"]],
    ["GET", "/v1/events/none", ["read", "admin"]],
    ["GET", "/v1/deliveries", ["read", "admin"]],
    ["GET", "/v1/deliveries/1", ["read", "admin"]],
    ["POST", "/v1/deliveries/1/redeliver", ["admin"]],
    ["POST", "/v1/replays", ["admin"]],
    ["GET", "/v1/replays", ["read", "admin"]],
    ["GET", "/v1/replays/1", ["read", "admin"]],
    ["POST", "/v1/replays/1/cancel", ["admin"]],
    ["GET", "/v1/subscriptions", ["read", "admin"]],
    ["GET", "/v1/subscriptions/one", ["read", "admin"]],
    ["POST", "/v1/subscriptions/one/test", ["admin"]],
    ["POST", "/v1/subscriptions/one/enable", ["admin"]],
    ["POST", "/v1/subscriptions/one/disable", ["admin"]],
    ["POST", "/v1/subscriptions:match", ["read", "admin"]],
    ["GET", "/openapi.json", ["ingest", "read", "admin"]],
  ];
  for (const [method, path, allowed] of cells) {
    const options = method === "POST" ? { body } : {};
    const without = await request(rig, method, path, options);
    assert.equal(without.status, 401, path);
    assert.match(without.headers.get("www-authenticate") ?? "", /^Bearer/);
    assert.equal((await request(rig, method, path, { ...options, token: "wrong" })).status, 401);
    for (const [role, token] of Object.entries(TEST_TOKENS)) {
      const { status } = await request(rig, method, path, { ...options, token });
      if (allowed.includes(role))
        assert.ok(![401, 403].includes(status), `${role} ${method} ${path}: ${status}`);
      else assert.equal(status, 403, `${role} ${method} ${path}`);
    }
  }
  for (const path of ["/healthz", "/readyz", "/.well-known/webhook-keys.json"]) {
    assert.equal((await request(rig, "GET", path)).status, 200, path);
  }
});

test("lists are filtered, paged, and refuse what they do not know", async (t) => {
  const rig = await rigOf(t);
  const events = Array.from({ length: 5 }, (_, at) =>
    testEvent({ id: `e${at}`, data: { namespace: at === 3 ? "elsewhere" : "shop" } }),
  );
  await rig.post(events);
  const ids: string[] = [];
  let cursor: string | null = null;
  do {
    const query: string = cursor === null ? "" : `&cursor=${cursor}`;
    const page: { deliveries: { event: { id: string } }[]; next: string | null } = await (
      await rig.get(`/v1/deliveries?subscription=one&limit=2${query}`)
    ).json();
    ids.push(...page.deliveries.map(({ event }) => event.id));
    cursor = page.next;
  } while (cursor !== null);
  assert.deepEqual(ids, ["e4", "e3", "e2", "e1", "e0"]);
  const two = await (await rig.get("/v1/deliveries?subscription=two")).json();
  assert.deepEqual(
    two.deliveries.map(({ event }: { event: { id: string } }) => event.id),
    ["e3"],
  );
  const since = await (await rig.get("/v1/events?since=2100-01-01")).json();
  assert.deepEqual(since, { events: [], next: null });
  const byNamespace = await (await rig.get("/v1/events?namespace=else*&type=tote.*")).json();
  assert.equal(byNamespace.events.length, 1);
  for (const query of ["limit=0", "limit=501", "cursor=%21", "state=lost", "since=yesterday", "colour=red"]) {
    const answer = await rig.get(`/v1/deliveries?${query}`);
    assert.equal(answer.status, 400, query);
    const name = query.split("=")[0] ?? "";
    assert.ok((await answer.json()).error.startsWith(`${name}: `), query);
  }
});

test("a delivery shows its attempts, an event its deliveries", async (t) => {
  const rig = await rigOf(t);
  await rig.post(testEvent());
  const delivery = await waitFor("the first attempt", async () => {
    const found = await (await rig.get("/v1/deliveries/1")).json();
    return found.attempts.length > 0 && found;
  });
  assert.equal(delivery.state, "pending");
  assert.equal(delivery.attempts[0].reason, "refused");
  assert.equal(delivery.attempts[0].outcome, "retry");
  assert.ok(Date.parse(delivery.dueAt) > Date.now());
  const event = await (await rig.get(`/v1/events/${testEvent().id}`)).json();
  assert.equal(event.deliveryList.length, 1);
  assert.deepEqual(event.deliveries, { pending: 1 });
  assert.equal((await rig.get("/v1/deliveries/99")).status, 404);
  assert.equal((await rig.get("/v1/deliveries/1e3")).status, 404);
});

test("an event that nobody wants is kept and counted", async (t) => {
  const rig = await startRig(t, { config: "" });
  assert.equal((await rig.post(testEvent())).status, 202);
  assert.equal((await rig.get(`/v1/events/${testEvent().id}`)).status, 200);
  assert.match(await rig.registry.metrics(), /events_unmatched_total\{type="tote.image.detected"\} 1/);
});

test("answers are not cached, framed or guessed at, and paths make no labels", async (t) => {
  const rig = await rigOf(t);
  const answer = await rig.get("/v1/events/secret-looking-id");
  assert.equal(answer.headers.get("cache-control"), "no-store");
  assert.match(answer.headers.get("content-security-policy") ?? "", /default-src 'none'/);
  assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
  await request(rig, "GET", "/a/b/c");
  const metrics = await rig.registry.metrics();
  assert.match(metrics, /http_requests_total\{route="\/v1\/events\/:id",method="GET",code="404"\} 1/);
  assert.match(metrics, /http_requests_total\{route="other",method="GET",code="404"\} 1/);
  assert.doesNotMatch(metrics, /secret-looking-id/);
});
