import assert from "node:assert/strict";
import { test } from "node:test";

import { AgeWatch } from "./age-watch.ts";

const HOUR = 60 * 60_000;

/** Ages by clocks that the test sets. */
function setUp() {
  const clock = { now: 1_000_000, monotonic: 0 };
  const ages = new AgeWatch({ now: () => clock.now, monotonic: () => clock.monotonic });
  return {
    ages,
    pass: (milliseconds: number) => {
      clock.now += milliseconds;
      clock.monotonic += milliseconds;
    },
    turn: (milliseconds: number) => void (clock.now += milliseconds),
  };
}

test("a time is as old as the clock says when it is first seen, and ages as durations do", () => {
  const { ages, pass } = setUp();
  assert.equal(ages.ageOf("shop/app", "completed", 995_000), 5_000);
  pass(2_000);
  assert.equal(ages.ageOf("shop/app", "completed", 995_000), 7_000);
});

test("a clock that is set makes nothing older or younger", () => {
  for (const jump of [2 * HOUR, -2 * HOUR]) {
    const { ages, pass, turn } = setUp();
    ages.ageOf("shop/app", "completed", 1_000_000);
    turn(jump);
    pass(3_000);
    assert.equal(ages.ageOf("shop/app", "completed", 1_000_000), 3_000);
  }
});

test("what was not there at the last look is no older than that look", () => {
  const { ages, pass, turn } = setUp();
  ages.looked("shop/app");
  pass(4_000);
  turn(2 * HOUR);
  assert.equal(ages.ageOf("shop/app", "completed", 1_002_000), 4_000);
});

test("a time of the future is 0 ms old, and a record that was forgotten is seen anew", () => {
  const { ages, pass } = setUp();
  assert.equal(ages.ageOf("shop/app", "completed", 2_000_000), 0);
  pass(1_000);
  ages.forget("shop/app");
  assert.equal(ages.ageOf("shop/app", "completed", 990_000), 11_000);
});
