import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";

import { Code, ConnectError } from "@connectrpc/connect";

import { isLocked, isNotFound, isUnavailable, isWrongContent } from "./errors.ts";
import {
  blobOf,
  collect,
  digestOf,
  forceGc,
  openedWriter,
  putBlob,
  randomBlob,
  suiteContainerd,
} from "./testing.ts";

const MIB = 1024 * 1024;

void describe("writing blobs", () => {
  const suite = suiteContainerd();

  void test("a blob of many messages is stored whole, with its labels, and in its lease", async () => {
    const { content, leases } = suite.containerd;
    const lease = randomUUID();
    await leases.create({ id: lease });
    const blob = randomBlob(21 * MIB + 17);
    const writer = await openedWriter(suite.containerd, blob, { lease });
    assert.equal(writer.offset, 0);
    // one chunk larger than a message, one smaller than a frame, the rest as a stream brings them
    const cuts = [0, 9 * MIB, 9 * MIB + 3, 10 * MIB, 10 * MIB, 20 * MIB, blob.size];
    for (const [at, start] of cuts.slice(0, -1).entries())
      await writer.write(blob.bytes.subarray(start, cuts[at + 1]));
    assert.equal(writer.offset, blob.size);
    const labels = { "test/label": "yes" };
    assert.equal(await writer.commit({ size: blob.size, digest: blob.digest, labels }), "committed");
    assert.equal(writer.acknowledged, blob.size);
    await writer.close();

    const info = await content.info(blob.digest);
    assert.deepEqual([info?.size, info?.labels], [blob.size, labels]);
    assert.equal(digestOf(Buffer.concat(await collect(content.read(blob.digest)))), blob.digest);
    assert.deepEqual(await leases.resources(lease), [{ id: blob.digest, type: "content" }]);
    assert.equal(await content.ingest(blob.ref), undefined);
  });

  void test("an empty blob is stored", async () => {
    const blob = blobOf(new Uint8Array(0));
    await putBlob(suite.containerd, blob);
    assert.equal((await suite.containerd.content.info(blob.digest))?.size, 0);
  });

  void test("a blob that exists needs no writer and gets into the lease", async () => {
    const { content, leases } = suite.containerd;
    const lease = randomUUID();
    await leases.create({ id: lease });
    const blob = randomBlob(1000);
    await putBlob(suite.containerd, blob);
    assert.deepEqual(await content.openWriter({ ...blob, lease }), { kind: "exists" });
    assert.deepEqual(await leases.resources(lease), [{ id: blob.digest, type: "content" }]);
  });

  void test("a closed writer keeps what was written, and the next one goes on there", async () => {
    const { content } = suite.containerd;
    const blob = randomBlob(5 * MIB);
    const first = await openedWriter(suite.containerd, blob);
    await first.write(blob.bytes.subarray(0, 3 * MIB));
    await first.close();
    const ingest = await content.ingest(blob.ref);
    assert.deepEqual([ingest?.offset, ingest?.total, ingest?.ref], [3 * MIB, blob.size, blob.ref]);
    await assert.rejects(first.write(blob.bytes), /writer closed at byte 3145728/);

    const second = await openedWriter(suite.containerd, blob);
    assert.deepEqual([second.offset, second.acknowledged], [3 * MIB, 3 * MIB]);
    await second.write(blob.bytes.subarray(second.offset));
    assert.equal(await second.commit(blob), "committed");
    await second.close();
    assert.equal((await content.info(blob.digest))?.size, blob.size);
  });

  void test("a resumed ingest that holds everything is committed without another byte", async () => {
    const blob = randomBlob(2 * MIB);
    const first = await openedWriter(suite.containerd, blob);
    await first.write(blob.bytes);
    await first.close();
    const second = await openedWriter(suite.containerd, blob);
    assert.equal(second.offset, blob.size);
    // a commit that said offset 0 would make containerd throw the bytes away
    assert.equal(await second.commit(blob), "committed");
    await second.close();
    assert.equal(
      digestOf(await suite.containerd.content.readAll(blob.digest, { maxBytes: blob.size })),
      blob.digest,
    );
  });

  void test("wrong bytes are refused with both digests, and are gone after abort", async () => {
    const { content } = suite.containerd;
    const blob = randomBlob(1 * MIB);
    const wrong = randomBlob(1 * MIB);
    const writer = await openedWriter(suite.containerd, blob);
    await writer.write(wrong.bytes);
    await assert.rejects(writer.commit(blob), (error: unknown) => {
      assert.ok(error instanceof ConnectError && isWrongContent(error), String(error));
      assert.equal(error.code, Code.FailedPrecondition);
      assert.ok(error.message.includes(blob.digest) && error.message.includes(wrong.digest), error.message);
      return true;
    });
    await writer.close();
    assert.equal((await content.ingest(blob.ref))?.offset, blob.size);
    await content.abort(blob.ref);
    assert.equal(await content.ingest(blob.ref), undefined);
    await content.abort(blob.ref);
    await putBlob(suite.containerd, blob);
  });

  void test("a commit that comes too early is refused, and the ingest can go on", async () => {
    const blob = randomBlob(1 * MIB);
    const writer = await openedWriter(suite.containerd, blob);
    await writer.write(blob.bytes.subarray(0, 1000));
    await assert.rejects(writer.commit(blob), isWrongContent);
    await writer.close();
    const again = await openedWriter(suite.containerd, blob);
    assert.equal(again.offset, 1000);
    await again.write(blob.bytes.subarray(1000));
    assert.equal(await again.commit(blob), "committed");
    await again.close();
  });

  void test("a second writer of the same ref is told that it is locked until the first one closes", async () => {
    const blob = randomBlob(1000);
    const first = await openedWriter(suite.containerd, blob);
    await assert.rejects(openedWriter(suite.containerd, blob), (error: unknown) => {
      assert.ok(isLocked(error), String(error));
      assert.ok(!isUnavailable(error));
      return true;
    });
    await first.close();
    const second = await openedWriter(suite.containerd, blob);
    await second.close();
  });

  void test("two refs write one blob: the second commit says that it exists, and it is in both leases", async () => {
    const { leases } = suite.containerd;
    const blob = randomBlob(1 * MIB);
    const writers = [];
    for (const ref of ["one", "two"]) {
      const lease = randomUUID();
      await leases.create({ id: lease });
      const writer = await openedWriter(suite.containerd, blob, { ref: `${blob.ref}-${ref}`, lease });
      await writer.write(blob.bytes);
      writers.push({ writer, lease });
    }
    const outcomes = [];
    for (const { writer } of writers) outcomes.push(await writer.commit(blob));
    assert.deepEqual(outcomes, ["committed", "exists"]);
    for (const { writer, lease } of writers) {
      await writer.close();
      assert.deepEqual(await leases.resources(lease), [{ id: blob.digest, type: "content" }]);
    }
    assert.deepEqual(await suite.containerd.content.listIngests([`ref~=${blob.ref}`]), []);
  });

  void test("a blob of another namespace is there to commit without a byte", async () => {
    const blob = randomBlob(3 * MIB);
    const other = suite.inNamespace("moby");
    await putBlob(other, blob, { lease: undefined });
    assert.equal(await suite.containerd.content.info(blob.digest), undefined);
    const writer = await openedWriter(suite.containerd, blob);
    assert.equal(writer.offset, blob.size);
    assert.equal(await writer.commit({ ...blob, labels: { "test/shared": "1" } }), "committed");
    await writer.close();
    assert.deepEqual((await suite.containerd.content.info(blob.digest))?.labels, { "test/shared": "1" });
    await other.content.delete(blob.digest);
    await forceGc(other);
    assert.equal(await other.content.info(blob.digest), undefined);
  });

  void test("a fired signal fails the writer at once, and close keeps what was under way", async () => {
    const blob = randomBlob(6 * MIB);
    const abort = new AbortController();
    const writer = await openedWriter(suite.containerd, blob, { signal: abort.signal });
    await writer.write(blob.bytes.subarray(0, 4 * MIB));
    abort.abort(new Error("enough"));
    await assert.rejects(writer.write(blob.bytes.subarray(4 * MIB)), (error: unknown) => {
      assert.ok(error instanceof ConnectError);
      assert.equal(error.code, Code.Canceled);
      assert.match(error.message, /enough/);
      return true;
    });
    await writer.close();
    assert.equal((await suite.containerd.content.ingest(blob.ref))?.offset, 4 * MIB);
    await assert.rejects(openedWriter(suite.containerd, blob, { signal: abort.signal }), /canceled: enough/);
  });

  void test("chunks that come fast share messages, of which one that is not whole at the end is lost", async () => {
    const { content } = suite.containerd;
    const blob = randomBlob(21 * MIB + 17);
    const options = { maxMessageBytes: 8 * MIB };
    const first = await openedWriter(suite.containerd, blob, options);
    // the first chunk shows how fast they come: the next message is of 8 MiB
    for (let at = 0; at < 12 * MIB; at += MIB) await first.write(blob.bytes.subarray(at, at + MIB));
    assert.equal(first.offset, 12 * MIB);
    await first.close();
    assert.equal(first.acknowledged, 9 * MIB);
    assert.equal((await content.ingest(blob.ref))?.offset, 9 * MIB);

    const second = await openedWriter(suite.containerd, blob, options);
    assert.equal(second.offset, 9 * MIB);
    for (let at = 9 * MIB; at < blob.size; at += MIB) await second.write(blob.bytes.subarray(at, at + MIB));
    assert.equal(await second.commit(blob), "committed");
    await second.close();
    assert.equal(digestOf(Buffer.concat(await collect(content.read(blob.digest)))), blob.digest);
  });

  void test("chunks that come slowly are messages of their own", async () => {
    const blob = randomBlob(4000);
    const writer = await openedWriter(suite.containerd, blob, { maxMessageBytes: 8 * MIB });
    for (let at = 0; at < 3000; at += 1000) {
      await writer.write(blob.bytes.subarray(at, at + 1000));
      await setTimeout(600);
    }
    await writer.close();
    assert.equal((await suite.containerd.content.ingest(blob.ref))?.offset, 3000);
  });

  void test("a commit in the middle of a message is refused, and the ingest can go on", async () => {
    const blob = randomBlob(3 * MIB);
    const options = { maxMessageBytes: 8 * MIB };
    const writer = await openedWriter(suite.containerd, blob, options);
    for (let at = 0; at < 2 * MIB; at += MIB) await writer.write(blob.bytes.subarray(at, at + MIB));
    await assert.rejects(
      writer.commit(blob),
      /commit at byte 2097152 of a blob that was opened with 3145728/,
    );
    await writer.close();
    const again = await openedWriter(suite.containerd, blob, options);
    await again.write(blob.bytes.subarray(again.offset));
    assert.equal(await again.commit(blob), "committed");
    await again.close();
  });

  void test("a lease that is gone is named", async () => {
    const blob = randomBlob(10);
    await assert.rejects(openedWriter(suite.containerd, blob, { lease: "nowhere" }), (error: unknown) => {
      assert.ok(isNotFound(error));
      assert.match(String(error), /lease/);
      return true;
    });
  });
});
