import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { test } from "node:test";

import { createManualClock, type ManualClock } from "../../test/harness/manual-clock.ts";
import { WorkQueue, type WorkQueueOptions } from "./work-queue.ts";

const NEVER = new AbortController().signal;

function createQueue(options: Partial<WorkQueueOptions> = {}): { queue: WorkQueue; clock: ManualClock } {
  const clock = createManualClock();
  return { clock, queue: new WorkQueue({ clock, random: () => 1, ...options }) };
}

/** What can be taken now without waiting; nothing of it is done. */
async function takeAll(queue: WorkQueue): Promise<string[]> {
  const keys: string[] = [];
  for (;;) {
    const stop = new AbortController();
    const taken = queue.take(stop.signal).then(
      (item) => item.key,
      () => undefined,
    );
    await setImmediate();
    stop.abort();
    const key = await taken;
    if (key === undefined) return keys;
    keys.push(key);
  }
}

test("a key is queued once however often it is added, and in order of arrival", async () => {
  const { queue } = createQueue();
  for (const key of ["b", "a", "b", "c", "a"]) queue.add(key);
  assert.deepEqual(queue.depth.ready, { high: 0, normal: 3, low: 0 });
  assert.deepEqual(await takeAll(queue), ["b", "a", "c"]);
});

test("a key is never processed twice at the same time, and again once it is done", async () => {
  const { queue } = createQueue();
  queue.add("a");
  assert.equal((await queue.take(NEVER)).key, "a");
  queue.add("a");
  queue.add("a");
  assert.deepEqual(await takeAll(queue), []);
  assert.equal(queue.depth.processing, 1);
  queue.done("a");
  assert.deepEqual(await takeAll(queue), ["a"]);
  queue.done("a");
  assert.deepEqual(await takeAll(queue), []);
  assert.deepEqual(queue.depth, { ready: { high: 0, normal: 0, low: 0 }, processing: 0, delayed: 0 });
});

test("what is more urgent is taken first, and a key takes the higher of its priorities", async () => {
  const { queue } = createQueue();
  queue.add("slow", "low");
  queue.add("a");
  queue.add("b");
  queue.add("fast", "high");
  queue.add("b", "high");
  queue.add("fast", "low");
  assert.deepEqual(queue.depth.ready, { high: 2, normal: 1, low: 1 });
  assert.deepEqual(await takeAll(queue), ["fast", "b", "a", "slow"]);
});

test("a key that is added with two priorities while it is processed comes back with the higher", async () => {
  const { queue } = createQueue();
  queue.add("a", "low");
  await queue.take(NEVER);
  queue.add("a", "high");
  queue.add("a", "low");
  queue.done("a");
  assert.deepEqual(await queue.take(NEVER), { key: "a", priority: "high" });
});

test("who waits gets the next key, first come first served", async () => {
  const { queue } = createQueue();
  const first = queue.take(NEVER);
  const second = queue.take(NEVER);
  queue.add("a");
  queue.add("b");
  assert.deepEqual([(await first).key, (await second).key], ["a", "b"]);
});

test("who stops waiting takes nothing", async () => {
  const { queue } = createQueue();
  const stop = new AbortController();
  const waiting = queue.take(stop.signal);
  stop.abort(new Error("shutdown"));
  await assert.rejects(waiting, /shutdown/);
  await assert.rejects(queue.take(stop.signal), /shutdown/);
  queue.add("a");
  assert.deepEqual(await takeAll(queue), ["a"]);
});

test("a delayed key comes when its time has come, and not before", async () => {
  const { queue, clock } = createQueue();
  queue.addAfter("a", 1000);
  queue.addAfter("b", 300);
  queue.addAfter("now", 0);
  assert.deepEqual(await takeAll(queue), ["now"]);
  await clock.advance(299);
  assert.deepEqual(await takeAll(queue), []);
  await clock.advance(1);
  assert.deepEqual(await takeAll(queue), ["b"]);
  await clock.advance(700);
  assert.deepEqual(await takeAll(queue), ["a"]);
  assert.equal(clock.sleepers, 0);
});

