import assert from "node:assert/strict";
import { test } from "node:test";

import { HttpFailure, type HttpAnswer, type HttpFailureReason } from "../../net/http.ts";
import type { Attempt } from "../sink.ts";
import { classifyAnswer, classifyFailure } from "./classify.ts";

const NOW = Date.UTC(2026, 0, 31, 12);

function answer(status: number, headers: HttpAnswer["headers"] = {}): HttpAnswer {
  return { status, headers, body: "said so", isTruncated: false };
}

function attempt(number = 1): Attempt {
  return { number, startedAt: NOW, isReplay: false, mayHaveArrived: false };
}

test("only 2xx is success, and each other status has its class", () => {
  const cases: readonly (readonly [number, string, string])[] = [
    [200, "delivered", ""],
    [204, "delivered", ""],
    [299, "delivered", ""],
    [301, "rejected", "3xx"],
    [304, "rejected", "3xx"],
    [400, "rejected", "4xx"],
    [401, "rejected", "4xx"],
    [404, "rejected", "4xx"],
    [408, "retry", "408"],
    [410, "disable", "410"],
    [425, "retry", "425"],
    [429, "retry", "429"],
    [500, "retry", "5xx"],
    [503, "retry", "5xx"],
    [599, "retry", "5xx"],
  ];
  for (const [status, kind, reason] of cases) {
    const outcome = classifyAnswer(answer(status), attempt(), NOW);
    assert.equal(outcome.kind, kind, String(status));
    assert.equal(outcome.kind === "delivered" ? "" : outcome.reason, reason);
    assert.deepEqual([outcome.status, outcome.excerpt], [status, "said so"]);
  }
});

test("Retry-After is taken over from every failure that has one", () => {
  for (const status of [408, 429, 500, 503, 404, 307]) {
    const outcome = classifyAnswer(answer(status, { "retry-after": "3600" }), attempt(), NOW);
    assert.ok(outcome.kind === "retry" || outcome.kind === "rejected");
    assert.equal(outcome.retryAfterMs, 3_600_000, String(status));
  }
});

test("429 costs no attempt, and without Retry-After it is asked less and less often", () => {
  const pauses = [1, 2, 3, 4, 5, 6, 50].map((number) => {
    const outcome = classifyAnswer(answer(429), attempt(number), NOW);
    assert.ok(outcome.kind === "retry" && !outcome.costsAttempt && !outcome.trips);
    return (outcome.retryAfterMs ?? 0) / 1000;
  });
  assert.deepEqual(pauses, [5, 10, 20, 40, 60, 60, 60]);
});

test("what is not the receiver's doing costs no attempt", () => {
  const reasons: readonly (readonly [HttpFailureReason, boolean, boolean])[] = [
    ["dns", true, true],
    ["refused", true, true],
    ["timeout", true, true],
    ["tls", true, true],
    ["address", true, true],
    ["proxy", false, true],
    ["aborted", false, false],
  ];
  for (const [reason, costs, trips] of reasons) {
    const outcome = classifyFailure(new HttpFailure(reason, "it broke"));
    assert.ok(outcome.kind === "retry");
    assert.deepEqual([outcome.reason, outcome.costsAttempt, outcome.trips], [reason, costs, trips]);
  }
});
