import assert from "node:assert/strict";
import { test } from "node:test";

import { blockLines, markChanges } from "./slack-text.ts";

test("blocks are shown as their reader sees them", () => {
  const blocks = [
    { type: "header", text: { type: "plain_text", text: "🔴 shop/web: a &lt; b" } },
    { type: "section", fields: [{ type: "mrkdwn", text: "*Image*\n`registry.example/web:1 &amp; 2`" }] },
    { type: "context", elements: [{ type: "mrkdwn", text: "one\ntwo" }] },
    { type: "divider" },
  ];
  assert.deepEqual(blockLines(blocks), [
    "🔴 shop/web: a < b",
    "Image      registry.example/web:1 & 2",
    "one",
    "two",
  ]);
});

test("what a change has brought is marked", () => {
  assert.equal(markChanges([], ["a", "b"]), "  | a\n  | b");
  assert.equal(markChanges(["a", "b"], ["a", "c"]), "  | a\n~ | c");
});
