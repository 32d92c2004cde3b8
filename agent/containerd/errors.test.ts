import assert from "node:assert/strict";
import { test } from "node:test";

import { Code, ConnectError } from "@connectrpc/connect";

import {
  isAlreadyExists,
  isLocked,
  isMessageTooLarge,
  isNoSpace,
  isNotFound,
  isUnavailable,
  isWrongContent,
  toContainerdError,
  undefinedIfExists,
  undefinedIfNotFound,
} from "./errors.ts";

const socket = "/run/containerd/containerd.sock";
const tests = {
  isAlreadyExists,
  isLocked,
  isMessageTooLarge,
  isNoSpace,
  isNotFound,
  isUnavailable,
  isWrongContent,
};

function nodeError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

/** What a call rejected with, the code it gets, and the one question that it answers with yes. */
const cases: readonly (readonly [string, unknown, Code, keyof typeof tests | undefined])[] = [
  [
    "missing",
    new ConnectError("content digest sha256:x: not found", Code.NotFound),
    Code.NotFound,
    "isNotFound",
  ],
  [
    "there",
    new ConnectError("snapshot x: already exists", Code.AlreadyExists),
    Code.AlreadyExists,
    "isAlreadyExists",
  ],
  [
    "locked",
    new ConnectError(
      "ref 1/k8s.io/tote-sha256:x locked for 1.5s (since 2026-01-01 UTC): unavailable",
      Code.Unavailable,
    ),
    Code.Unavailable,
    "isLocked",
  ],
  ["refused", nodeError("ECONNREFUSED", "connect ECONNREFUSED"), Code.Unavailable, "isUnavailable"],
  [
    "no socket",
    new ConnectError("x", Code.Internal, undefined, undefined, nodeError("ENOENT", "x")),
    Code.Unavailable,
    "isUnavailable",
  ],
  [
    "reset",
    new ConnectError("http/2 stream closed with error code CANCEL", Code.Canceled),
    Code.Unavailable,
    "isUnavailable",
  ],
  ["shutting down", new ConnectError("context canceled", Code.Canceled), Code.Unavailable, "isUnavailable"],
  [
    "starting",
    new ConnectError("server is not initialized yet", Code.Unknown),
    Code.Unavailable,
    "isUnavailable",
  ],
  [
    "slow",
    new ConnectError("the operation timed out", Code.DeadlineExceeded),
    Code.DeadlineExceeded,
    undefined,
  ],
  [
    "full",
    new ConnectError("write /var/lib/containerd/x: no space left on device: unknown", Code.Unknown),
    Code.ResourceExhausted,
    "isNoSpace",
  ],
  [
    "quota",
    new ConnectError("write /x: disk quota exceeded", Code.Unknown),
    Code.ResourceExhausted,
    "isNoSpace",
  ],
  [
    "too large",
    new ConnectError("grpc: received message larger than max (8388626 vs. 2097152)", Code.ResourceExhausted),
    Code.ResourceExhausted,
    "isMessageTooLarge",
  ],
  [
    "wrong digest",
    new ConnectError(
      "unexpected commit digest sha256:a, expected sha256:b: failed precondition",
      Code.FailedPrecondition,
    ),
    Code.FailedPrecondition,
    "isWrongContent",
  ],
  [
    "wrong size",
    new ConnectError('"x" failed size validation: 5 != 6: failed precondition', Code.FailedPrecondition),
    Code.FailedPrecondition,
    "isWrongContent",
  ],
  [
    "other",
    new ConnectError("snapshot x has children", Code.FailedPrecondition),
    Code.FailedPrecondition,
    undefined,
  ],
  [
    "no cri",
    new ConnectError("unknown service runtime.v1.ImageService", Code.Unimplemented),
    Code.Unimplemented,
    undefined,
  ],
  ["a mistake here", new TypeError("x is not a function"), Code.Unknown, undefined],
];

for (const [name, reason, code, yes] of cases) {
  void test(`${name}: ${Code[code]}${yes === undefined ? "" : `, ${yes}`}`, () => {
    const error = toContainerdError(reason, socket);
    assert.equal(error.code, code, String(error));
    const answers = Object.entries(tests).filter(([, ask]) => ask(error));
    assert.deepEqual(
      answers.map(([question]) => question),
      yes === undefined ? [] : [yes],
    );
    if (yes === "isUnavailable" || name === "slow" || name === "no cri")
      assert.ok(error.message.includes(socket));
  });
}

void test("once the caller's signal has fired, the error is that, with the signal's reason as cause", () => {
  const reason = new Error("enough");
  const error = toContainerdError(
    nodeError("ECONNRESET", "read ECONNRESET"),
    socket,
    AbortSignal.abort(reason),
  );
  assert.deepEqual([error.code, error.cause], [Code.Canceled, reason]);
  const own = new ConnectError("shutting down", Code.Unavailable);
  assert.equal(toContainerdError(new Error("x"), socket, AbortSignal.abort(own)), own);
});

void test("nothing else is taken for an error of containerd", () => {
  for (const ask of Object.values(tests)) {
    for (const value of [
      undefined,
      null,
      "not found",
      new Error("no space left on device"),
      { code: Code.NotFound },
    ]) {
      assert.equal(ask(value), false);
    }
  }
});

void test("absence and presence become undefined, other errors go on", async () => {
  const missing = new ConnectError("x", Code.NotFound);
  const there = new ConnectError("x", Code.AlreadyExists);
  assert.equal(await undefinedIfNotFound(Promise.reject(missing)), undefined);
  assert.equal(await undefinedIfExists(Promise.reject(there)), undefined);
  assert.equal(await undefinedIfNotFound(Promise.resolve(1)), 1);
  await assert.rejects(undefinedIfNotFound(Promise.reject(there)), there);
  await assert.rejects(undefinedIfExists(Promise.reject(missing)), missing);
});
