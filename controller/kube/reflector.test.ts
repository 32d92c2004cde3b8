import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { silentLogger, type Logger } from "../../lib/log.ts";
import { asText, fieldAt } from "../../test/harness/apiserver/json.ts";
import { createApiServer } from "../../test/harness/apiserver/server.ts";
import type { ApiServer, ApiServerOptions } from "../../test/harness/apiserver/types.ts";
import { createCleanup } from "../../test/harness/cleanup.ts";
import { kubeClient } from "../../test/harness/kube-client.ts";
import { createManualClock, type ManualClock } from "../../test/harness/manual-clock.ts";
import { roundTrips } from "../../test/harness/round-trips.ts";
import { waitFor } from "../../test/harness/wait.ts";
import { PAGE_SIZE, WATCH_IDLE_MS } from "./limits.ts";
import type { KubeObject } from "./objects.ts";
import { Reflector, type ReflectorOptions } from "./reflector.ts";
import { PODS } from "./resources.ts";

interface Stripped {
  readonly resourceVersion: string;
  readonly phase: string;
  readonly node: string;
}

interface Rig {
  readonly server: ApiServer;
  readonly clock: ManualClock;
  readonly reflector: Reflector<Stripped, "node">;
  /** "added shop/web" and so on */
  readonly told: string[];
  /** how lists and watches ended */
  readonly ends: string[];
  /** requests of lists and watches, e.g. "list" or "watch 1005" */
  readonly asked: () => string[];
  /** Lets time pass until something is so; network and timers both get their turn. */
  readonly until: (what: string, check: () => boolean, stepMs?: number) => Promise<void>;
}

function strip(object: KubeObject): Stripped {
  return {
    resourceVersion: object.metadata.resourceVersion ?? "",
    phase: asText(fieldAt(object, "status.phase")),
    node: asText(fieldAt(object, "spec.nodeName")),
  };
}

async function startRig(
  t: TestContext,
  options: Partial<ApiServerOptions> = {},
  own: Partial<ReflectorOptions<Stripped, "node">> = {},
): Promise<Rig> {
  const cleanup = createCleanup(t);
  const server = await createApiServer({ cleanup, bookmarkIntervalMs: 3_600_000, ...options });
  const clock = createManualClock();
  const { api } = await kubeClient({ server, cleanup, clock });
  const told: string[] = [];
  const ends: string[] = [];
  const reflector = new Reflector<Stripped, "node">({
    api,
    resource: PODS,
    strip,
    indexers: { node: ({ node }) => (node === "" ? [] : [node]) },
    clock,
    random: () => 0.5,
    logger: silentLogger,
    observer: { listed: () => ends.push("listed"), ended: (how) => ends.push(how), event: () => undefined },
    ...own,
  });
  reflector.subscribe({
    added: (key) => told.push(`added ${key}`),
    updated: (key) => told.push(`updated ${key}`),
    deleted: (key) => told.push(`deleted ${key}`),
  });
  const stop = new AbortController();
  const running = reflector.run(stop.signal);
  cleanup.add({
    name: "stop the reflector",
    undo: async () => {
      stop.abort(new Error("end of the test"));
      await running;
    },
  });
  return {
    server,
    clock,
    reflector,
    told,
    ends,
    asked: () =>
      server.requests
        .filter(({ resource }) => resource === "pods")
        .map(({ verb, query }) => (verb === "watch" ? `watch ${query["resourceVersion"]}` : verb)),
    until: async (what, check, stepMs = 0) => {
      await waitFor(
        what,
        async () => {
          if (check()) return true;
          await clock.advance(stepMs);
          await roundTrips(server);
          return check();
        },
        { intervalMs: 5 },
      );
    },
  };
}

function pod(name: string, phase = "Pending", nodeName = "n1") {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "shop" },
    spec: { nodeName },
    status: { phase },
  };
}

