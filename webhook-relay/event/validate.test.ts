import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

import { testEvent } from "./testing.ts";
import { parseEvent, readStoredEvent } from "./validate.ts";

const TYPES = [
  "detected",
  "salvageable",
  "salvaged",
  "salvage_failed",
  "recovered",
  "not_recovered",
  "not_actionable",
  "ambiguous",
  "corrupt",
  "pushed",
  "push_failed",
];

test("every event that the schema allows is taken", () => {
  const schema: object = JSON.parse(
    readFileSync(new URL("../../docs/events.schema.json", import.meta.url), "utf8"),
  );
  const ajv = new Ajv2020({ allErrors: true, strict: false });
  addFormats.default(ajv);
  const isValid = ajv.compile(schema);
  const events = [
    ...TYPES.map((type) => testEvent({ type: `tote.image.${type}` })),
    testEvent({ data: { severity: "critical", digest: "", sourceNodes: [], pod: "", message: "" } }),
    testEvent({ time: "2026-01-31T12:00:00+01:00", data: { bytes: 2 ** 40, attempt: 7 } }),
  ];
  for (const event of events) {
    assert.ok(isValid(event), JSON.stringify(isValid.errors));
    assert.deepEqual(parseEvent(event), { kind: "event", event });
    assert.deepEqual(readStoredEvent(JSON.stringify(event)), event);
  }
});

test("a stored event that is none is a defect, and says what is wrong", () => {
  assert.throws(
    () => readStoredEvent('{"id":"a"}'),
    /a stored event is not valid: type nothing is not allowed/,
  );
});
