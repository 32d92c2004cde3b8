import assert from "node:assert/strict";
import { test } from "node:test";

import { Code, ConnectError } from "@connectrpc/connect";

import { SOURCE_MAX_FAILURES } from "../limits.ts";
import { ImportError } from "./import-error.ts";
import { SourcePool, type SourceRef } from "./source-pool.ts";

const A: SourceRef = { node: "a", endpoint: "https://10.0.0.1:9090" };
const B: SourceRef = { node: "b", endpoint: "https://10.0.0.2:9090" };
const BLOB = "sha256:aa";
const never = new AbortController().signal;
const gone = new ConnectError("connection refused", Code.Unavailable);

function rig(...sources: SourceRef[]) {
  let now = 0;
  const sleeps: number[] = [];
  const clock = {
    now: () => now,
    monotonic: () => now,
    sleep: async (ms: number) => {
      sleeps.push(ms);
      now += ms;
    },
  };
  const pool = new SourcePool({ sources, clock });
  const next = (digest = BLOB): Promise<string> => pool.use(digest, never, async ({ node }) => node);
  /** fails a source as often as it is asked, `times` times */
  const failAgain = async (ref: SourceRef, times: number): Promise<void> => {
    for (let round = 0; round < times; round++) {
      await pool.use(BLOB, never, async (source) => assert.equal(source.node, ref.node));
      pool.failed(ref, BLOB, gone);
    }
  };
  return { pool, sleeps, next, failAgain };
}

async function refusal(next: () => Promise<string>): Promise<ImportError> {
  const error = await next().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ImportError, String(error));
  return error;
}

test("the least busy source comes first, the order given decides among equals", async () => {
  const { pool, next } = rig(A, B);
  assert.equal(await next(), "a");
  await pool.use(BLOB, never, async () => assert.equal(await next(), "b"));
});

test("a source that fails is passed over while it backs off, and asked again when it is the last", async () => {
  const { pool, next, sleeps } = rig(A, B);
  pool.failed(A, BLOB, gone);
  assert.equal(await next(), "b");
  assert.deepEqual(sleeps, []);
  pool.failed(B, BLOB, gone);
  assert.equal(await next(), "a");
  assert.deepEqual(sleeps, [500]);
});

test("the pause doubles with each failure", async () => {
  const { sleeps, failAgain } = rig(A);
  await failAgain(A, SOURCE_MAX_FAILURES);
  assert.deepEqual(sleeps, [500, 1000, 2000]);
});

test("streams of one source that break together are one failure", async () => {
  const { pool, next, sleeps } = rig(A);
  for (let stream = 0; stream < 2 * SOURCE_MAX_FAILURES; stream++) pool.failed(A, BLOB, gone);
  assert.equal(await next(), "a");
  assert.deepEqual(sleeps, [500]);
});

test("bytes wipe a source's failures", async () => {
  const { pool, next, failAgain } = rig(A);
  for (let round = 0; round < 3 * SOURCE_MAX_FAILURES; round++) {
    await failAgain(A, 1);
    pool.received(A, 1);
  }
  assert.equal(await next(), "a");
  assert.deepEqual(pool.used, [A]);
});

test("a source that is not there ends the import as unavailable, to be tried again", async () => {
  const { next, failAgain } = rig(A);
  await failAgain(A, SOURCE_MAX_FAILURES);
  const error = await refusal(next);
  assert.equal(error.code, Code.Unavailable);
  assert.equal(error.retryable, true);
  assert.match(error.message, /a: connection refused/);
});

test("a source that is busy is waited for, however often it says so", async () => {
  const { pool, next, sleeps } = rig(A);
  for (let round = 0; round < 3 * SOURCE_MAX_FAILURES; round++) {
    pool.failed(A, BLOB, new ConnectError("64 streams run here", Code.ResourceExhausted));
    assert.equal(await next(), "a");
  }
  assert.deepEqual(new Set(sleeps), new Set([2000]));
});

test("a blob that no source has ends the import for good, other blobs are still asked for", async () => {
  const { pool, next } = rig(A, B);
  pool.failed(A, BLOB, new ConnectError("LAYERS_DISCARDED: gone", Code.FailedPrecondition));
  pool.failed(B, BLOB, new ConnectError("not here", Code.NotFound));
  const error = await refusal(next);
  assert.equal(error.code, Code.FailedPrecondition);
  assert.equal(error.retryable, false);
  assert.match(error.message, /a: LAYERS_DISCARDED: gone; b: not here/);
  assert.equal(await next("sha256:bb"), "a");
});

test("a source that sent wrong bytes is out for every blob, also when a later caller names it again", async () => {
  const { pool, next } = rig(A, B);
  pool.received(A, 7);
  pool.corrupt(A, 7, "wrong bytes");
  assert.equal(await next("sha256:bb"), "b");
  assert.deepEqual(pool.used, [], "wrong bytes count");
  pool.replace([A]);
  const error = await refusal(next);
  assert.equal(error.code, Code.DataLoss);
  assert.equal(error.retryable, false);
});

test("a refused grant may be tried again with a fresh one, which clears the refusal", async () => {
  const { pool, next } = rig(A);
  pool.failed(A, BLOB, new ConnectError("grant expired", Code.PermissionDenied));
  const error = await refusal(next);
  assert.equal(error.code, Code.PermissionDenied);
  assert.equal(error.retryable, true);
  pool.replace([A]);
  assert.equal(await next(), "a");
});

test("a later caller's sources take the place of the former, whose bytes and streams still count", async () => {
  const { pool, next } = rig(A);
  await pool.use(BLOB, never, async (source) => {
    pool.replace([B, A]);
    pool.received(source, 5);
    // "a" is busy with this very stream
    assert.equal(await next(), "b");
  });
  pool.replace([B]);
  assert.equal(await next(), "b");
  assert.deepEqual(pool.alive, [B]);
  assert.deepEqual(pool.used, [A]);
  pool.replace([A, B]);
  assert.equal(await next(), "a", "the stream has ended");
});

test("without any source the sentence says so", async () => {
  const error = await refusal(rig().next);
  assert.match(error.message, /is not on this node and no sources were given/);
});