test("a store holds what was there, and follows every change", async (t) => {
  const { server, reflector, told, until } = await startRig(t);
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
  const { server, reflector, until } = await startRig(
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
  const { server, reflector, asked, ends, until } = await startRig(t);
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
  const { server, reflector, told, asked, until } = await startRig(t);
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
  assert.deepEqual(
    asked().map((request) => request.split(" ")[0]),
    [
      "list",
      "watch",
      "watch",
      "watch",
      "list",
      ...asked()
        .slice(5)
        .map(() => "watch"),
    ],
  );
});

test("a watch that falls silent is given up after 90 s and begun anew where it was", async (t) => {
  const { server, clock, reflector, asked, ends, until } = await startRig(t);
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
  const { server, clock, reflector, asked, until } = await startRig(t);
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
  const { server, reflector, asked, until } = await startRig(t, { bookmarkIntervalMs: 20 });
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

test("failures are tried again after pauses that grow, with Retry-After on top, and told", async (t) => {
  const warnings: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (message) => warnings.push(message), child: () => logger };
  const { server, clock, reflector, asked, until } = await startRig(t, {}, { logger });
  await reflector.synced;
  await until("a watch", () => server.watches === 1);
  server.put(pod("web"));
  await until("the pod", () => reflector.store.has("shop/web"));
  const before = asked().length;
  server.faults.add({ kind: "status", verb: "watch", status: 429, retryAfterSeconds: 7 });
  server.faults.dropWatches();
  await until("the first pause", () => clock.sleepers === 1 && reflector.problem !== "");
  assert.equal(asked().length, before);
  // half of 800 ms, as the random source says
  await clock.advance(399);
  await roundTrips(server);
  assert.equal(asked().length, before);
  await clock.advance(1);
  await until("the second try", () => asked().length === before + 1);
  await until("the second pause", () => clock.sleepers === 1 && /429/.test(reflector.problem));
  await clock.advance(7000 + 799);
  await roundTrips(server);
  assert.equal(asked().length, before + 1);
  await clock.advance(1);
  await until("the third try", () => asked().length === before + 2);
  server.faults.clear();
  await until("all to be well", () => reflector.problem === "", 10_000);
  assert.equal(warnings.length, 2, "the same problem is told once");
});

test("what is forbidden is told and asked for again and again, until it is allowed", async (t) => {
  const { server, reflector, until } = await startRig(t);
  await reflector.synced;
  server.faults.add({ kind: "status", status: 403, resource: "pods", message: "pods is forbidden" });
  server.compact();
  server.faults.dropWatches();
  await until("the refusal", () => reflector.problem !== "" && reflector.problem.includes("403"), 1000);
  assert.equal(reflector.isSynced, true, "what was known stays");
  server.faults.clear();
  server.put(pod("web"));
  await until("the pod", () => reflector.store.has("shop/web"), 30_000);
  assert.equal(reflector.problem, "");
});

test("a server that is down at the start is waited for", async (t) => {
  const cleanup = createCleanup(t);
  const server = await createApiServer({ cleanup });
  server.put(pod("web"));
  const { api } = await kubeClient({ server, cleanup });
  server.faults.add({ kind: "reset" });
  const clock = createManualClock();
  const options = { api, resource: PODS, strip, indexers: {}, clock, random: () => 1, logger: silentLogger };
  const reflector = new Reflector<Stripped>(options);
  const stop = new AbortController();
  const running = reflector.run(stop.signal);
  await waitFor("a problem", () => reflector.problem !== "");
  assert.equal(reflector.isSynced, false);
  await clock.advance(60_000);
  assert.ok(reflector.ageMs >= 60_000);
  server.faults.clear();
  await waitFor("the first list", async () => {
    await clock.advance(30_000);
    return reflector.isSynced;
  });
  assert.equal(reflector.store.size, 1);
  stop.abort();
  await running;
});

for (const history of ["kept", "lost"] as const) {
  test(`a server that is restarted, its history ${history}, is followed again`, async (t) => {
    const { server, reflector, until } = await startRig(t);
    await reflector.synced;
    await until("a watch", () => server.watches === 1);
    server.put(pod("a"));
    await until("the pod", () => reflector.store.has("shop/a"));
    await server.restart({ history });
    server.put(pod("b"));
    await until("the pod after the restart", () => reflector.store.has("shop/b"), 1000);
    assert.equal(reflector.store.size, 2);
  });
}

test("a server that went back in time is followed there", async (t) => {
  const { server, clock, reflector, until } = await startRig(t);
  await reflector.synced;
  server.put(pod("old"));
  const goBack = server.snapshot();
  for (let n = 0; n < 20; n += 1) server.put(pod(`p${n}`));
  await until("the pods", () => reflector.store.size === 21);
  goBack();
  await server.restart();
  await until("a watch", () => server.watches === 1, 1000);
  // a watch from the future hears nothing; silence leads to a list
  await until("the old state", () => reflector.store.size === 1, WATCH_IDLE_MS);
  server.put(pod("new"));
  await until("the new pod", () => reflector.store.has("shop/new"));
  assert.ok(clock.monotonic() <= 6 * WATCH_IDLE_MS);
});

test("a list that becomes too old between two pages begins anew", async (t) => {
  const cleanup = createCleanup(t);
  const server = await createApiServer({ cleanup });
  for (let n = 0; n < 600; n += 1) server.put(pod(`p${n}`));
  const { api } = await kubeClient({ server, cleanup });
  let isFirst = true;
  const clock = createManualClock();
  const reflector = new Reflector<Stripped>({
    api,
    resource: PODS,
    strip(object) {
      if (isFirst) {
        isFirst = false;
        server.put(pod("late"));
        server.compact();
      }
      return strip(object);
    },
    indexers: {},
    clock,
    random: () => 0,
    logger: silentLogger,
  });
  const stop = new AbortController();
  const running = reflector.run(stop.signal);
  await waitFor("the list", async () => {
    await clock.advance(1000);
    return reflector.isSynced;
  });
  assert.equal(reflector.store.size, 601);
  stop.abort();
  await running;
});

test("a handler that throws, or an object that cannot be stripped, stops nothing", async (t) => {
  const errors: string[] = [];
  const logger: Logger = { ...silentLogger, error: (message) => errors.push(message), child: () => logger };
  const { server, reflector, until } = await startRig(
    t,
    {},
    {
      logger,
      strip(object) {
        if (object.metadata.name === "bad") throw new Error("cannot be read");
        return strip(object);
      },
    },
  );
  reflector.subscribe({
    added: () => {
      throw new Error("handler");
    },
  });
  await reflector.synced;
  server.put(pod("bad"));
  server.put(pod("good"));
  await until("the good pod", () => reflector.store.has("shop/good"));
  assert.deepEqual(errors, ["object left out", "handler of changes failed"]);
});

test("a line that is too long is not asked for again: the list is", async (t) => {
  const { server, reflector, asked, until } = await startRig(t);
  await reflector.synced;
  await until("a watch", () => server.watches === 1);
  server.put({
    ...pod("huge"),
    metadata: { name: "huge", namespace: "shop", annotations: { x: "y".repeat(17 * 1024 * 1024) } },
  });
  await until("the huge pod", () => reflector.store.has("shop/huge"), 1000);
  assert.deepEqual(
    asked().map((request) => request.split(" ")[0]),
    [
      "list",
      "watch",
      "list",
      ...asked()
        .slice(3)
        .map(() => "watch"),
    ],
  );
});

test("a reflector that is stopped leaves no watch, no timer and no open request", async (t) => {
  const cleanup = createCleanup(t);
  const server = await createApiServer({ cleanup });
  const { api } = await kubeClient({ server, cleanup });
  const clock = createManualClock();
  const options = { api, resource: PODS, strip, indexers: {}, clock, random: () => 1, logger: silentLogger };
  const reflector = new Reflector<Stripped>(options);
  const stop = new AbortController();
  const running = reflector.run(stop.signal);
  await reflector.synced;
  await waitFor("a watch", () => server.watches === 1);
  stop.abort();
  await running;
  await waitFor("the end of the watch", () => server.watches === 0);
  await clock.advance(0);
  assert.equal(clock.sleepers, 0);
});
