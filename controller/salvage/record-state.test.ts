import assert from "node:assert/strict";
import { test } from "node:test";

import { PROGRESS_WRITE_INTERVAL_MS, RECORD_STALL_MS } from "../limits.ts";
import { TRANSITION_TYPES } from "../objects/salvage-record.ts";
import { CHANGES, record, statusAfter, T0 } from "../testing/records.ts";
import { legacyStatus } from "./legacy.ts";
import { isLegacy, isOrder, isProgressDue, isReapable, isStalled, owedTransitions } from "./record-state.ts";

const { detected, planned, started, progress, refused } = CHANGES;
const LEGACY_SPEC = {
  digest: CHANGES.planned.plan.digest,
  imageRef: "registry.test/app:v1",
  podName: "web-1",
  sourceNode: "node-a",
  targetNode: "node-b",
};
const ALL = new Set(TRANSITION_TYPES);
const NOTHING = new Set<never>();
const HOUR = 60 * 60_000;

test("a record of the original is history, one of ours and an order are not", () => {
  const legacy = record({ labels: {}, spec: LEGACY_SPEC });
  const ours = record({ spec: LEGACY_SPEC });
  const order = record({ labels: {}, spec: { imageRef: "nginx", targetNode: "node-b" } });
  const done = record({ labels: {}, spec: LEGACY_SPEC, status: legacyStatus(legacy) });
  assert.deepEqual([legacy, ours, order, done].map(isLegacy), [true, false, false, false]);
  assert.deepEqual([legacy, ours, order].map(isOrder), [false, false, true]);
});

test("a legacy record is completed as of when it was made, with what it told", () => {
  assert.deepEqual(legacyStatus(record({ labels: {}, spec: LEGACY_SPEC })), {
    phase: "Completed",
    reason: "Legacy",
    message: "written by an earlier tote, which kept no status",
    digest: LEGACY_SPEC.digest,
    sources: ["node-a"],
    completedAt: new Date(T0).toISOString(),
  });
  const odd = legacyStatus(record({ spec: { ...LEGACY_SPEC, digest: "sha256:abc" } }));
  assert.equal("digest" in odd, false);
});

test("an open record that has not moved for 30 minutes is stalled", () => {
  const open = record({ status: statusAfter(detected) });
  assert.equal(isStalled(open, T0 + RECORD_STALL_MS - 1), false);
  assert.equal(isStalled(open, T0 + RECORD_STALL_MS), true);
});

test("progress puts the end off, and an ended record has none", () => {
  const moving = record({ status: statusAfter(detected, planned, started, progress) });
  assert.equal(isStalled(moving, T0 + RECORD_STALL_MS + 2999), false);
  assert.equal(isStalled(moving, T0 + RECORD_STALL_MS + 3000), true);
  const ended = record({ status: statusAfter(detected, refused) });
  assert.equal(isStalled(ended, T0 + 100 * RECORD_STALL_MS), false);
});

test("a record without status is stalled by its creation time", () => {
  assert.equal(isStalled(record(), T0 + RECORD_STALL_MS), true);
  assert.equal(isStalled(record(), T0 - HOUR), false);
});

test("progress is written every two seconds at most, and after a clock that was set back", () => {
  const status = statusAfter(detected);
  assert.equal(isProgressDue(status, T0 + PROGRESS_WRITE_INTERVAL_MS - 1), false);
  assert.equal(isProgressDue(status, T0 + PROGRESS_WRITE_INTERVAL_MS), true);
  assert.equal(isProgressDue(status, T0 - HOUR), true);
  assert.equal(isProgressDue({}, T0), true);
});

test("owed is what the relay wants and has not got", () => {
  const status = statusAfter(detected, planned, { type: "notified", types: ["detected"], wanted: ALL });
  assert.deepEqual(
    owedTransitions(status, ALL).map(({ type }) => type),
    ["salvageable"],
  );
  assert.deepEqual(owedTransitions(status, new Set(["detected"])), []);
  assert.deepEqual(owedTransitions(status, NOTHING), []);
  assert.deepEqual(owedTransitions({}, ALL), []);
});

const REAP: readonly (readonly [string, Parameters<typeof record>[0], boolean, number, boolean])[] = [
  [
    "ended for long enough, owing nothing",
    { status: statusAfter(detected, refused) },
    false,
    HOUR + 1000,
    true,
  ],
  ["ended a moment too late", { status: statusAfter(detected, refused) }, false, HOUR + 999, false],
  ["owing an event", { status: statusAfter(detected, refused) }, true, 100 * HOUR, false],
  ["open", { status: statusAfter(detected) }, false, 100 * HOUR, false],
  ["without status", {}, false, 100 * HOUR, false],
  ["on its way out", { status: statusAfter(detected, refused), isDeleting: true }, false, 100 * HOUR, false],
];

for (const [what, options, isWanted, after, expected] of REAP) {
  test(`a record ${what} is ${expected ? "" : "not "}deleted`, () => {
    const wanted = isWanted ? ALL : NOTHING;
    assert.equal(isReapable(record(options), { now: T0 + after, ttlMs: HOUR, wanted }), expected);
  });
}

test("a time to live of 0 keeps every record", () => {
  const ended = record({ status: statusAfter(detected, refused) });
  assert.equal(isReapable(ended, { now: T0 + 1000 * HOUR, ttlMs: 0, wanted: NOTHING }), false);
});

test("a legacy record is deleted a time to live after it was made", () => {
  const legacy = record({ labels: {}, spec: LEGACY_SPEC });
  const marked = { ...legacy, status: legacyStatus(legacy) };
  assert.equal(isReapable(marked, { now: T0 + HOUR, ttlMs: HOUR, wanted: ALL }), true);
});
