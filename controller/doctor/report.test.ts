import assert from "node:assert/strict";
import { test } from "node:test";

import type { Diagnosis } from "./check.ts";
import { formatJson, formatText } from "./report.ts";

const DIAGNOSIS: Diagnosis = {
  checks: [
    { name: "crd", status: "ok", message: "there" },
    { name: "layers", status: "fail", message: "discarded\nline: one" },
    { name: "agents", status: "warn", message: "one missing" },
  ],
  ok: false,
};

test("JSON has the shape of the original", () => {
  assert.deepEqual(JSON.parse(formatJson(DIAGNOSIS)), DIAGNOSIS);
});

test("text has a line for each check, with further lines below it", () => {
  assert.equal(
    formatText(DIAGNOSIS),
    [
      "ok    crd     there",
      "FAIL  layers  discarded",
      "              line: one",
      "WARN  agents  one missing",
      "",
      "1 of 3 checks failed",
      "",
    ].join("\n"),
  );
  assert.match(formatText({ checks: DIAGNOSIS.checks.slice(0, 1), ok: true }), /no check failed\n$/);
});
