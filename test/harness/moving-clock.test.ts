import assert from "node:assert/strict";
import { test } from "node:test";

import { createMovingClock } from "./moving-clock.ts";

const NEVER = new AbortController().signal;
const HOUR_MS = 60 * 60_000;

test("time that is skipped passes for every measure, and wakes whoever is due", async () => {
  const clock = createMovingClock();
  const [now, monotonic] = [clock.now(), clock.monotonic()];
  let isAwake = false;
  const long = clock.sleep(2 * HOUR_MS, NEVER).then(() => void (isAwake = true));
  const short = clock.sleep(HOUR_MS, NEVER);
  clock.skip(HOUR_MS);
  await short;
  assert.equal(isAwake, false);
  assert.ok(clock.now() - now >= HOUR_MS);
  assert.ok(clock.monotonic() - monotonic >= HOUR_MS);
  clock.skip(HOUR_MS);
  await long;
});

test("a clock that is set moves the time of day and nothing else", async () => {
  const clock = createMovingClock();
  const [now, monotonic] = [clock.now(), clock.monotonic()];
  const stop = new AbortController();
  const sleep = clock.sleep(HOUR_MS, stop.signal);
  clock.turn(-2 * HOUR_MS);
  assert.ok(clock.now() < now - HOUR_MS);
  clock.turn(4 * HOUR_MS);
  assert.ok(clock.now() >= now + 2 * HOUR_MS);
  assert.ok(clock.monotonic() - monotonic < HOUR_MS);
  stop.abort(new Error("enough"));
  await assert.rejects(sleep, /enough/);
});

test("a sleep whose signal has fired already does not begin", async () => {
  await assert.rejects(
    createMovingClock().sleep(HOUR_MS, AbortSignal.abort(new Error("too late"))),
    /too late/,
  );
});
