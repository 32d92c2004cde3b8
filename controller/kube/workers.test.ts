import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { test } from "node:test";

import { silentLogger } from "../../lib/log.ts";
import { createManualClock, type ManualClock } from "../../test/harness/manual-clock.ts";
import { ApiError } from "./api-error.ts";
import { WorkQueue } from "./work-queue.ts";
import { runWorkers, type Outcome } from "./workers.ts";

interface Setup {
  readonly queue: WorkQueue;
  readonly clock: ManualClock;
  readonly seen: string[];
  /** what the next calls come to; "done" when it runs out */
  readonly outcomes: (Outcome | Error)[];
  readonly stop: () => Promise<void>;
}

function start(workers = 1): Setup {
  const clock = createManualClock();
  const queue = new WorkQueue({ clock, random: () => 1, baseDelayMs: 100 });
  const seen: string[] = [];
  const outcomes: (Outcome | Error)[] = [];
  const stop = new AbortController();
  const running = runWorkers({
    queue,
    workers,
    logger: silentLogger,
    signal: stop.signal,
    reconcile(key) {
      seen.push(key);
      const outcome = outcomes.shift() ?? { kind: "done" as const };
      return outcome instanceof Error ? Promise.reject(outcome) : Promise.resolve(outcome);
    },
  });
  return {
    queue,
    clock,
    seen,
    outcomes,
    async stop() {
      stop.abort(new Error("shutdown"));
      await running;
    },
  };
}

test("a failure is tried again after a pause that grows, and forgotten after a success", async () => {
  const { queue, clock, seen, outcomes, stop } = start();
  outcomes.push(new Error("one"), { kind: "retry", error: "two" });
  queue.add("a");
  await clock.advance(0);
  assert.deepEqual(seen, ["a"]);
  await clock.advance(100);
  assert.deepEqual(seen, ["a", "a"]);
  assert.equal(queue.failures("a"), 2);
  await clock.advance(199);
  assert.equal(seen.length, 2);
  await clock.advance(1);
  await clock.advance(0);
  assert.equal(seen.length, 3);
  assert.equal(queue.failures("a"), 0);
  await stop();
});

test("the API server's Retry-After is kept", async () => {
  const { queue, clock, seen, outcomes, stop } = start();
  outcomes.push(
    new ApiError("x", { status: 429, reason: "TooManyRequests", message: "", retryAfterMs: 9000 }),
  );
  queue.add("a");
  await clock.advance(8999);
  assert.equal(seen.length, 1);
  await clock.advance(1);
  await clock.advance(0);
  assert.equal(seen.length, 2);
  await stop();
});

test("what is to be looked at again comes again, and what is given up does not", async () => {
  const { queue, clock, seen, outcomes, stop } = start();
  outcomes.push({ kind: "again", afterMs: 500 }, { kind: "given-up", error: "no" });
  queue.add("a", "high");
  await clock.advance(499);
  assert.equal(seen.length, 1);
  assert.equal(queue.depth.delayed, 1);
  await clock.advance(1);
  await clock.advance(10_000);
  assert.equal(seen.length, 2);
  assert.equal(queue.failures("a"), 0);
  await stop();
});

test("as many keys as workers are worked on at the same time", async () => {
  const clock = createManualClock();
  const queue = new WorkQueue({ clock, random: () => 1 });
  const stop = new AbortController();
  let now = 0;
  let most = 0;
  const running = runWorkers({
    queue,
    workers: 3,
    logger: silentLogger,
    signal: stop.signal,
    async reconcile() {
      now += 1;
      most = Math.max(most, now);
      await setImmediate();
      now -= 1;
      return { kind: "done" };
    },
  });
  for (let n = 0; n < 20; n += 1) queue.add(`k${n}`);
  while (queue.depth.ready.normal + queue.depth.processing > 0) await setImmediate();
  assert.equal(most, 3);
  stop.abort();
  await running;
});

test("what was begun ends before the workers do, and nothing comes back after the end", async () => {
  const clock = createManualClock();
  const queue = new WorkQueue({ clock, random: () => 1 });
  const stop = new AbortController();
  const gate = Promise.withResolvers<void>();
  let ended = false;
  const running = runWorkers({
    queue,
    workers: 1,
    logger: silentLogger,
    signal: stop.signal,
    async reconcile() {
      await gate.promise;
      throw new Error("failed while stopping");
    },
  }).then(() => {
    ended = true;
  });
  queue.add("a");
  await setImmediate();
  stop.abort();
  await setImmediate();
  assert.equal(ended, false);
  gate.resolve();
  await running;
  assert.deepEqual(queue.depth, { ready: { high: 0, normal: 0, low: 0 }, processing: 0, delayed: 0 });
});