test("of two delays of a key the sooner counts", async () => {
  const { queue, clock } = createQueue();
  queue.addAfter("a", 1000);
  queue.addAfter("a", 200, "high");
  queue.addAfter("a", 500);
  assert.equal(queue.depth.delayed, 1);
  await clock.advance(200);
  assert.deepEqual(await queue.take(NEVER), { key: "a", priority: "high" });
  queue.done("a");
  await clock.advance(5000);
  assert.deepEqual(await takeAll(queue), []);
});

test("many delayed keys come in order of their times, whatever the order they were added in", async () => {
  const { queue, clock } = createQueue();
  const delays = Array.from({ length: 200 }, (_none, at) => ((at * 7919) % 200) + 1);
  for (const delay of delays) queue.addAfter(`k${delay}`, delay);
  await clock.advance(200);
  assert.deepEqual(
    await takeAll(queue),
    delays.toSorted((one, other) => one - other).map((delay) => `k${delay}`),
  );
  assert.equal(queue.depth.delayed, 0);
});

test("a delayed key that comes while it is processed waits until that is done", async () => {
  const { queue, clock } = createQueue();
  queue.addAfter("a", 100);
  queue.add("a");
  await queue.take(NEVER);
  await clock.advance(100);
  assert.deepEqual(await takeAll(queue), []);
  queue.done("a");
  assert.deepEqual(await takeAll(queue), ["a"]);
});

test("the pause before a retry doubles for each key by itself until it is forgotten", async () => {
  const { queue, clock } = createQueue({ baseDelayMs: 100, maxDelayMs: 350 });
  for (const pause of [100, 200, 350, 350]) {
    queue.addRateLimited("a");
    await clock.advance(pause - 1);
    assert.deepEqual(await takeAll(queue), [], `before ${pause}`);
    await clock.advance(1);
    assert.deepEqual(await takeAll(queue), ["a"], `after ${pause}`);
    queue.done("a");
  }
  assert.equal(queue.failures("a"), 4);
  queue.addRateLimited("b");
  await clock.advance(100);
  assert.deepEqual(await takeAll(queue), ["b"]);
  queue.forget("a");
  assert.equal(queue.failures("a"), 0);
  queue.addRateLimited("a");
  await clock.advance(100);
  assert.deepEqual(await takeAll(queue), ["a"]);
});

test("jitter takes at most half of a pause, and what was asked for is kept", async () => {
  const { queue, clock } = createQueue({ baseDelayMs: 100, random: () => 0 });
  queue.addRateLimited("a");
  await clock.advance(50);
  assert.deepEqual(await takeAll(queue), ["a"]);
  queue.addRateLimited("b", "normal", 5000);
  await clock.advance(4999);
  assert.deepEqual(await takeAll(queue), []);
  await clock.advance(1);
  assert.deepEqual(await takeAll(queue), ["b"]);
});

test("a queue that is closed leaves no timer behind and gives nothing more", async () => {
  const { queue, clock } = createQueue();
  queue.add("a");
  queue.addAfter("b", 100);
  queue.close();
  await clock.advance(100);
  assert.equal(clock.sleepers, 0);
  assert.deepEqual(await takeAll(queue), []);
});

test("ages and counts are told", async () => {
  const seen: string[] = [];
  const { queue, clock } = createQueue({
    observer: {
      added: () => seen.push("added"),
      retried: () => seen.push("retried"),
      taken: (ms) => seen.push(`taken after ${ms}`),
      done: (ms) => seen.push(`done in ${ms}`),
    },
  });
  queue.add("a");
  queue.add("a");
  await clock.advance(30);
  assert.equal(queue.oldestMs, 30);
  await queue.take(NEVER);
  assert.equal(queue.oldestMs, 0);
  await clock.advance(70);
  assert.equal(queue.longestMs, 70);
  queue.done("a");
  queue.done("a");
  queue.addRateLimited("a");
  assert.deepEqual(seen, ["added", "taken after 30", "done in 70", "retried"]);
});
