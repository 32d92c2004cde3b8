import assert from "node:assert/strict";
import { test } from "node:test";

import { Code } from "@connectrpc/connect";

import { ATTEMPTS_MAX, RETRY_MAX_MS } from "../limits.ts";
import { judgeImportFailure, type ImportFailureFacts } from "./import-failure.ts";
import { recheckDelay, retryDelay } from "./retry.ts";

const USED = ["node-a", "node-c"];
const A_FAILED = [{ node: "node-a", message: "connection refused" }];

function judge(code: Code, detail?: ImportFailureFacts["detail"], used: readonly string[] = USED): string {
  const facts = { code, message: "it failed", ...(detail !== undefined && { detail }) };
  const verdict = judgeImportFailure(facts, used);
  if (verdict.kind === "permanent") return `permanent ${verdict.reason}`;
  return [verdict.kind, ...verdict.failed.keys()].join(" ");
}

const TABLE: readonly (readonly [string, Code, ImportFailureFacts["detail"], string])[] = [
  ["the agent is away", Code.Unavailable, undefined, "retry"],
  ["the call took too long", Code.DeadlineExceeded, undefined, "retry"],
  ["the stream broke", Code.Unknown, undefined, "retry"],
  ["the agent has too many imports", Code.ResourceExhausted, undefined, "retry"],
  ["the grant is not good yet, or any more", Code.PermissionDenied, undefined, "retry"],
  ["the certificate is being renewed", Code.Unauthenticated, undefined, "retry"],
  ["the agent stops", Code.Aborted, undefined, "retry"],
  ["the agent trips", Code.Internal, undefined, "retry"],
  ["the request is wrong", Code.InvalidArgument, undefined, "permanent TransferFailed"],
  ["the agent is too old", Code.Unimplemented, undefined, "permanent TransferFailed"],
  ["the tag means something else there", Code.FailedPrecondition, undefined, "permanent TransferFailed"],
  ["sources are unreachable", Code.Unavailable, { retryable: true, sources: A_FAILED }, "retry node-a"],
  ["the agent shuts down", Code.Unavailable, { retryable: true, sources: [] }, "retry"],
  ["the disk is full", Code.ResourceExhausted, { retryable: false, sources: [] }, "permanent TransferFailed"],
  ["someone cancelled", Code.Canceled, { retryable: false, sources: [] }, "permanent Cancelled"],
  [
    "a source has wrong bytes",
    Code.DataLoss,
    { retryable: false, sources: A_FAILED },
    "other_sources node-a",
  ],
  [
    "a source discards layers",
    Code.FailedPrecondition,
    { retryable: false, sources: A_FAILED },
    "other_sources node-a",
  ],
  ["no source has a blob", Code.NotFound, { retryable: false, sources: [] }, "other_sources node-a node-c"],
  [
    "a layer does not unpack",
    Code.FailedPrecondition,
    { retryable: false, sources: [] },
    "permanent TransferFailed",
  ],
  [
    "the image cannot be understood",
    Code.InvalidArgument,
    { retryable: false, sources: A_FAILED },
    "permanent TransferFailed",
  ],
];

for (const [what, code, detail, expected] of TABLE) {
  test(`${what}: ${expected}`, () => {
    assert.equal(judge(code, detail), expected);
  });
}

test("what failed without any source cannot be had from others", () => {
  assert.equal(judge(Code.NotFound, { retryable: false, sources: [] }, []), "permanent TransferFailed");
});

test("pauses double up to a minute, with a share of chance, and end", () => {
  const pauses = Array.from({ length: ATTEMPTS_MAX }, (_, index) => retryDelay(index + 1, 0.5));
  assert.deepEqual(pauses, [2000, 4000, 8000, 16_000, 32_000, RETRY_MAX_MS, RETRY_MAX_MS, undefined]);
  assert.equal(retryDelay(1, 0), 1600);
  assert.ok((retryDelay(1, 0.999) ?? 0) < 2400);
  assert.equal(retryDelay(1000, 0.5), undefined);
});

test("all attempts together end well within the 30 minutes of a record", () => {
  const total = Array.from({ length: ATTEMPTS_MAX }, (_, index) => retryDelay(index + 1, 1) ?? 0);
  assert.ok(total.reduce((sum, pause) => sum + pause, 0) < 10 * 60_000);
});

test("the pause before another episode doubles, too, up to six hours", () => {
  const minutes = [1, 2, 3, 4, 7, 1000].map((episode) => recheckDelay(episode) / 60_000);
  assert.deepEqual(minutes, [10, 20, 40, 80, 360, 360]);
});
