import assert from "node:assert/strict";
import { test } from "node:test";

import { TransferSlots } from "./transfer-slots.ts";

test("a record that waits is told once a place is free, and a place is given back once", () => {
  const told: string[] = [];
  const limits = { perTarget: 1, perSource: 2, total: 2 };
  const slots = new TransferSlots({ limits, onFree: (key) => void told.push(key) });
  const first = slots.take("one", "b", ["a"]);
  assert.match(slots.objection("b") ?? "", /to this node/);
  assert.equal(slots.objection("c"), undefined);
  slots.wait("two");
  slots.take("three", "c", ["a"]);
  assert.equal(slots.loadOf("a"), 2);
  assert.match(slots.objection("d") ?? "", /2 transfers run/);
  first.release();
  first.release();
  assert.deepEqual(told, ["two"]);
  assert.equal(slots.running, 1);
  assert.equal(slots.objection("b"), undefined);
});
