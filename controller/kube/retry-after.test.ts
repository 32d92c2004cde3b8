import assert from "node:assert/strict";
import { test } from "node:test";

import { RETRY_AFTER_MAX_MS } from "./limits.ts";
import { parseRetryAfter } from "./retry-after.ts";

const NOW = Date.parse("2024-05-01T10:00:00Z");

test("seconds and dates are both understood", () => {
  assert.equal(parseRetryAfter("7", NOW), 7000);
  assert.equal(parseRetryAfter(" 0 ", NOW), 0);
  assert.equal(parseRetryAfter("Wed, 01 May 2024 10:00:30 GMT", NOW), 30_000);
});

test("a date that is past means now", () => {
  assert.equal(parseRetryAfter("Wed, 01 May 2024 09:00:00 GMT", NOW), 0);
});

test("nobody is made to wait for days", () => {
  assert.equal(parseRetryAfter("99999999999", NOW), RETRY_AFTER_MAX_MS);
});

test("what means nothing is no wish", () => {
  for (const header of [undefined, "", "soon", "-5", "1.5h"]) {
    assert.equal(parseRetryAfter(header, NOW), undefined, header);
  }
});
