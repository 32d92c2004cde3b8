import assert from "node:assert/strict";
import { test } from "node:test";

import { parseRetryAfter } from "./retry-after.ts";

const NOW = Date.UTC(2026, 0, 31, 12, 0, 0);

test("Retry-After is understood in every form, in full, up to a day", () => {
  const cases: readonly (readonly [string, number | undefined])[] = [
    ["0", 0],
    ["120", 120_000],
    [" 7 ", 7_000],
    ["1.5", 1_500],
    ["3600", 3_600_000],
    ["86400", 86_400_000],
    ["99999999999999", 86_400_000],
    ["Sat, 31 Jan 2026 12:00:30 GMT", 30_000],
    ["Saturday, 31-Jan-26 12:01:00 GMT", 60_000],
    ["Sat Jan 31 12:02:00 2026", 120_000],
    ["Sun Feb  1 00:00:00 2026", 43_200_000],
    ["Sat, 31 Jan 2026 11:00:00 GMT", 0],
    ["Fri, 31 Dec 2027 12:00:00 GMT", 86_400_000],
    ["Sunday, 06-Nov-94 08:49:37 GMT", 0],
    ["-5", undefined],
    ["soon", undefined],
    ["", undefined],
    ["Sat, 31 Foo 2026 12:00:30 GMT", undefined],
  ];
  for (const [value, expected] of cases)
    assert.equal(parseRetryAfter(value, undefined, NOW), expected, value);
  assert.equal(parseRetryAfter(undefined, undefined, NOW), undefined);
});

test("a date counts by the receiver's clock when it shows one", () => {
  const ahead = "Sat, 31 Jan 2026 13:00:00 GMT";
  assert.equal(parseRetryAfter("Sat, 31 Jan 2026 13:00:10 GMT", ahead, NOW), 10_000);
  assert.equal(parseRetryAfter("Sat, 31 Jan 2026 12:00:10 GMT", "no date", NOW), 10_000);
  assert.equal(parseRetryAfter("10", ahead, NOW), 10_000);
});
