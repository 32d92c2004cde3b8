import assert from "node:assert/strict";
import { test } from "node:test";

import { Backoff, exponential } from "./backoff.ts";

test("the bound doubles with each failure up to the largest", () => {
  const backoff = new Backoff({ baseMs: 100, maxMs: 1000, random: () => 1 });
  assert.deepEqual(
    Array.from({ length: 6 }, () => backoff.next()),
    [100, 200, 400, 800, 1000, 1000],
  );
  assert.equal(backoff.failures, 6);
  backoff.reset();
  assert.equal(backoff.next(), 100);
});

test("jitter is full: a pause is anything between nothing and the bound", () => {
  const backoff = new Backoff({ baseMs: 100, maxMs: 1000, random: () => 0 });
  assert.equal(backoff.next(), 0);
  const half = new Backoff({ baseMs: 100, maxMs: 1000, random: () => 0.25 });
  assert.deepEqual([half.next(), half.next()], [25, 50]);
});

test("what the other side asked for is the least", () => {
  const backoff = new Backoff({ baseMs: 100, maxMs: 1000, random: () => 0.5 });
  assert.equal(backoff.next(5000), 5050);
});

test("the bound stays a number however often it failed", () => {
  assert.equal(exponential(100, 1000, 1_000_000), 1000);
});
