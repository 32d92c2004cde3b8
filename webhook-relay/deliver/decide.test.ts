import assert from "node:assert/strict";
import { test } from "node:test";

import { RETRY_SCHEDULE_MS } from "../limits.ts";
import type { Outcome } from "../sinks/sink.ts";
import { decide, pauseBefore, type Decision, type DecisionContext } from "./decide.ts";

const NOW = 1_000_000_000;
const FAILED = {
  kind: "retry",
  reason: "5xx",
  message: "answered 503",
  costsAttempt: true,
  trips: true,
} as const;

function context(lease: Partial<DecisionContext["lease"]> = {}, random = 0.5): DecisionContext {
  return {
    lease: { attempts: 0, spent: 0, rejections: 0, ageFrom: NOW, ...lease },
    policy: { scheduleMs: RETRY_SCHEDULE_MS, maxAgeMs: 30 * 3_600_000 },
    isEarly: false,
    now: NOW,
    random: () => random,
  };
}

test("a delivery that goes on failing is tried ten times over about a day, then it is dead", () => {
  let now = NOW;
  let lease = { attempts: 0, spent: 0, rejections: 0, ageFrom: NOW };
  const pauses: number[] = [];
  for (;;) {
    const next = decide(FAILED, { ...context(), lease, now });
    lease = { ...lease, attempts: lease.attempts + 1, spent: next.spent };
    if (next.state === "dead") {
      assert.match(next.message, /^given up after 10 attempts: answered 503$/);
      break;
    }
    pauses.push(next.dueAt - now);
    now = next.dueAt;
  }
  assert.deepEqual(pauses, RETRY_SCHEDULE_MS.slice(1));
  assert.ok(now - NOW > 22 * 3_600_000 && now - NOW < 24 * 3_600_000);
});

test("pauses differ by a fifth either way", () => {
  assert.equal(
    pauseBefore([0, 1000], 1, () => 0),
    800,
  );
  assert.equal(
    pauseBefore([0, 1000], 1, () => 0.5),
    1000,
  );
  assert.equal(
    pauseBefore([0, 1000], 9, () => 0.999),
    1200,
  );
  assert.equal(
    pauseBefore([0, 1000], 0, () => 0),
    0,
  );
});

test("what waits for a person is dead, unless it is kept: then it costs nothing and goes when the way is free", () => {
  const disable = { kind: "disable", reason: "410", message: "no more" } as const;
  assert.equal(decide(disable, context()).state, "dead");
  const kept = decide({ ...disable, keeps: true }, context({ spent: 3 }));
  assert.deepEqual([kept.state, kept.spent, kept.dueAt, kept.reason], ["pending", 3, NOW, "410"]);
});

test("what the receiver asks for is kept in full, and is no reason to hurry", () => {
  const asks = (retryAfterMs: number): Outcome => ({ ...FAILED, retryAfterMs });
  assert.equal(decide(asks(3_600_000), context()).dueAt, NOW + 3_600_000);
  assert.equal(decide(asks(1), context()).dueAt, NOW + 5_000);
  const tooLate = decide(asks(2 * 3_600_000), context({ ageFrom: NOW - 29 * 3_600_000 }));
  assert.equal(tooLate.state, "dead");
  assert.match(tooLate.message, /^older than 30h, at last: answered 503$/);
});

test("what is not the receiver's fault costs no attempt but waits longer each time", () => {
  const free = { ...FAILED, costsAttempt: false };
  const first = decide(free, context());
  assert.deepEqual([first.state, first.spent, first.dueAt], ["pending", 0, NOW + 5_000]);
  const later = decide(free, context({ attempts: 40, spent: 0, ageFrom: NOW - 1000 }));
  assert.deepEqual([later.state, later.spent, later.dueAt - NOW], ["pending", 0, 12 * 3_600_000]);
  assert.equal(decide(free, context({ attempts: 40, ageFrom: NOW - 31 * 3_600_000 })).state, "dead");
});

test("an attempt before its time costs nothing when the receiver is still down, until the delivery is too old", () => {
  const early = { ...context({ attempts: 40, spent: 9 }), isEarly: true };
  assert.deepEqual(pick(decide(FAILED, early)), ["pending", 9]);
  assert.deepEqual(pick(decide({ ...FAILED, trips: false }, early)), ["dead", 10]);
  assert.deepEqual(pick(decide(FAILED, { ...early, isEarly: false })), ["dead", 10]);
  const old = decide(FAILED, { ...early, now: NOW + 30 * 3_600_000 });
  assert.match(old.message, /^older than 30h, at last: answered 503$/);
});

function pick({ state, spent }: Decision): readonly [Decision["state"], number] {
  return [state, spent];
}

test("a delivery near its end has one last attempt at the end", () => {
  const next = decide(FAILED, context({ attempts: 5, spent: 5, ageFrom: NOW - 30 * 3_600_000 + 60_000 }));
  assert.deepEqual([next.state, next.dueAt], ["pending", NOW + 60_000]);
});

test("what is refused is tried three times, what is final not again", () => {
  const rejected: Outcome = { kind: "rejected", reason: "4xx", message: "answered 400" };
  assert.equal(decide(rejected, context()).state, "pending");
  assert.equal(decide(rejected, context({ rejections: 1, spent: 1, attempts: 1 })).state, "pending");
  const last = decide(rejected, context({ rejections: 2, spent: 2, attempts: 2 }));
  assert.deepEqual([last.state, last.message], ["dead", "refused 3 times: answered 400"]);
  for (const kind of ["dead", "disable"] as const) {
    assert.equal(decide({ kind, reason: "410", message: "gone" }, context()).state, "dead");
  }
  assert.equal(decide({ kind: "delivered" }, context()).state, "delivered");
});
