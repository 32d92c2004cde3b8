import assert from "node:assert/strict";
import { test } from "node:test";

import type { SalvageRecordStatus } from "../objects/salvage-record.ts";
import { CHANGES, statusAfter, T0 } from "../testing/records.ts";
import { applyChange, RecordStateError } from "./apply-change.ts";
import type { RecordChange } from "./record-change.ts";

const { detected, planned, started, progress, salvaged, failed, refused } = CHANGES;
const PENDING = [detected, planned];
const RUNNING = [...PENDING, started];
const DONE = [...RUNNING, progress, salvaged];

const ALL: readonly RecordChange[] = [
  ...Object.values(CHANGES),
  { type: "settled", reason: "RecoveredAlone", message: "x" },
  { type: "retry", message: "x" },
  { type: "pods", pods: [] },
];

const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  New: ["detected"],
  Pending: ["planned", "refused", "started", "failed", "settled", "pods"],
  Transferring: ["started", "progress", "salvaged", "failed", "settled", "retry", "pods"],
  Completed: ["recovered", "not_recovered"],
  Failed: [],
  Refused: [],
};

const STATES: Readonly<Record<string, SalvageRecordStatus>> = {
  New: {},
  Pending: statusAfter(...PENDING),
  Transferring: statusAfter(...RUNNING),
  Completed: statusAfter(...DONE),
  Failed: statusAfter(...RUNNING, failed),
  Refused: statusAfter(detected, refused),
};

for (const [phase, status] of Object.entries(STATES)) {
  test(`in phase ${phase} only ${ALLOWED[phase]?.join(", ") || "nothing"} can happen`, () => {
    const possible = ALL.filter((change) => {
      try {
        applyChange(status, change, T0);
        return true;
      } catch (error) {
        assert.ok(error instanceof RecordStateError);
        return false;
      }
    }).map(({ type }) => type);
    assert.deepEqual([...new Set(possible)].sort(), [...(ALLOWED[phase] ?? [])].sort());
  });
}

test("nothing starts without a plan", () => {
  assert.throws(() => statusAfter(detected, started), RecordStateError);
});
