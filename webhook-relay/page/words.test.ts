import assert from "node:assert/strict";
import { test } from "node:test";

import { countText, eventLabel, fromNow, spanText } from "./words.ts";

test("times are said as people say them", () => {
  const cases = [
    [0, "0 s"],
    [59_999, "59 s"],
    [60_000, "1 min"],
    [119 * 60_000, "119 min"],
    [120 * 60_000, "2 h"],
    [47 * 3_600_000, "47 h"],
    [48 * 3_600_000, "2 days"],
    [-5, "0 s"],
  ] as const;
  for (const [span, said] of cases) assert.equal(spanText(span), said);
  assert.equal(fromNow(1000, 1500), "now");
  assert.equal(fromNow(1000, 31_000), "30 s ago");
  assert.equal(fromNow(31_000, 1000), "in 30 s");
});

test("one is one and more are many", () => {
  assert.equal(countText(1, "event"), "1 event");
  assert.equal(countText(0, "event"), "0 events");
  assert.equal(countText(2, "delivery", "deliveries"), "2 deliveries");
});

test("a type that is not known stands for itself", () => {
  assert.deepEqual(eventLabel("tote.image.later"), { text: "tote.image.later", tone: "idle" });
});
