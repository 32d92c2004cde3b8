import assert from "node:assert/strict";
import { test } from "node:test";

import { createManualClock } from "../../test/harness/manual-clock.ts";
import { IDLE_TIMEOUT_MS, MAX_EXPORTS, MESSAGE_BYTES, MIN_BANDWIDTH } from "../limits.ts";
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

test("whoever stops waiting gives back what it has spoken for", async () => {
  const clock = createManualClock();
  const throttle = new Throttle({ bytesPerSecond: 1_000_000, clock });
  const stop = new AbortController();
  const dead = throttle.take(30_000_000, stop.signal);
  const stopped = assert.rejects(dead, /hung up/);
  stop.abort(new Error("hung up"));
  await stopped;
  let isThrough = false;
  const next = throttle.take(1_000_000, never).then(() => (isThrough = true));
  await clock.advance(1_000);
  assert.ok(isThrough, "it waits behind a stream that is gone");
  await next;
});

test("with every stream at work none is silent for half as long as a target waits", async () => {
  for (const bytesPerSecond of [MIN_BANDWIDTH, 1_000_000, 100_000_000]) {
    const clock = createManualClock();
    const throttle = new Throttle({ bytesPerSecond, clock });
    const stop = new AbortController();
    let longest = 0;
    const stream = async (): Promise<void> => {
      while (!stop.signal.aborted) {
        const began = clock.monotonic();
        // a wait that the end of the test cuts short counts as well
        await throttle.take(throttle.pieceBytes, stop.signal).catch(() => undefined);
        longest = Math.max(longest, clock.monotonic() - began);
      }
    };
    const streams = Array.from({ length: MAX_EXPORTS }, stream);
    await clock.advance(IDLE_TIMEOUT_MS);
    stop.abort(new Error("enough"));
    await Promise.all(streams);
    assert.ok(longest > 0 && longest < IDLE_TIMEOUT_MS / 2, `${longest} ms at ${bytesPerSecond} bytes/s`);
  }
});

test("pieces are whole messages where the limit allows it, or there is none", () => {
  for (const bytesPerSecond of [0, 8 * MESSAGE_BYTES, 1e9])
    assert.equal(rig(bytesPerSecond).throttle.pieceBytes, MESSAGE_BYTES);
});
