import assert from "node:assert/strict";
import { test } from "node:test";

import { nextNudge, nudgePatch, type NudgeStep } from "./nudge.ts";

const TABLE: readonly (readonly [number, number | undefined, NudgeStep])[] = [
  [0, undefined, { kind: "nudge" }],
  [0, 0, { kind: "wait", milliseconds: 10_000 }],
  [9_999, 0, { kind: "wait", milliseconds: 1 }],
  [10_000, 0, { kind: "nudge" }],
  [10_500, 10_500, { kind: "wait", milliseconds: 19_500 }],
  [30_000, 10_500, { kind: "nudge" }],
  [60_000, 30_000, { kind: "nudge" }],
  [60_000, 60_000, { kind: "wait", milliseconds: 60_000 }],
  [119_999, 60_000, { kind: "wait", milliseconds: 1 }],
  [120_000, 60_000, { kind: "give_up" }],
  [500_000, undefined, { kind: "give_up" }],
  // another leader comes late: one nudge, not three
  [45_000, undefined, { kind: "nudge" }],
  [45_001, 45_000, { kind: "wait", milliseconds: 14_999 }],
  [45_000, 100, { kind: "nudge" }],
];

for (const [elapsed, last, expected] of TABLE) {
  test(`${elapsed} ms after the image, last nudged at ${last}: ${expected.kind}`, () => {
    assert.deepEqual(nextNudge(elapsed, last), expected);
  });
}

test("left to itself the schedule nudges four times in two minutes", () => {
  const nudges: number[] = [];
  let elapsed = 0;
  for (;;) {
    const step = nextNudge(elapsed, nudges.at(-1));
    if (step.kind === "give_up") break;
    if (step.kind === "nudge") nudges.push(elapsed);
    else elapsed += step.milliseconds;
  }
  assert.deepEqual(nudges, [0, 10_000, 30_000, 60_000]);
  assert.equal(elapsed, 120_000);
});

test("the patch changes one annotation of the very pod, and differs each time", () => {
  const patch = nudgePatch("u1", Date.UTC(2026, 7, 1, 10));
  assert.deepEqual(patch, {
    metadata: { uid: "u1", annotations: { "tote.dev/salvaged-at": "2026-08-01T10:00:00.000Z" } },
  });
  assert.notDeepEqual(nudgePatch("u1", 1), nudgePatch("u1", 2));
});
