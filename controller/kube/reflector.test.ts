import assert from "node:assert/strict";
import { test } from "node:test";

import { silentLogger } from "../../lib/log.ts";
import { createApiServer } from "../../test/harness/apiserver/server.ts";
import { createCleanup } from "../../test/harness/cleanup.ts";
import { kubeClient } from "../../test/harness/kube-client.ts";
import { createManualClock } from "../../test/harness/manual-clock.ts";
import { PAGE_SIZE, WATCH_IDLE_MS } from "./limits.ts";
import { Reflector } from "./reflector.ts";
import { PODS } from "./resources.ts";

import { pod, startReflector, strip, type Stripped } from "../testing/reflector-rig.ts";

test("a store holds what was there, and follows every change", async (t) => {
  const { server, reflector, told, until } = await startReflector(t);
  assert.equal(reflector.isSynced, false);
  await reflector.synced;
  server.put(pod("web"));
  await until("the pod", () => reflector.store.has("shop/web"));
  server.put(pod("web", "Running"));
  server.put(pod("db"));
  server.delete("pods", "shop/web");
  await until("the end of the pod", () => !reflector.store.has("shop/web"));
  assert.deepEqual(told, ["added shop/web", "updated shop/web", "added shop/db", "deleted shop/web"]);
  assert.deepEqual(reflector.store.findKeys("node", "n1"), ["shop/db"]);
});

test("a list of several pages is complete before it counts as synced", async (t) => {
  const cleanup = createCleanup(t);
  const server = await createApiServer({ cleanup });
  server.seed({
    apiVersion: "v1",
    kind: "Pod",
    count: 1234,
    key: (at) => ({ namespace: "shop", name: `p${at}` }),
    make: (at) => pod(`p${at}`),
  });
  const { api } = await kubeClient({ server, cleanup });
  const clock = createManualClock();
  const reflector = new Reflector<Stripped>({
    api,
    resource: PODS,
    strip,
    indexers: {},
    clock,
    random: () => 0,
    logger: silentLogger,
  });
  const stop = new AbortController();
  const running = reflector.run(stop.signal);
  await reflector.synced;
  assert.equal(reflector.store.size, 1234);
  assert.equal(server.requests.filter(({ verb }) => verb === "list").length, Math.ceil(1234 / PAGE_SIZE));
  stop.abort();
  await running;
});

test("only what is selected is listed and watched", async (t) => {
  const { server, reflector, until } = await startReflector(
    t,
    {},
    { selection: { namespace: "shop", fieldSelector: "spec.nodeName=n1" } },
  );
  server.put(pod("web"));
  server.put(pod("other", "Pending", "n2"));
  server.put({ ...pod("bank"), metadata: { name: "bank", namespace: "bank" } });
  await until("the pod", () => reflector.store.has("shop/web"));
  server.put(pod("web", "Pending", "n2"));
  await until("the pod to be gone", () => reflector.store.size === 0);
});

test("a watch that ends goes on where it was, without a list", async (t) => {
  const { server, reflector, asked, ends, until } = await startReflector(t);
  await reflector.synced;
  await until("a watch", () => server.watches === 1);
  server.put(pod("web"));
  await until("the pod", () => reflector.store.has("shop/web"));
  const version = server.resourceVersion;
  server.faults.dropWatches();
  await until("another watch", () => asked().length === 3, 1000);
  assert.deepEqual(asked().slice(1), [asked()[1], `watch ${version}`]);
  server.put(pod("db"));
  await until("the second pod", () => reflector.store.has("shop/db"));
  assert.deepEqual(ends, ["listed", "failed"]);
});

test("a version that is too old is answered with a new list, and what was missed is made good", async (t) => {
  const { server, reflector, told, asked, verbs, until } = await startReflector(t);
  await reflector.synced;
  await until("a watch", () => server.watches === 1);
  for (const name of ["a", "b", "c"]) server.put(pod(name));
  await until("the pods", () => reflector.store.size === 3);
  told.length = 0;
  // away for a while: changes are missed, and their history is gone
  server.faults.add({ kind: "status", verb: "watch", status: 503, times: 1 });
  server.faults.dropWatches();
  await until("the refusal", () => asked().length === 3, 1000);
  server.delete("pods", "shop/a");
  server.put(pod("b", "Running"));
  server.put(pod("d"));
  server.compact();
  await until("the new state", () => reflector.store.has("shop/d") && !reflector.store.has("shop/a"), 1000);
  assert.deepEqual(told.toSorted(), ["added shop/d", "deleted shop/a", "updated shop/b"]);
  // the refusal, the watch that was told that its version is too old, and then at once the list
  assert.deepEqual(verbs(), ["list", "watch", "watch", "watch", "list"]);
});

test("a watch that falls silent is given up after 90 s and begun anew where it was", async (t) => {
  const { server, clock, reflector, asked, ends, until } = await startReflector(t);
  await reflector.synced;
  server.put(pod("web"));
  await until("the pod", () => reflector.store.has("shop/web"));
  server.faults.hangWatches();
  server.put(pod("db"));
  await clock.advance(WATCH_IDLE_MS - 1);
  assert.equal(reflector.store.has("shop/db"), false);
  await until("the second pod", () => reflector.store.has("shop/db"), 1);
  assert.deepEqual(ends, ["listed", "idle"]);
  assert.equal(asked().filter((verb) => verb === "list").length, 1);
  assert.ok(reflector.ageMs < 1000);
});

test("watches that never say a word are not believed: the truth is listed", async (t) => {
  const { server, clock, reflector, asked, until } = await startReflector(t);
  server.faults.add({ kind: "silent", verb: "watch" });
  await reflector.synced;
  for (let round = 1; round <= 3; round += 1) {
    server.put(pod(`p${round}`));
    await until("a silent watch", () => asked().length >= 3 * round - 1);
    await clock.advance(WATCH_IDLE_MS);
    await until("a second silent watch", () => asked().length >= 3 * round);
    assert.equal(reflector.store.has(`shop/p${round}`), false);
    await clock.advance(WATCH_IDLE_MS);
    await until("what was listed", () => reflector.store.has(`shop/p${round}`));
    assert.ok(reflector.ageMs <= 2 * WATCH_IDLE_MS);
  }
});

test("bookmarks keep a quiet watch fresh, so that it never has to be listed again", async (t) => {
  const { server, reflector, asked, until } = await startReflector(t, { bookmarkIntervalMs: 20 });
  await reflector.synced;
  await until("a watch", () => server.watches === 1);
  // others change things meanwhile
  for (let n = 0; n < 5; n += 1) server.put({ apiVersion: "v1", kind: "Node", metadata: { name: `n${n}` } });
  const version = String(server.resourceVersion);
  await new Promise((resolve) => setTimeout(resolve, 100));
  server.compact();
  server.faults.dropWatches();
  await until("a watch from the last bookmark", () => asked().includes(`watch ${version}`), 1000);
  assert.equal(asked().filter((verb) => verb === "list").length, 1);
});
