import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { createCleanup } from "../cleanup.ts";
import { ask, eventually, openWatch } from "./http.fixture.ts";
import { asJson } from "./json.ts";
import { createApiServer } from "./server.ts";
import type { ApiServer, ApiServerOptions } from "./types.ts";

async function start(t: TestContext, options: Partial<ApiServerOptions> = {}): Promise<ApiServer> {
  return await createApiServer({ cleanup: createCleanup(t), ...options });
}

function pod(name: string, nodeName = "n1", namespace = "shop") {
  return { apiVersion: "v1", kind: "Pod", metadata: { name, namespace }, spec: { nodeName } };
}

test("a watch tells what happened since a version, then what happens, whole and in order", async (t) => {
  const server = await start(t);
  server.put(pod("a"));
  const from = server.resourceVersion;
  server.put(pod("b"));
  server.put(pod("a"));
  const watch = await openWatch(server, `/api/v1/pods?watch=true&resourceVersion=${from}`);
  await eventually("what was missed", () => watch.events.length === 2);
  server.delete("pods", "shop/b");
  await eventually("what happens", () => watch.events.length === 3);
  assert.deepEqual(watch.seen(), ["ADDED b", "MODIFIED a", "DELETED b"]);
  const last = asJson(watch.events[2]?.["object"]);
  assert.equal(last["kind"], "Pod");
  assert.equal(
    asJson(last["metadata"])["resourceVersion"],
    String(server.resourceVersion),
    "a removal has a version",
  );
  watch.stop();
  await eventually("the end", () => server.watches === 0);
});

test("a watch without version begins with what there is", async (t) => {
  const server = await start(t);
  server.put(pod("a"));
  for (const version of ["", "&resourceVersion=0"]) {
    const watch = await openWatch(server, `/api/v1/pods?watch=1${version}`);
    await eventually("what there is", () => watch.events.length === 1);
    assert.deepEqual(watch.seen(), ["ADDED a"]);
    watch.stop();
  }
});

test("through selectors an object comes and goes as it begins and stops to match", async (t) => {
  const server = await start(t);
  server.put(pod("b", "n2"));
  const query = `watch=1&resourceVersion=${server.resourceVersion}&fieldSelector=spec.nodeName=n1`;
  const watch = await openWatch(server, `/api/v1/namespaces/shop/pods?${query}`);
  server.put(pod("a"));
  server.put(pod("a", "n1", "bank"));
  server.put({ ...pod("a"), metadata: { name: "a", namespace: "shop", labels: { x: "1" } } });
  server.put(pod("a", "n2"));
  server.put(pod("b", "n1"));
  server.put(pod("b", "n2"));
  server.delete("pods", "shop/a");
  await eventually("all of it", () => watch.events.length === 5);
  assert.deepEqual(watch.seen(), ["ADDED a", "MODIFIED a", "DELETED a", "ADDED b", "DELETED b"]);
  watch.stop();
});

test("a version whose history is forgotten is refused inside the watch", async (t) => {
  const server = await start(t);
  server.put(pod("a"));
  const from = server.resourceVersion;
  server.put(pod("b"));
  server.compact();
  const watch = await openWatch(server, `/api/v1/pods?watch=1&resourceVersion=${from}`);
  await eventually("the end", watch.ended);
  assert.equal(watch.status, 200);
  const { type, object } = watch.events[0] ?? {};
  assert.equal(type, "ERROR");
  const { kind, code, reason, message } = asJson(object);
  assert.deepEqual({ kind, code, reason }, { kind: "Status", code: 410, reason: "Expired" });
  assert.equal(message, `too old resource version: ${from} (${server.resourceVersion})`);
  assert.equal(server.watches, 0);
});

test("history has a limit", async (t) => {
  const server = await start(t, { historyLimit: 10 });
  const from = server.resourceVersion;
  for (let n = 0; n < 30; n += 1) server.put(pod(`p${n}`));
  const old = await openWatch(server, `/api/v1/pods?watch=1&resourceVersion=${from}`);
  await eventually("the refusal", old.ended);
  assert.equal(old.events[0]?.["type"], "ERROR");
  const recent = await openWatch(
    server,
    `/api/v1/pods?watch=1&resourceVersion=${server.resourceVersion - 10}`,
  );
  await eventually("what is remembered", () => recent.events.length === 10);
  recent.stop();
});

