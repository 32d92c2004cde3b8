import assert from "node:assert/strict";
import { test } from "node:test";

import type { FailureCause } from "../detect/failure.ts";
import type { SalvageRecord } from "../objects/salvage-record.ts";
import { CHANGES, ORIGIN, record, statusAfter } from "../testing/records.ts";
import { knownCause } from "./known-cause.ts";

function refused(cause: FailureCause, progressAt: string): SalvageRecord {
  const detected = { ...CHANGES.detected, origin: { ...ORIGIN, cause } };
  return record({ status: { ...statusAfter(detected, CHANGES.refused), progressAt } });
}

test("a cause that the kubelet tells is the cause", () => {
  const records = [refused("unauthorized", "2026-08-01T10:00:00Z")];
  assert.equal(knownCause("unreachable", records), "unreachable");
});

test("one that it does not repeat is remembered by the last record", () => {
  const records = [
    refused("unreachable", "2026-08-01T10:00:00Z"),
    refused("unauthorized", "2026-08-01T12:00:00Z"),
    refused("unknown", "2026-08-01T13:00:00Z"),
  ];
  assert.equal(knownCause("unknown", records), "unauthorized");
});
