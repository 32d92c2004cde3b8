import assert from "node:assert/strict";
import { truncate } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";

import { Code, ConnectError } from "@connectrpc/connect";

import { isNotFound } from "./errors.ts";
import { collect, digestOf, putBlob, randomBlob, suiteContainerd } from "./testing.ts";

const MIB = 1024 * 1024;

function hasCode(code: Code): (error: unknown) => boolean {
  return (error) => error instanceof ConnectError && error.code === code;
}

void describe("reading blobs", () => {
  const suite = suiteContainerd();

  void test("a blob is read from its start, from the middle, and from its end", async () => {
    const { content } = suite.containerd;
    const blob = randomBlob(9 * MIB + 5);
    await putBlob(suite.containerd, blob);
    const chunks = await collect(content.read(blob.digest));
    assert.equal(digestOf(Buffer.concat(chunks)), blob.digest);
    for (const offset of [1, 4 * MIB + 1, blob.size - 1, blob.size]) {
      const rest = Buffer.concat(await collect(content.read(blob.digest, { offset })));
      assert.deepEqual(
        [rest.length, digestOf(rest)],
        [blob.size - offset, digestOf(blob.bytes.subarray(offset))],
      );
    }
    const past = collect(content.read(blob.digest, { offset: blob.size + 1 }));
    await assert.rejects(past, hasCode(Code.OutOfRange));
  });

  void test("chunks stay as they were while the reader goes on", async () => {
    const blob = randomBlob(8 * MIB);
    await putBlob(suite.containerd, blob);
    const chunks = [];
    const digests = [];
    for await (const chunk of suite.containerd.content.read(blob.digest)) {
      chunks.push(chunk);
      digests.push(digestOf(chunk));
    }
    assert.deepEqual(chunks.map(digestOf), digests);
  });

  void test("a blob that is not there is not found", async () => {
    const { content } = suite.containerd;
    const { digest } = randomBlob(1);
    await assert.rejects(collect(content.read(digest)), isNotFound);
    await assert.rejects(content.readAll(digest, { maxBytes: 10 }), isNotFound);
    assert.equal(await content.info(digest), undefined);
  });

  void test("a small blob is read in one piece, a larger one than allowed is refused", async () => {
    const { content } = suite.containerd;
    const blob = randomBlob(3 * MIB);
    await putBlob(suite.containerd, blob);
    assert.equal(digestOf(await content.readAll(blob.digest, { maxBytes: blob.size })), blob.digest);
    const refused = content.readAll(blob.digest, { maxBytes: blob.size - 1 });
    await assert.rejects(refused, hasCode(Code.ResourceExhausted));
    const empty = randomBlob(0);
    await putBlob(suite.containerd, empty);
    assert.equal((await content.readAll(empty.digest, { maxBytes: 0 })).length, 0);
  });

  void test("readers that stand still or have left are in nobody's way", async () => {
    const { content } = suite.containerd;
    const blob = randomBlob(40 * MIB);
    await putBlob(suite.containerd, blob);
    const standing = Array.from({ length: 12 }, () => content.read(blob.digest)[Symbol.asyncIterator]());
    for (const reader of standing) assert.equal((await reader.next()).done, false);
    for (let count = 0; count < 12; count++) {
      for await (const chunk of content.read(blob.digest)) {
        assert.ok(chunk.length > 0);
        break;
      }
    }
    const chunks = await collect(content.read(blob.digest));
    assert.equal(digestOf(Buffer.concat(chunks)), blob.digest);
    for (const reader of standing) await reader.return?.();
  });

  void test("a fired signal ends the read", async () => {
    const { content } = suite.containerd;
    const blob = randomBlob(20 * MIB);
    await putBlob(suite.containerd, blob);
    const abort = new AbortController();
    let bytes = 0;
    await assert.rejects(async () => {
      for await (const chunk of content.read(blob.digest, { signal: abort.signal })) {
        bytes += chunk.length;
        abort.abort(new Error("enough"));
      }
    }, /\[canceled\] the call to containerd was canceled: enough/);
    assert.ok(bytes < blob.size, `${bytes} bytes read`);
    await assert.rejects(
      collect(content.read(blob.digest, { signal: abort.signal })),
      hasCode(Code.Canceled),
    );
  });

  void test("a file that was cut short gives fewer bytes and no error", async () => {
    const { content } = suite.containerd;
    const blob = randomBlob(2 * MIB);
    await putBlob(suite.containerd, blob);
    const path = join(suite.node.contentDir, "blobs", blob.digest.replace(":", "/"));
    await truncate(path, MIB);
    const length = Buffer.concat(await collect(content.read(blob.digest))).length;
    assert.equal(length, MIB);
    assert.equal((await content.info(blob.digest))?.size, blob.size);
  });
});
