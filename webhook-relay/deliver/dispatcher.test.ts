import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { Registry } from "prom-client";

import { systemClock } from "../../lib/clock.ts";
import { createLogger } from "../../lib/log.ts";
import { waitFor } from "../../test/harness/wait.ts";
import { testEvent } from "../event/testing.ts";
import { readStoredEvent } from "../event/validate.ts";
import { createRelayMetrics } from "../metrics.ts";
import type { Attempt, Batch, Sink } from "../sinks/sink.ts";
import { StoreError } from "../store/database.ts";
import { openStore } from "../store/sqlite-store.ts";
import type { RelayStore } from "../store/store.ts";
import { parseSubscriptions } from "../subscriptions/parse.ts";
import { Dispatcher } from "./dispatcher.ts";

interface Bench {
  readonly dispatcher: Dispatcher;
  readonly store: RelayStore;
  readonly log: readonly string[];
  /** ids of messages that were sent, in order */
  readonly sent: readonly string[];
  /** takes an event and wakes its lane */
  take(id: string): Promise<void>;
}

/**
 * A dispatcher with one subscription, whose sink takes everything.
 * @param faults what the store does otherwise
 */
async function startBench(
  t: TestContext,
  faults: (store: RelayStore) => Partial<RelayStore>,
): Promise<Bench> {
  const directory = mkdtempSync(join(tmpdir(), "relay-lanes-"));
  const { store } = openStore({ directory, clock: systemClock, parseEvent: readStoredEvent });
  const log: string[] = [];
  const sent: string[] = [];
  const registry = new Registry();
  const sink: Sink = {
    concurrency: 4,
    timeoutMs: 5000,
    folding: { max: 1, load: 1, grows: false, overflowAfter: undefined },
    groupOf: () => undefined,
    async deliver({ messageId }: Batch, attempt: Attempt) {
      sent.push(messageId);
      return await Promise.resolve({ kind: "delivered", status: 200 + attempt.number });
    },
    close: () => Promise.resolve(),
  };
  const dispatcher = new Dispatcher({
    store: { ...store, ...faults(store) },
    makeSink: () => sink,
    clock: systemClock,
    random: () => 0.5,
    metrics: createRelayMetrics({
      registry,
      counts: () => store.counts(),
      size: () => store.size(),
      now: () => Date.now(),
    }),
    logger: createLogger({
      name: "relay",
      level: "debug",
      format: "json",
      now: () => Date.now(),
      write: (line) => void log.push(line),
    }),
    redact: (text) => text,
  });
  const config = `subscriptions: [{name: one, type: webhook, url: "http://x.test/", retry: {schedule: [0s, 50ms, 50ms]}}]`;
  const [subscription] = parseSubscriptions(config, { file: "/relay.yaml", types: ["webhook"] });
  assert.ok(subscription);
  const secrets = {
    url: "http://x.test/",
    signingKeys: [],
    headers: [],
    token: "",
    proxyUrl: "",
    ca: "",
    cert: "",
    key: "",
  };
  await dispatcher.apply([{ subscription, secrets }]);
  t.after(async () => {
    await dispatcher.stop(1000);
    store.close();
    rmSync(directory, { recursive: true });
  });
  return {
    dispatcher,
    store,
    log,
    sent,
    async take(id) {
      const event = testEvent({ id });
      const body = JSON.stringify(event);
      const digest = createHash("sha256").update(body).digest();
      const deliveries = dispatcher.plan(event);
      await store.accept([{ event, body, digest, deliveries }], Date.now());
      dispatcher.wake(["one"]);
    },
  };
}

/** Throws when it is called for the first time. */
function faultOnce(): () => void {
  let isOver = false;
  return () => {
    if (isOver) return;
    isOver = true;
    throw new StoreError("io", "disk I/O error");
  };
}

async function isDelivered({ store }: Bench, id = 1): Promise<void> {
  await waitFor("the delivery", () => store.delivery(id)?.state === "delivered");
}

test("a delivery that cannot be read is tried again after its schedule, and costs an attempt", async (t) => {
  const bench = await startBench(t, (store) => {
    const fault = faultOnce();
    return {
      batch(lease, load) {
        fault();
        return store.batch(lease, load);
      },
    };
  });
  await bench.take("a");
  await isDelivered(bench);
  assert.deepEqual(bench.sent, ["a"]);
  assert.deepEqual(
    bench.store.attempts(1).map(({ outcome, reason, message }) => [outcome, reason, message]),
    [
      ["retry", "defect", "the relay could not read what to send: disk I/O error"],
      ["delivered", "", ""],
    ],
  );
  assert.equal(bench.dispatcher.lane("one")?.health.current.failures, 0, "the receiver is not to blame");
});

test("a delivery that can never be read is dead after its schedule, the others go out", async (t) => {
  const bench = await startBench(t, (store) => ({
    batch(lease, load) {
      if (lease.deliveryId === 1) throw new StoreError("broken", "a stored event is not valid");
      return store.batch(lease, load);
    },
  }));
  await bench.take("a");
  await bench.take("b");
  await isDelivered(bench, 2);
  await waitFor("its end", () => bench.store.delivery(1)?.state === "dead");
  assert.match(bench.store.delivery(1)?.message ?? "", /^given up after 3 attempts: .* is not valid$/);
  assert.deepEqual(bench.sent, ["b"]);
});

for (const what of ["nextDue", "lease"] as const) {
  test(`a store whose ${what} fails once does not end the lane`, async (t) => {
    const fault = faultOnce();
    const bench = await startBench(t, (store) => ({
      nextDue(subscription) {
        if (what === "nextDue") fault();
        return store.nextDue(subscription);
      },
      lease(request) {
        if (what === "lease") fault();
        return store.lease(request);
      },
    }));
    await waitFor("the complaint", () => bench.log.some((line) => line.includes("cannot take deliveries")));
    await bench.take("a");
    await isDelivered(bench);
    assert.ok(!bench.log.some((line) => line.includes("a lane ended")), bench.log.join(""));
  });
}

test("a changed subscription is in force although its health cannot be written", async (t) => {
  const bench = await startBench(t, () => ({
    saveHealth: () => Promise.reject(new StoreError("full", "database or disk is full")),
  }));
  const resolved = bench.dispatcher.lane("one")?.resolved;
  assert.ok(resolved);
  const changed = { ...resolved, secrets: { ...resolved.secrets, url: "http://other.test/" } };
  await bench.dispatcher.apply([changed]);
  assert.equal(bench.dispatcher.lane("one")?.resolved.secrets.url, "http://other.test/");
  assert.ok(bench.log.some((line) => line.includes("health of a changed subscription")));
  await bench.take("a");
  await isDelivered(bench);
});

test("ends of attempts that can never be written do not keep the relay from its end", async (t) => {
  const bench = await startBench(t, () => ({
    endAttempt: () => Promise.reject(new StoreError("full", "database or disk is full")),
  }));
  await bench.take("a");
  await waitFor("the attempt", () => bench.sent.length === 1);
  // sleeps of the clock do not keep a process, as the relay's main does
  const alive = setInterval(() => undefined, 60_000);
  t.after(() => clearInterval(alive));
  const started = performance.now();
  await bench.dispatcher.stop(50);
  // without a bound it would never end
  assert.ok(performance.now() - started < 15_000);
  assert.ok(bench.log.some((line) => line.includes("they are given up")));
  assert.equal(bench.store.delivery(1)?.state, "delivering", "the next relay makes it again");
});