test("bookmarks come to who asked for them, and at the end of a watch", async (t) => {
  const server = await start(t, { bookmarkIntervalMs: 30 });
  const version = server.resourceVersion;
  const path = `/api/v1/pods?watch=1&resourceVersion=${version}`;
  const watch = await openWatch(server, `${path}&allowWatchBookmarks=true`);
  const without = await openWatch(server, path);
  await eventually("bookmarks", () => watch.events.length >= 2);
  const { type, object } = watch.events[0] ?? {};
  assert.equal(type, "BOOKMARK");
  assert.equal(asJson(asJson(object)["metadata"])["resourceVersion"], String(version));
  assert.equal(asJson(object)["kind"], "Pod");
  server.put({ apiVersion: "v1", kind: "Node", metadata: { name: "n1" } });
  await eventually("a bookmark of what others did", () =>
    watch.events.some(
      (event) => asJson(asJson(event["object"])["metadata"])["resourceVersion"] === String(version + 1),
    ),
  );
  assert.deepEqual(without.events, []);
  watch.stop();
  without.stop();
});

test("a watch ends when its time is over", async (t) => {
  const server = await start(t);
  const watch = await openWatch(
    server,
    "/api/v1/pods?watch=1&timeoutSeconds=1&allowWatchBookmarks=true&resourceVersion=0",
  );
  await eventually("the end", watch.ended);
  assert.deepEqual(watch.seen(), ["BOOKMARK"]);
});

test("a watch from the future is silent until that has come", async (t) => {
  const server = await start(t, { bookmarkIntervalMs: 20 });
  const future = server.resourceVersion + 3;
  const watch = await openWatch(
    server,
    `/api/v1/pods?watch=1&resourceVersion=${future}&allowWatchBookmarks=true`,
  );
  for (const name of ["a", "b", "c", "d"]) server.put(pod(name));
  await eventually("the fourth", () => watch.events.length > 0);
  // the first pod makes its namespace too
  assert.equal(watch.seen()[0], "ADDED c");
  watch.stop();
});

test("a watch can be cut off, and can fall silent with its connection open", async (t) => {
  const server = await start(t, { bookmarkIntervalMs: 20 });
  const path = (plural: string) =>
    `/api/v1/${plural}?watch=1&resourceVersion=${server.resourceVersion}&allowWatchBookmarks=true&timeoutSeconds=1`;
  const cut = await openWatch(server, path("nodes"));
  const hung = await openWatch(server, path("pods"));
  await eventually("both to run", () => server.watches === 2 && hung.events.length > 0);
  server.faults.dropWatches("nodes");
  await eventually("the cut", cut.ended);
  server.faults.hangWatches();
  server.put(pod("a"));
  await new Promise((resolve) => setTimeout(resolve, 1200));
  assert.ok(!hung.seen().includes("ADDED a"), "what was said before may still be on its way");
  assert.equal(hung.ended(), false, "not even its time is over");
  server.faults.dropWatches();
  await eventually("the end", hung.ended);
});

test("a restart cuts everything off and comes back on the same port, with or without history", async (t) => {
  const server = await start(t);
  const { url } = server;
  server.put(pod("a"));
  const from = server.resourceVersion;
  for (const history of ["kept", "lost"] as const) {
    const watch = await openWatch(server, `/api/v1/pods?watch=1&resourceVersion=${server.resourceVersion}`);
    server.put(pod(history));
    await server.restart({ history });
    assert.equal(server.url, url);
    await eventually("the cut", watch.ended);
    const again = await openWatch(server, `/api/v1/pods?watch=1&resourceVersion=${from}`);
    await eventually("an answer", () => again.events.length > 0);
    assert.equal(again.events[0]?.["type"], history === "kept" ? "ADDED" : "ERROR");
    again.stop();
  }
  assert.equal((await ask(server, "GET", "/api/v1/namespaces/shop/pods/a")).status, 200);
});

test("a snapshot brings objects and versions back", async (t) => {
  const server = await start(t);
  server.put(pod("a"));
  const version = server.resourceVersion;
  const back = server.snapshot();
  server.put(pod("a", "n2"));
  server.put(pod("b"));
  server.put({ apiVersion: "v1", kind: "Node", metadata: { name: "n1" } });
  back();
  assert.equal(server.resourceVersion, version);
  assert.deepEqual(
    server.list("pods").map(({ metadata }) => metadata.name),
    ["a"],
  );
  assert.equal(asJson(server.get("pods", "shop/a")?.["spec"])["nodeName"], "n1");
  assert.equal(server.get("nodes", "n1"), undefined);
});
