import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Code, ConnectError } from "@connectrpc/connect";

import { STREAM_END_WAIT_MS } from "../limits.ts";
import { ingestRef } from "./blob-fetcher.ts";
import { ImportError } from "./import-error.ts";
import { digestOf } from "./memory-content.fixture.ts";
import {
  breaksAt,
  createFetchRig,
  inTurn,
  sends,
  type FetchRig,
  type Script,
} from "./scripted-sources.fixture.ts";

const BYTES = Buffer.from("the bytes of a layer, all of them");
const DIGEST = digestOf(BYTES);
const HALF = Math.floor(BYTES.length / 2);
const BLOB = { digest: DIGEST, size: BYTES.length };
const gone = new ConnectError("connection reset", Code.Unavailable);

async function refusal(work: Promise<unknown>): Promise<ImportError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ImportError, String(error));
  return error;
}

function assertStored({ content }: FetchRig): void {
  assert.deepEqual(content.blobs.get(DIGEST), BYTES);
  assert.equal(content.ingests.size, 0);
  assert.equal(content.locked.size, 0);
}

describe("a source that fails", () => {
  test("in the middle of a blob is followed by the next, which begins where it ended; bytes count once", async () => {
    const rig = createFetchRig({ a: breaksAt(HALF, BYTES, gone), b: sends(BYTES) });
    await rig.fetcher.fetch(BLOB, rig.context);
    assertStored(rig);
    assert.deepEqual(rig.asked, ["a 0", `b ${HALF}`]);
    assert.equal(rig.seen.counted, BYTES.length);
    assert.deepEqual(
      rig.pool.used.map(({ node }) => node),
      ["a", "b"],
    );
  });

  test("and is the only one is asked again after a pause, from where it ended", async () => {
    const rig = createFetchRig({ a: inTurn(breaksAt(5, BYTES, gone), sends(BYTES)) });
    await rig.fetcher.fetch(BLOB, rig.context);
    assertStored(rig);
    assert.deepEqual(rig.asked, ["a 0", "a 5"]);
    assert.equal(rig.seen.slept[0], 500);
  });

  test("for good ends the fetch as unavailable, and what came stays for a next try", async () => {
    const rig = createFetchRig({ a: breaksAt(HALF, BYTES, gone) });
    const error = await refusal(rig.fetcher.fetch(BLOB, rig.context));
    assert.equal(error.code, Code.Unavailable);
    assert.equal(error.retryable, true);
    assert.match(error.message, /a: connection reset/);
    assert.deepEqual(rig.content.ingests.get(ingestRef(DIGEST)), BYTES.subarray(0, HALF));
    assert.equal(rig.content.locked.size, 0);
  });

  test("by announcing another size is not asked for this blob again", async () => {
    const rig = createFetchRig({ a: sends(BYTES, BYTES.length + 1), b: sends(BYTES) });
    await rig.fetcher.fetch(BLOB, rig.context);
    assertStored(rig);
    assert.deepEqual(rig.asked, ["a 0", "b 0"]);
    assert.match(
      rig.pool.failures[0]?.message ?? "",
      /has 34 bytes for sha256:[0-9a-f]+, its manifest says 33/,
    );
  });

  test("by announcing more than metadata may have is not asked for it again", async () => {
    const rig = createFetchRig({ a: sends(BYTES), b: sends(BYTES) });
    const context = { ...rig.context, maxBytes: BYTES.length - 1 };
    const error = await refusal(rig.fetcher.fetch({ digest: DIGEST, size: undefined }, context));
    assert.equal(error.code, Code.FailedPrecondition);
    assert.equal(error.retryable, false);
    assert.match(error.message, /a: has 33 bytes .* may have 32; b: has 33 bytes/);
    assert.deepEqual(rig.asked, ["a 0", "b 0"]);
  });

  test("by sending less than it announced goes the way of one that breaks off", async () => {
    const short: Script = async function* (offset) {
      yield { size: BYTES.length };
      if (offset < HALF) yield { data: BYTES.subarray(offset, HALF) };
    };
    const rig = createFetchRig({ a: short, b: sends(BYTES) });
    await rig.fetcher.fetch(BLOB, rig.context);
    assertStored(rig);
    assert.deepEqual(rig.asked, ["a 0", `b ${HALF}`]);
    const alone = createFetchRig({ a: short });
    const error = await refusal(alone.fetcher.fetch(BLOB, alone.context));
    assert.equal(error.code, Code.Unavailable);
    assert.match(error.message, /a: stream ended at byte 16 of 33/);
  });

  test("by sending more than it announced in one piece is followed by the next", async () => {
    const long: Script = async function* () {
      yield { size: BYTES.length };
      yield { data: Buffer.concat([BYTES, BYTES]) };
    };
    const rig = createFetchRig({ a: long, b: sends(BYTES) });
    await rig.fetcher.fetch(BLOB, rig.context);
    assertStored(rig);
    const alone = createFetchRig({ a: long });
    const error = await refusal(alone.fetcher.fetch(BLOB, alone.context));
    assert.match(error.message, /a: sent more than the 33 bytes it announced/);
  });

  test("by going on after the last byte, or by never ending, does no harm", async () => {
    for (const afterwards of [
      async function* () {
        for (;;) yield { data: BYTES };
      },
      async function* (_offset: number, { signal }: { readonly signal: AbortSignal }) {
        await new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(gone)));
        yield { data: BYTES };
      },
    ] satisfies Script[]) {
      const rig = createFetchRig({
        a: async function* (offset, request) {
          yield* sends(BYTES)(offset, request);
          yield* afterwards(offset, request);
        },
      });
      await rig.fetcher.fetch(BLOB, rig.context);
      assertStored(rig);
      assert.equal(rig.seen.counted, BYTES.length);
      assert.ok(rig.elapsed() <= STREAM_END_WAIT_MS);
    }
  });
});
