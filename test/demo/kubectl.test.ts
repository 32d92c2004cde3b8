import assert from "node:assert/strict";
import { test } from "node:test";

import { columnsOf, EVENT_COLUMNS, formatTable } from "./kubectl.ts";

const now = Date.parse("2026-01-01T00:10:00Z");

test("custom resources are printed by the columns of their definition", () => {
  const versions = [
    {
      additionalPrinterColumns: [
        { name: "Source", type: "string", jsonPath: ".status.sources[0]" },
        { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
        { name: "Image", type: "string", jsonPath: ".spec.imageRef", priority: 1 },
      ],
    },
  ];
  const one = {
    metadata: { name: "one", creationTimestamp: "2026-01-01T00:09:53Z" },
    status: { sources: ["a"] },
  };
  const two = { metadata: { name: "second", creationTimestamp: "2026-01-01T00:00:00Z" } };
  assert.equal(
    formatTable(columnsOf({ spec: { versions } }), [one, two], now),
    ["NAME     SOURCE   AGE", "one      a        7s", "second            10m"].join("\n"),
  );
});

test("Events are printed as kubectl prints them", () => {
  const event = {
    eventTime: "2026-01-01T00:09:00.000000Z",
    type: "Warning",
    reason: "ImageSalvaged",
    regarding: { kind: "Pod", name: "web" },
    note: "moved",
  };
  assert.equal(
    formatTable(EVENT_COLUMNS, [event], now),
    [
      "LAST SEEN   TYPE      REASON          OBJECT    MESSAGE",
      "60s         Warning   ImageSalvaged   pod/web   moved",
    ].join("\n"),
  );
});
