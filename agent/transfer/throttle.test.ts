import assert from "node:assert/strict";
import { test } from "node:test";

import { Throttle } from "./throttle.ts";

const never = new AbortController().signal;

function rig(bytesPerSecond: number) {
  let now = 0;
  const slept: number[] = [];
  const throttle = new Throttle({
    bytesPerSecond,
    clock: {
      now: () => now,
      monotonic: () => now,
      sleep: async (ms) => {
        slept.push(ms);
        now += ms;
      },
    },
  });
  return { throttle, slept, advance: (ms: number) => (now += ms), now: () => now };
}

test("no limit never waits", async () => {
  const { throttle, slept } = rig(0);
  await throttle.take(1e9, never);
  assert.deepEqual(slept, []);
});

test("ten megabytes at one megabyte a second take ten seconds, less the burst", async () => {
  const { throttle, now } = rig(1_000_000);
  for (let at = 0; at < 100; at++) await throttle.take(100_000, never);
  assert.ok(Math.abs(now() - 10_000) <= 100, `took ${now()} ms`);
});

test("an idle hour does not buy a burst of an hour", async () => {
  const { throttle, advance, now } = rig(1_000_000);
  advance(3_600_000);
  const start = now();
  for (let at = 0; at < 20; at++) await throttle.take(100_000, never);
  assert.ok(now() - start >= 1_900, `took ${now() - start} ms`);
});
