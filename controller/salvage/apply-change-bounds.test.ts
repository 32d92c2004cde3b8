import assert from "node:assert/strict";
import { test } from "node:test";

import { EVIDENCE_MAX, RECORD_MESSAGE_MAX_CHARS, RECORD_PODS_MAX } from "../limits.ts";
import { createRecordValidator } from "../testing/crd.ts";
import { CHANGES, PLAN, record, statusAfter, T0 } from "../testing/records.ts";
import { applyChange } from "./apply-change.ts";
import type { RecordChange } from "./record-change.ts";

const { detected, planned, started, progress, salvaged, failed, refused, recovered, notRecovered } = CHANGES;
const validate = createRecordValidator();

test("of thousands of pods twenty are named and all are counted", () => {
  const pods = Array.from({ length: 3000 }, (_, index) => ({ name: `web-${index}`, uid: `u${index}` }));
  const status = applyChange(statusAfter(detected), { type: "pods", pods }, T0);
  assert.equal(status.pods?.length, RECORD_PODS_MAX);
  assert.equal(status.podCount, 3000);
});

test("huge words fit the schema", () => {
  const message = "€🐳".repeat(5000);
  const holders = Array.from({ length: 500 }, (_, index) => `node-${index}`);
  const stories: readonly (readonly RecordChange[])[] = [
    [
      { ...detected, message },
      { ...planned, holders, plan: { ...PLAN, evidence: "x".repeat(1500) } },
      started,
      { type: "retry", message },
      { ...failed, message },
    ],
    [
      { ...detected, message, isCorrupt: true },
      { ...refused, message },
    ],
    [detected, planned, started, progress, salvaged, { ...notRecovered, message }, { ...recovered, message }],
  ];
  for (const changes of stories) {
    const status = statusAfter(...changes);
    assert.deepEqual(validate({ ...record(), status }), []);
    assert.ok((status.message?.length ?? 0) <= RECORD_MESSAGE_MAX_CHARS);
    assert.ok(status.transitions?.every(({ sources }) => (sources?.length ?? 0) <= EVIDENCE_MAX));
  }
});
