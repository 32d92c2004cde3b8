import assert from "node:assert/strict";
import { test } from "node:test";

import { formatMicroTime, isMicroTime } from "./micro-time.ts";

test("a time has exactly six digits of a second", () => {
  assert.equal(formatMicroTime(Date.parse("2024-05-01T10:00:00.313Z")), "2024-05-01T10:00:00.313000Z");
  assert.equal(formatMicroTime(0), "1970-01-01T00:00:00.000000Z");
});

test("other precisions are told apart", () => {
  assert.ok(isMicroTime("2024-05-01T10:00:00.313000Z"));
  assert.ok(isMicroTime("2024-05-01T10:00:00.313000+02:00"));
  for (const text of [
    "2024-05-01T10:00:00Z",
    "2024-05-01T10:00:00.313Z",
    "2024-05-01T10:00:00.313000000Z",
    "2024-99-01T10:00:00.313000Z",
    "",
  ]) {
    assert.ok(!isMicroTime(text), text);
  }
});
