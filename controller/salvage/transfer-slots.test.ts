import assert from "node:assert/strict";
import { test } from "node:test";

import { TransferSlots } from "./transfer-slots.ts";

function slotsFor(limits = { perTarget: 1, perSource: 2, total: 2 }): {
  readonly slots: TransferSlots;
  readonly told: string[];
} {
  const told: string[] = [];
  return { told, slots: new TransferSlots({ limits, onFree: (key) => void told.push(key) }) };
}

test("a record that waits is told once a place is free, and a place is given back once", () => {
  const { slots, told } = slotsFor();
  const first = slots.take("one", "b", ["a"]);
  assert.match(slots.objection("two", "b") ?? "", /to this node/);
  assert.equal(slots.objection("two", "c"), undefined);
  slots.wait("two", "b", "normal");
  slots.take("three", "c", ["a"]);
  assert.equal(slots.loadOf("a"), 2);
  assert.match(slots.objection("four", "d") ?? "", /2 transfers run/);
  first.release();
  first.release();
  assert.deepEqual(told, ["two"]);
  assert.equal(slots.running, 1);
  assert.equal(slots.objection("two", "b"), undefined);
});

test("of those that wait for a node the most urgent is told first, then who came first", () => {
  const { slots, told } = slotsFor();
  let running = slots.take("one", "b", []);
  slots.wait("low", "b", "low");
  slots.wait("normal", "b", "normal");
  slots.wait("later", "b", "normal");
  slots.wait("high", "b", "high");
  for (const next of ["high", "normal", "later", "low"]) {
    running.release();
    assert.equal(told.at(-1), next);
    running = slots.take(next, "b", []);
    slots.settled(next);
  }
  assert.deepEqual(told, ["high", "normal", "later", "low"]);
});

test("who has been told has the place until it was looked at, whoever comes in between", () => {
  const { slots, told } = slotsFor();
  const running = slots.take("one", "b", []);
  slots.wait("two", "b", "normal");
  running.release();
  assert.equal(slots.objection("newcomer", "b"), "two goes first");
  assert.equal(slots.objection("newcomer", "c"), undefined);
  slots.wait("newcomer", "b", "normal");
  // its record had ended meanwhile
  slots.settled("two");
  assert.deepEqual(told, ["two", "newcomer"]);
  assert.equal(slots.objection("newcomer", "b"), undefined);
});

test("who cannot come because its sources are busy lets the next one go, and is told again when one is free", () => {
  const { slots, told } = slotsFor({ perTarget: 1, perSource: 1, total: 9 });
  const busy = slots.take("busy", "c", ["a"]);
  const running = slots.take("one", "b", ["z"]);
  slots.wait("first", "b", "high");
  slots.wait("second", "b", "low");
  running.release();
  slots.wait("first", "b", "high");
  slots.settled("first");
  assert.deepEqual(told, ["first", "second"]);
  // neither can
  slots.wait("second", "b", "low");
  slots.settled("second");
  assert.deepEqual(told, ["first", "second"]);
  busy.release();
  assert.deepEqual(told, ["first", "second", "first"]);
});
