import assert from "node:assert/strict";
import { test } from "node:test";

import { testEvent } from "../event/testing.ts";
import { matchesGlob, matchesType, mismatch } from "./match.ts";
import type { EventFilter } from "./subscription.ts";

const ALL: EventFilter = { events: [], namespaces: [], minSeverity: undefined, severities: [] };

test("a glob matches whole texts and * stands for anything", () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ["*", "", true],
    ["*", "anything.at.all", true],
    ["a*", "abc", true],
    ["*c", "abc", true],
    ["a*c", "ac", true],
    ["a*a", "a", false],
    ["a*b*c", "a-b-b-c", true],
    ["a*b*c", "a-c-b", false],
    ["ab", "abc", false],
    ["*ab*", "xaby", true],
    ["a**b", "ab", true],
    ["*.image.*", "tote.image.detected", true],
  ];
  for (const [glob, text, expected] of cases)
    assert.equal(matchesGlob(glob, text), expected, `${glob} ${text}`);
});

test("a hostile glob takes no time", () => {
  const started = performance.now();
  assert.equal(matchesGlob(`${"*a".repeat(120)}b`, "a".repeat(5000)), false);
  // by trying everything it would take years
  assert.ok(performance.now() - started < 5000);
});

test("a word without a dot is the last of tote.image", () => {
  assert.equal(matchesType("detected", "tote.image.detected"), true);
  assert.equal(matchesType("salvage*", "tote.image.salvage_failed"), true);
  assert.equal(matchesType("detected", "tote.relay.detected"), false);
  assert.equal(matchesType("tote.relay.*", "tote.relay.test"), true);
});

test("a filter says which of its parts does not want an event", () => {
  const event = testEvent();
  const odd = testEvent({ data: { severity: "apocalyptic" } });
  assert.equal(mismatch(ALL, event), "");
  assert.equal(
    mismatch({ ...ALL, events: ["detected"], namespaces: ["sh*"], minSeverity: "warning" }, event),
    "",
  );
  assert.match(
    mismatch({ ...ALL, events: ["salvaged"] }, event),
    /^events: tote.image.detected is not among salvaged/,
  );
  assert.match(mismatch({ ...ALL, namespaces: ["prod"] }, event), /^namespaces: "shop" is not among prod/);
  assert.match(
    mismatch({ ...ALL, minSeverity: "critical" }, event),
    /^severity: "warning" is less than critical/,
  );
  assert.match(mismatch({ ...ALL, severities: ["info"] }, event), /^severity: "warning" is not among info/);
  assert.equal(mismatch({ ...ALL, minSeverity: "critical" }, odd), "", "what nobody knows is not hidden");
});
