import assert from "node:assert/strict";
import { test } from "node:test";

import { loadBySource, mustWait, transferLimits } from "./admission.ts";

const RUNNING = [
  { targetNode: "b", sources: ["a", "c"] },
  { targetNode: "d", sources: ["a"] },
];

test("0 means 1 to a target, 2 from a source, 32 in all", () => {
  assert.deepEqual(transferLimits(0), { perTarget: 1, perSource: 2, total: 32 });
  assert.deepEqual(transferLimits(5), { perTarget: 1, perSource: 2, total: 5 });
});

test("a second transfer to the same node waits, one to another starts", () => {
  assert.match(mustWait("b", RUNNING, transferLimits(0)) ?? "", /to this node/);
  assert.equal(mustWait("e", RUNNING, transferLimits(0)), undefined);
});

test("at the total everything waits", () => {
  assert.match(mustWait("e", RUNNING, transferLimits(2)) ?? "", /2 transfers run, at most 2/);
});

test("the load of a source is the transfers that read from it", () => {
  assert.deepEqual(
    loadBySource(RUNNING),
    new Map([
      ["a", 2],
      ["c", 1],
    ]),
  );
});
