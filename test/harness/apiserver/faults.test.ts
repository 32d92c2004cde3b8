import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";

import { createCleanup } from "../cleanup.ts";
import { ask, eventually, openWatch } from "./http.fixture.ts";
import { createApiServer } from "./server.ts";
import type { ApiServer } from "./types.ts";

describe("faults", () => {
  const cleanup = createCleanup();
  let server: ApiServer;
  before(async () => {
    server = await createApiServer({ cleanup });
    server.put({ apiVersion: "v1", kind: "Node", metadata: { name: "a" } });
  });
  afterEach(() => server.faults.clear());
  after(() => cleanup.run());

  const get = (path = "/api/v1/nodes/a"): ReturnType<typeof ask> => ask(server, "GET", path);

  test("a fault meets what it is for, as often as it says, until it is removed", async () => {
    const remove = server.faults.add({
      kind: "status",
      status: 503,
      resource: "nodes",
      verb: ["get", "list"],
    });
    assert.equal((await get()).status, 503);
    assert.equal((await get("/api/v1/nodes")).status, 503);
    assert.equal((await get("/api/v1/pods")).status, 200);
    remove();
    assert.equal((await get()).status, 200);
    server.faults.add({ kind: "status", status: 500, times: 2, name: "a", user: "admin" });
    assert.deepEqual([(await get()).status, (await get()).status, (await get()).status], [500, 500, 200]);
    server.faults.add({ kind: "status", status: 500, after: 1, times: 1, name: "a", user: "admin" });
    assert.deepEqual([(await get()).status, (await get()).status, (await get()).status], [200, 500, 200]);
  });

  test("429 is plain text with Retry-After, all else a Status", async () => {
    server.faults.add({ kind: "status", status: 429, retryAfterSeconds: 3, times: 1 });
    const busy = await get();
    assert.equal(busy.headers.get("retry-after"), "3");
    assert.match(busy.headers.get("content-type") ?? "", /text\/plain/);
    server.faults.add({ kind: "status", status: 403, message: "no", times: 1 });
    const forbidden = await get();
    assert.deepEqual([forbidden.body["reason"], forbidden.body["message"]], ["Forbidden", "no"]);
  });

  test("an answer can be late, never come, or be lost after the work was done", async () => {
    server.faults.add({ kind: "delay", ms: 200, times: 1 });
    const started = performance.now();
    assert.equal((await get()).status, 200);
    assert.ok(performance.now() - started >= 195);

    server.faults.add({ kind: "hang", times: 1 });
    const asked = server.requests.length;
    const hung = get();
    await eventually("the request", () => server.requests.length > asked);
    server.faults.clear();
    await assert.rejects(hung);

    server.faults.add({ kind: "reset", times: 1 });
    const version = server.resourceVersion;
    await assert.rejects(ask(server, "PATCH", "/api/v1/nodes/a", { metadata: { labels: { x: "1" } } }));
    assert.equal(server.resourceVersion, version);

    server.faults.add({ kind: "lost", times: 1 });
    await assert.rejects(ask(server, "PATCH", "/api/v1/nodes/a", { metadata: { labels: { x: "2" } } }));
    assert.equal(server.get("nodes", "a")?.metadata.labels?.["x"], "2");
  });

  test("a watch can begin well and never say a word", async () => {
    server.faults.add({ kind: "silent", verb: "watch", times: 1 });
    const silent = await openWatch(server, "/api/v1/nodes?watch=1&resourceVersion=0&timeoutSeconds=1");
    assert.equal(silent.status, 200);
    const normal = await openWatch(server, "/api/v1/nodes?watch=1&resourceVersion=0&timeoutSeconds=1");
    await eventually("the normal one to end", normal.ended);
    assert.deepEqual(silent.events, []);
    assert.equal(silent.ended(), false);
    silent.stop();
  });
});
