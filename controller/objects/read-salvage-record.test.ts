import assert from "node:assert/strict";
import { test } from "node:test";

import { CHANGES, record, statusAfter } from "../testing/records.ts";
import { asObject } from "./json.ts";
import { readSalvageRecord } from "./read-salvage-record.ts";
import type { SalvageRecord } from "./salvage-record.ts";

/** The record as JSON of the API server. */
function raw({ metadata, spec, status }: SalvageRecord): Record<string, unknown> {
  const { isDeleting, ...rest } = metadata;
  const json = {
    apiVersion: "tote.dev/v1alpha1",
    kind: "SalvageRecord",
    metadata: { ...rest, generation: 3, ...(isDeleting && { deletionTimestamp: "2026-08-01T10:00:00Z" }) },
    spec,
    status,
  };
  return { ...asObject(JSON.parse(JSON.stringify(json))) };
}

const FULL = record({
  status: statusAfter(
    CHANGES.detected,
    CHANGES.planned,
    CHANGES.started,
    CHANGES.progress,
    CHANGES.salvaged,
    CHANGES.recovered,
    { type: "notified", types: ["detected"], wanted: new Set(["detected", "salvaged"]) },
  ),
});

test("a record comes back as it was written", () => {
  assert.deepEqual(readSalvageRecord(raw(FULL)), { kind: "record", record: FULL });
  const deleting = record({ isDeleting: true });
  assert.deepEqual(readSalvageRecord(raw(deleting)), { kind: "record", record: deleting });
});

test("a record that has just been made has no status", () => {
  const reading = readSalvageRecord({
    metadata: { name: "x", namespace: "shop" },
    spec: { targetNode: "b" },
  });
  assert.ok(reading.kind === "record");
  assert.deepEqual(reading.record.status, {});
  assert.deepEqual(reading.record.metadata.labels, {});
  assert.deepEqual(reading.record.spec, { targetNode: "b" });
});

test("fields of a later version are dropped", () => {
  const json = { ...raw(FULL), extra: 1, status: { ...FULL.status, later: { a: 1 } } };
  assert.deepEqual(readSalvageRecord(json), { kind: "record", record: FULL });
});

const BAD: readonly (readonly [string, unknown, RegExp])[] = [
  ["nothing", undefined, /metadata\.name: is missing/],
  ["a list", [], /must be an object/],
  ["no name", { metadata: { namespace: "shop" } }, /metadata\.name: is missing/],
  [
    "a spec that is a text",
    { metadata: { name: "x", namespace: "y" }, spec: "z" },
    /spec: "z" is not allowed/,
  ],
  [
    "a target that is a number",
    withStatus({}, { targetNode: 5 }),
    /spec\.targetNode: 5 is not allowed, must be a text/,
  ],
  ["an unknown phase", withStatus({ phase: "Done" }), /status\.phase: "Done" .* must be one of Pending/],
  ["bytes with a fraction", withStatus({ bytesTotal: 1.5 }), /status\.bytesTotal: 1.5/],
  ["bytes as text", withStatus({ bytesTotal: "1" }), /status\.bytesTotal/],
  ["a plan without digest", withStatus({ plan: { targetNode: "b" } }), /status\.plan\.digest: is missing/],
  ["a plan of another type", withStatus({ plan: [1] }), /status\.plan: \[1\]/],
  [
    "names that are none",
    withStatus({ plan: { digest: "d", targetNode: "b", names: [1] } }),
    /plan\.names\[0\]/,
  ],
  [
    "a transition without type",
    withStatus({ transitions: [{ time: "x" }] }),
    /transitions\[0\]\.type: is missing/,
  ],
  ["a transition that is null", withStatus({ transitions: [null] }), /transitions\[0\]/],
  [
    "a condition of unknown status",
    withStatus({ conditions: [{ type: "Visible", status: "Maybe" }] }),
    /conditions\[0\]\.status/,
  ],
  ["a label that is a number", { metadata: { name: "x", namespace: "y", labels: { a: 1 } } }, /labels\[a\]/],
];

function withStatus(fields: unknown, spec: unknown = { targetNode: "b" }): unknown {
  return { metadata: { name: "x", namespace: "shop" }, spec, status: fields };
}

for (const [what, json, reason] of BAD) {
  test(`a record with ${what} is invalid, and the field is named`, () => {
    const reading = readSalvageRecord(json);
    assert.match(reading.kind === "invalid" ? reading.message : "", reason);
  });
}

test("an invalid record is still called by its name", () => {
  assert.deepEqual(readSalvageRecord(withStatus({ phase: 1 })), {
    kind: "invalid",
    namespace: "shop",
    name: "x",
    message: "status.phase: 1 is not allowed, must be a text",
  });
});
