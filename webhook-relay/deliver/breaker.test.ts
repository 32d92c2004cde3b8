import assert from "node:assert/strict";
import { test } from "node:test";

import { BREAKER_FAILURES } from "../limits.ts";
import { UNKNOWN_HEALTH } from "../store/health.ts";
import type { SubscriptionHealth } from "../store/views.ts";
import {
  afterChange,
  afterDisable,
  afterEnable,
  afterFailure,
  afterPause,
  afterProbeStart,
  afterSuccess,
  gateOf,
} from "./breaker.ts";

const random = (): number => 0.5;

function failing(health: SubscriptionHealth, times: number, now: number, trips = true): SubscriptionHealth {
  let next = health;
  for (let at = 0; at < times; at += 1) next = afterFailure(next, { now, message: "down", trips, random });
  return next;
}

test("failures in a row open the breaker, each failed probe doubles its pause, a success closes it", () => {
  const almost = failing(UNKNOWN_HEALTH, BREAKER_FAILURES - 1, 0);
  assert.equal(gateOf(almost, 0).kind, "open");
  let health = failing(almost, 1, 0);
  const pauses: number[] = [];
  let now = 0;
  for (let at = 0; at < 9; at += 1) {
    const gate = gateOf(health, now);
    assert.ok(gate.kind === "until");
    pauses.push((gate.at - now) / 1000);
    now = gate.at;
    assert.equal(gateOf(health, now).kind, "probe");
    health = failing(afterProbeStart(health), 1, now);
  }
  assert.deepEqual(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
  const well = afterSuccess(afterProbeStart(health), now);
  assert.equal(gateOf(well, now).kind, "open");
  assert.deepEqual([well.failures, well.trips, well.lastSuccessAt], [0, 0, now]);
  assert.equal(well.lastFailure, "down");
});

test("failures of attempts that were still out do not lengthen the pause", () => {
  const opened = failing(UNKNOWN_HEALTH, BREAKER_FAILURES, 0);
  assert.equal(failing(opened, 3, 1000).pausedUntil, opened.pausedUntil);
});

test("a receiver that answers, if only to refuse, does not open the breaker and ends a probe", () => {
  assert.equal(gateOf(failing(UNKNOWN_HEALTH, 100, 0, false), 0).kind, "open");
  const probing = afterProbeStart(failing(UNKNOWN_HEALTH, BREAKER_FAILURES, 0));
  assert.equal(failing(probing, 1, 9000, false).breaker, "closed");
});

test("a pause that the receiver asks for holds, also over a success", () => {
  const paused = afterPause(UNKNOWN_HEALTH, 5000);
  assert.deepEqual(gateOf(paused, 4999), { kind: "until", at: 5000 });
  assert.deepEqual(gateOf(afterPause(paused, 3000), 4000), { kind: "until", at: 5000 });
  assert.deepEqual(gateOf(afterSuccess(paused, 100), 4000), { kind: "until", at: 5000 });
  assert.equal(gateOf(paused, 5000).kind, "open");
});

test("after a day of nothing but failure it is off, tried once an hour, and on again by itself", () => {
  const opened = failing(UNKNOWN_HEALTH, BREAKER_FAILURES, 0);
  const dayLater = 25 * 3_600_000;
  const off = failing(afterProbeStart(opened), 1, dayLater);
  assert.equal(off.disabledBy, "relay");
  assert.match(off.disabledReason, /^nothing but failures for 25h, it is tried once an hour$/);
  assert.deepEqual(gateOf(off, dayLater), { kind: "until", at: dayLater + 3_600_000 });
  const back = afterSuccess(afterProbeStart(off), dayLater + 3_600_000);
  assert.deepEqual([back.disabledBy, gateOf(back, dayLater + 3_600_000).kind], [undefined, "open"]);
});

test("what a person or the receiver switched off stays off until it is switched on", () => {
  for (const by of ["operator", "receiver"] as const) {
    const off = afterDisable(UNKNOWN_HEALTH, by, "enough", 10);
    assert.equal(gateOf(off, 1e15).kind, "closed");
    assert.equal(gateOf(afterSuccess(off, 20), 1e15).kind, "closed");
    const on = afterEnable(off);
    assert.deepEqual([gateOf(on, 20).kind, on.disabledReason], ["open", ""]);
  }
});

test("a pause that the receiver asked for outlives the breaker and a changed configuration, not another receiver", () => {
  const asked = failing(afterPause(UNKNOWN_HEALTH, 1_000_000), BREAKER_FAILURES, 0);
  assert.deepEqual(gateOf(asked, 3000), { kind: "until", at: 1_000_000 });
  assert.deepEqual(gateOf(afterSuccess(asked, 3000), 3000), { kind: "until", at: 1_000_000 });
  assert.deepEqual(gateOf(afterChange(asked, true), 3000), { kind: "until", at: 1_000_000 });
  assert.equal(gateOf(afterChange(asked, false), 3000).kind, "open");
  const broken = failing(UNKNOWN_HEALTH, BREAKER_FAILURES, 0);
  assert.equal(gateOf(afterChange(broken, true), 1).kind, "open");
});
