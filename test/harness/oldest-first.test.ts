import assert from "node:assert/strict";
import { test } from "node:test";

import type { SalvageRecord } from "../../controller/objects/salvage-record.ts";
import { oldestFirst } from "./oldest-first.ts";

function record(name: string, creationTimestamp: string, takenUpAt?: string): SalvageRecord {
  const metadata = { name, namespace: "shop", uid: name, resourceVersion: "1", creationTimestamp };
  const transitions =
    takenUpAt === undefined
      ? []
      : [{ type: "detected", time: takenUpAt, reason: "Detected", message: "", notified: false } as const];
  return { metadata: { ...metadata, labels: {}, isDeleting: false }, spec: {}, status: { transitions } };
}

test("records of one second are told apart by when they were taken up", () => {
  const at = "2026-01-01T00:00:01Z";
  const found = oldestFirst([
    record("new", at),
    record("second", at, "2026-01-01T00:00:01.700Z"),
    record("first", at, "2026-01-01T00:00:01.200Z"),
    record("before", "2026-01-01T00:00:00Z", "2026-01-01T00:00:09.000Z"),
  ]);
  assert.deepEqual(
    found.map(({ metadata }) => metadata.name),
    ["before", "first", "second", "new"],
  );
});
