import assert from "node:assert/strict";
import { test } from "node:test";

import { RECORD_STALL_MS } from "../limits.ts";
import { record } from "../testing/records.ts";
import { StallWatch } from "./stall-watch.ts";

const HOUR_MS = 60 * 60_000;

function open(): {
  readonly progressAt: (time: number) => ReturnType<typeof record>;
  readonly start: number;
} {
  const { metadata } = record();
  const start = Date.parse(metadata.creationTimestamp);
  return {
    start,
    progressAt: (time) => {
      const made = record();
      return {
        ...made,
        status: { ...made.status, phase: "Pending", progressAt: new Date(time).toISOString() },
      };
    },
  };
}

test("a record that does not move is stalled after 30 minutes, however the clock is set meanwhile", () => {
  for (const turned of [0, 2 * HOUR_MS, -2 * HOUR_MS]) {
    const { start, progressAt } = open();
    let passed = 0;
    let offset = 0;
    const watch = new StallWatch({ now: () => start + passed + offset, monotonic: () => passed });
    const one = progressAt(start);
    assert.equal(watch.isStalled(one), false);
    offset = turned;
    passed = RECORD_STALL_MS - 1;
    assert.equal(watch.isStalled(one), false);
    passed = RECORD_STALL_MS;
    assert.equal(watch.isStalled(one), true);
    // it has moved
    assert.equal(watch.isStalled(progressAt(start + passed + offset)), false);
  }
});

test("after a restart the times in the record count", () => {
  const { start, progressAt } = open();
  const now = start + RECORD_STALL_MS;
  const watch = new StallWatch({ now: () => now, monotonic: () => 5 });
  assert.equal(watch.isStalled(progressAt(start)), true);
  assert.equal(watch.isStalled(progressAt(start + 1)), false);
});
