import assert from "node:assert/strict";
import { test } from "node:test";

import type { HttpAnswer } from "../../net/http.ts";
import type { Outcome } from "../sink.ts";
import { KNOWN_ERRORS, verdictOf, type SlackVerdict } from "./errors.ts";
import { outcomeOf } from "./outcome.ts";
import { readAnswer } from "./slack-api.ts";

const ATTEMPT = { number: 1, startedAt: 0, isReplay: false, mayHaveArrived: false };
const NOW = Date.parse("2026-01-31T12:00:00Z");

function answer(body: string, status = 200, headers: Record<string, string> = {}): HttpAnswer {
  return { status, headers, body, isTruncated: false };
}

function outcome(http: HttpAnswer): Outcome {
  return outcomeOf(readAnswer(http, ATTEMPT, NOW), [{ key: "k", value: "v" }]);
}

test("answers of the Web API are read from their body, whatever the status", () => {
  const ok = readAnswer(answer('{"ok":true,"channel":"C1","ts":"1.2","message":{"ts":"9"}}'), ATTEMPT, NOW);
  assert.deepEqual(ok.kind === "ok" && [ok.channel, ok.ts], ["C1", "1.2"]);
  const cutOff = `{"ok":true,"channel":"C1","ts":"1.2","message":{"text":"${"x".repeat(100)}`;
  const long = readAnswer(answer(cutOff), ATTEMPT, NOW);
  assert.deepEqual(long.kind === "ok" && [long.channel, long.ts], ["C1", "1.2"]);
  const refused = readAnswer(answer('{"ok":false,"error":"is_archived"}'), ATTEMPT, NOW);
  assert.equal(refused.kind === "refused" && refused.error, "is_archived");
});

test("each error decides what becomes of the message and of the subscription", () => {
  const kinds: Readonly<Record<SlackVerdict, string>> = {
    disable: "disable",
    // when plain text was refused as well
    plain: "dead",
    // when there was nothing to post anew
    repost: "rejected",
    retry: "retry",
    retry_unsure: "retry",
    throttle: "retry",
    unknown: "rejected",
  };
  for (const error of [...KNOWN_ERRORS, "a_new_word"]) {
    const found = outcome(answer(JSON.stringify({ ok: false, error })));
    assert.equal(found.kind, kinds[verdictOf(error)], error);
    assert.deepEqual(found.state, [{ key: "k", value: "v" }]);
    assert.ok(found.kind !== "disable" || found.keeps === true, error);
    assert.ok(
      found.kind === "delivered" ||
        KNOWN_ERRORS.includes(found.reason) ||
        ["other", "429"].includes(found.reason),
    );
  }
  const examples: readonly (readonly [string, SlackVerdict])[] = [
    ["token_revoked", "disable"],
    ["not_in_channel", "disable"],
    ["restricted_action_read_only_channel", "disable"],
    ["no_service", "disable"],
    ["edit_window_closed", "repost"],
    ["thread_not_found", "repost"],
    ["msg_blocks_too_long", "plain"],
    ["fatal_error", "retry_unsure"],
    ["service_unavailable", "retry"],
    ["toString", "unknown"],
  ];
  for (const [error, verdict] of examples) assert.equal(verdictOf(error), verdict, error);
});

test("incoming webhooks answer with a word", () => {
  assert.equal(outcome(answer("ok")).kind, "delivered");
  assert.equal(outcome(answer("")).kind, "delivered");
  const cases: readonly (readonly [string, number, string])[] = [
    ["no_service", 404, "disable"],
    ["channel_is_archived", 410, "disable"],
    ["invalid_token", 403, "disable"],
    ["invalid_payload", 400, "dead"],
    ["rollup_error", 500, "retry"],
    ["<html>", 404, "rejected"],
    ["<html>", 200, "rejected"],
    ["<html>", 302, "rejected"],
    ["", 410, "disable"],
  ];
  for (const [body, status, kind] of cases) {
    assert.equal(outcome(answer(body, status)).kind, kind, `${status} ${body}`);
  }
});

test("too many messages: as long as Slack says, in every form, and a while when it does not", () => {
  const cases: readonly (readonly [HttpAnswer, number])[] = [
    [answer("", 429, { "retry-after": "7" }), 7000],
    [answer("", 429, { "retry-after": "Sat, 31 Jan 2026 12:00:09 GMT" }), 9000],
    [answer("", 429), 30_000],
    [answer('{"ok":false,"error":"ratelimited"}', 200, { "retry-after": "3" }), 3000],
  ];
  for (const [http, expected] of cases) {
    const found = outcome(http);
    assert.ok(found.kind === "retry");
    assert.deepEqual([found.retryAfterMs, found.costsAttempt, found.trips], [expected, false, false]);
  }
});
