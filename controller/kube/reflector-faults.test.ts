import assert from "node:assert/strict";
import { test } from "node:test";

import { silentLogger, type Logger } from "../../lib/log.ts";
import { createApiServer } from "../../test/harness/apiserver/server.ts";
import { createCleanup } from "../../test/harness/cleanup.ts";
import { kubeClient } from "../../test/harness/kube-client.ts";
import { createManualClock } from "../../test/harness/manual-clock.ts";
import { roundTrips } from "../../test/harness/round-trips.ts";
import { waitFor } from "../../test/harness/wait.ts";
import { WATCH_IDLE_MS } from "./limits.ts";
import { Reflector } from "./reflector.ts";
import { PODS } from "./resources.ts";

import { pod, startReflector, strip, type Stripped } from "../testing/reflector-rig.ts";

test("failures are tried again after pauses that grow, with Retry-After on top, and told", async (t) => {
  const warnings: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (message) => warnings.push(message), child: () => logger };
  const { server, clock, reflector, asked, until } = await startReflector(t, {}, { logger });
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
  const { server, reflector, until } = await startReflector(t);
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
    const { server, reflector, until } = await startReflector(t);
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
  const { server, clock, reflector, until } = await startReflector(t);
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
  const { server, reflector, until } = await startReflector(
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
  const { server, reflector, verbs, until } = await startReflector(t);
  await reflector.synced;
  await until("a watch", () => server.watches === 1);
  server.put({
    ...pod("huge"),
    metadata: { name: "huge", namespace: "shop", annotations: { x: "y".repeat(17 * 1024 * 1024) } },
  });
  await until("the huge pod", () => reflector.store.has("shop/huge"), 1000);
  assert.deepEqual(verbs(), ["list", "watch", "list"]);
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
