import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Code, ConnectError } from "@connectrpc/connect";

import { BLOB_MAX_ATTEMPTS, CONTAINERD_MAX_RESTARTS, INGEST_LOCK_WAIT_MS } from "../limits.ts";
import { ingestRef } from "./blob-fetcher.ts";
import { ImportError } from "./import-error.ts";
import { digestOf } from "./memory-content.fixture.ts";
import { breaksAt, createFetchRig, inTurn, sends, type FetchRig } from "./scripted-sources.fixture.ts";

const BYTES = Buffer.from("the bytes of a layer, all of them");
const WRONG = Buffer.from("these bytes belong to another one");
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

describe("wrong bytes", () => {
  test("of one source: it is left out with both digests, the next sends all of the blob", async () => {
    const rig = createFetchRig({ a: sends(WRONG), b: sends(BYTES) });
    await rig.fetcher.fetch(BLOB, rig.context);
    assertStored(rig);
    assert.deepEqual(rig.asked, ["a 0", "b 0"]);
    assert.deepEqual(
      rig.pool.alive.map(({ node }) => node),
      ["b"],
    );
    const message = rig.pool.failures[0]?.message ?? "";
    assert.ok(message.includes(DIGEST) && message.includes(digestOf(WRONG)), message);
    assert.equal(rig.seen.received, BYTES.length, "bytes thrown away are not counted for the import");
    assert.equal(rig.seen.counted, 2 * BYTES.length, "but have been received");
  });

  test("of the only source end the fetch for good, and none of them is left", async () => {
    const rig = createFetchRig({ a: sends(WRONG) });
    const error = await refusal(rig.fetcher.fetch(BLOB, rig.context));
    assert.equal(error.code, Code.DataLoss);
    assert.equal(error.retryable, false);
    assert.ok(error.message.includes(DIGEST) && error.message.includes(digestOf(WRONG)), error.message);
    assert.equal(rig.content.ingests.get(ingestRef(DIGEST))?.length, 0);
    assert.equal(rig.content.blobs.size, 0);
  });

  test("of many sources: however many lie, the honest one is found", async () => {
    const liars = Object.fromEntries(
      Array.from({ length: 2 * BLOB_MAX_ATTEMPTS }, (_, at) => [`liar-${at}`, sends(WRONG)]),
    );
    const rig = createFetchRig({ ...liars, honest: sends(BYTES) });
    await rig.fetcher.fetch(BLOB, rig.context);
    assertStored(rig);
    assert.deepEqual(
      rig.pool.alive.map(({ node }) => node),
      ["honest"],
    );
  });

  test("of unknown origin: one source alone sends the whole blob, which tells who lied", async () => {
    const rig = createFetchRig({
      a: inTurn(breaksAt(HALF, WRONG, gone), sends(WRONG)),
      b: sends(BYTES),
    });
    await rig.fetcher.fetch(BLOB, rig.context);
    assertStored(rig);
    assert.deepEqual(rig.asked, ["a 0", `b ${HALF}`, "a 0", "b 0"]);
    assert.deepEqual(
      rig.pool.alive.map(({ node }) => node),
      ["b"],
    );
    assert.match(rig.pool.failures[0]?.message ?? "", /wrong bytes/);
  });

  test("kept from an earlier try: they are thrown away, and whoever sends the rest is not blamed", async () => {
    const rig = createFetchRig({ a: sends(BYTES) });
    rig.content.ingests.set(ingestRef(DIGEST), WRONG.subarray(0, HALF));
    await rig.fetcher.fetch(BLOB, rig.context);
    assertStored(rig);
    assert.deepEqual(rig.asked, [`a ${HALF}`, "a 0"]);
    assert.deepEqual(
      rig.pool.alive.map(({ node }) => node),
      ["a"],
    );
    assert.deepEqual(rig.seen.opened, [HALF, 0]);
    assert.equal(rig.seen.discarded, 1);
  });

  test("and then only parts from each source: it gives up, to be tried again", async () => {
    const rig = createFetchRig({ a: breaksAt(HALF, BYTES, gone) });
    rig.content.ingests.set(ingestRef(DIGEST), WRONG);
    const error = await refusal(rig.fetcher.fetch(BLOB, rig.context));
    assert.equal(error.code, Code.Unavailable);
    assert.equal(error.retryable, true);
    assert.match(error.message, /came only up to byte 16 from one source, at attempt 5/);
    assert.equal(rig.asked.length, BLOB_MAX_ATTEMPTS - 1);
  });
});

describe("the content store", () => {
  test("has the blob: no source is asked", async () => {
    const rig = createFetchRig({ a: sends(WRONG) });
    rig.content.blobs.set(DIGEST, BYTES);
    await rig.fetcher.fetch(BLOB, rig.context);
    assert.deepEqual(rig.asked, []);
  });

  test("has all bytes but no blob: it is committed, no source is asked", async () => {
    for (const size of [BYTES.length, undefined]) {
      const rig = createFetchRig({ a: sends(WRONG) });
      rig.content.ingests.set(ingestRef(DIGEST), BYTES);
      await rig.fetcher.fetch({ digest: DIGEST, size }, rig.context);
      assertStored(rig);
      assert.deepEqual(rig.asked, []);
    }
  });

  test("knows the blob, but its file is gone: it is fetched again", async () => {
    const rig = createFetchRig({ a: sends(BYTES) });
    rig.content.blobs.set(DIGEST, BYTES);
    rig.content.onCall = (call) => {
      if (call === "read") throw new ConnectError("open: no such file or directory", Code.NotFound);
    };
    await rig.fetcher.fetch(BLOB, rig.context);
    assertStored(rig);
    assert.deepEqual(rig.asked, ["a 0"]);
  });

  test("has another writer at the ingest: it is waited for", async () => {
    const rig = createFetchRig({ a: sends(BYTES) });
    rig.content.locked.add(ingestRef(DIGEST));
    let tries = 0;
    rig.content.onCall = (call) => {
      if (call === "open" && ++tries === 4) rig.content.locked.clear();
    };
    await rig.fetcher.fetch(BLOB, rig.context);
    assertStored(rig);
    assert.equal(tries, 4);
    assert.equal(rig.seen.waits, 0, "containerd was taken for absent");
  });

  test("has another writer for too long: the fetch fails with its ref", async () => {
    const rig = createFetchRig({ a: sends(BYTES) });
    rig.content.locked.add(ingestRef(DIGEST));
    await assert.rejects(
      rig.fetcher.fetch(BLOB, rig.context),
      new RegExp(`ref ${ingestRef(DIGEST)} locked for`),
    );
    assert.ok(rig.elapsed() >= INGEST_LOCK_WAIT_MS);
  });

  test("goes away in the middle: it is waited for, and the blob resumed where it was", async () => {
    const rig = createFetchRig({ a: sends(BYTES) });
    let writes = 0;
    rig.content.onCall = (call) => {
      if (call === "write" && ++writes === 2)
        throw new ConnectError("cannot reach containerd", Code.Unavailable);
    };
    await rig.fetcher.fetch(BLOB, rig.context);
    assertStored(rig);
    assert.equal(rig.seen.waits, 1);
    assert.deepEqual(rig.asked, ["a 0", `a ${HALF}`]);
    assert.deepEqual(rig.pool.failures, [], "the source was blamed for containerd");
  });

  test("goes away again and again: the fetch ends with its error", async () => {
    const rig = createFetchRig({ a: sends(BYTES) });
    rig.content.onCall = () => {
      throw new ConnectError("cannot reach containerd", Code.Unavailable);
    };
    await assert.rejects(rig.fetcher.fetch(BLOB, rig.context), /cannot reach containerd/);
    assert.equal(rig.seen.waits, CONTAINERD_MAX_RESTARTS);
  });

  test("is full: the fetch ends with its error at once", async () => {
    const rig = createFetchRig({ a: sends(BYTES), b: sends(BYTES) });
    rig.content.onCall = (call) => {
      if (call === "write") throw new ConnectError("no space left on device", Code.ResourceExhausted);
    };
    await assert.rejects(rig.fetcher.fetch(BLOB, rig.context), /no space left/);
    assert.deepEqual(rig.asked, ["a 0"]);
    assert.deepEqual(rig.pool.failures, []);
  });

  test("keeps what it has when the import is stopped, free for the next writer", async () => {
    const rig = createFetchRig({
      a: async function* (_offset, { signal }) {
        yield { size: BYTES.length };
        yield { data: BYTES.subarray(0, HALF) };
        rig.stop.abort(new Error("stopped"));
        signal.throwIfAborted();
      },
    });
    await assert.rejects(rig.fetcher.fetch(BLOB, rig.context), /stopped/);
    assert.deepEqual(rig.content.ingests.get(ingestRef(DIGEST)), BYTES.subarray(0, HALF));
    assert.equal(rig.content.locked.size, 0);
    assert.deepEqual(rig.pool.failures, []);
  });
});
