import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";

import { isNotFound } from "./errors.ts";
import { collect, forceGc, openedWriter, putBlob, randomBlob, suiteContainerd } from "./testing.ts";

void describe("the content store", () => {
  const suite = suiteContainerd();

  void test("labels are set and removed one by one, and the others stay", async () => {
    const { content } = suite.containerd;
    const blob = randomBlob(100);
    await putBlob(suite.containerd, blob);
    const dotted = "containerd.io/gc.ref.content.l.0";
    await content.setLabels(blob.digest, { [dotted]: blob.digest, "test/a": "1", "test/b": "2" });
    await content.setLabels(blob.digest, { "test/a": "", "test/b": "3", "test/c": "4" });
    const expected = { [dotted]: blob.digest, "test/b": "3", "test/c": "4" };
    assert.deepEqual((await content.info(blob.digest))?.labels, expected);
    await content.setLabels(blob.digest, {});
    assert.deepEqual((await content.info(blob.digest))?.labels, expected);
    await assert.rejects(content.setLabels(randomBlob(1).digest, { "test/a": "1" }), isNotFound);
  });

  void test("a blob is labelled and leased in one go, or not at all when the lease is gone", async () => {
    const { content, leases } = suite.containerd;
    const lease = randomUUID();
    await leases.create({ id: lease });
    const blob = randomBlob(100);
    await putBlob(suite.containerd, blob);
    await content.setLabels(blob.digest, { "test/a": "1" }, { lease });
    assert.deepEqual(await leases.resources(lease), [{ id: blob.digest, type: "content" }]);
    await leases.delete(lease);
    await assert.rejects(content.setLabels(blob.digest, { "test/a": "2" }, { lease }), isNotFound);
  });

  void test("hundreds of labels are set in one call", async () => {
    const { content } = suite.containerd;
    const blob = randomBlob(100);
    await putBlob(suite.containerd, blob);
    const keys = Array.from({ length: 300 }, (_, at) => `containerd.io/gc.ref.content.l.${at}`);
    const labels = Object.fromEntries(keys.map((key) => [key, blob.digest]));
    await content.setLabels(blob.digest, labels);
    assert.deepEqual((await content.info(blob.digest))?.labels, labels);
  });

  void test("blobs are listed by filter, and leaving the list early is fine", async () => {
    const { content } = suite.containerd;
    const mark = randomUUID();
    const blobs = [randomBlob(10), randomBlob(20), randomBlob(30)];
    for (const blob of blobs) {
      await putBlob(suite.containerd, blob);
      await content.setLabels(blob.digest, { "test/mark": mark });
    }
    const found = await collect(content.list([`labels."test/mark"==${mark}`]));
    assert.deepEqual(found.map((info) => info.digest).sort(), blobs.map((blob) => blob.digest).sort());
    assert.ok(found.every((info) => info.createdAt instanceof Date && info.labels["test/mark"] === mark));
    for await (const info of content.list()) {
      assert.match(info.digest, /^sha256:/);
      break;
    }
    assert.ok((await collect(content.list())).length >= blobs.length);
  });

  void test("a deleted blob is gone, and deleting it again is fine", async () => {
    const { content } = suite.containerd;
    const blob = randomBlob(100);
    await putBlob(suite.containerd, blob);
    await content.delete(blob.digest);
    await content.delete(blob.digest);
    assert.equal(await content.info(blob.digest), undefined);
  });

  void test("ingests are listed by ref while they are open and after", async () => {
    const { content } = suite.containerd;
    const blob = randomBlob(1000);
    const writer = await openedWriter(suite.containerd, blob);
    assert.deepEqual(
      (await content.listIngests([`ref==${blob.ref}`])).map((ingest) => ingest.offset),
      [0],
    );
    await writer.write(blob.bytes.subarray(0, 10));
    await writer.close();
    const [ingest] = await content.listIngests([`ref==${blob.ref}`]);
    assert.deepEqual([ingest?.ref, ingest?.offset, ingest?.total], [blob.ref, 10, 1000]);
    assert.ok(ingest?.startedAt instanceof Date);
    await content.abort(blob.ref);
    assert.deepEqual(await content.listIngests([`ref==${blob.ref}`]), []);
  });

  void test("a lease keeps blobs and unfinished ingests from garbage collection until it is deleted", async () => {
    const { content, leases } = suite.containerd;
    const lease = randomUUID();
    assert.deepEqual(await leases.create({ id: lease, labels: { "test/label": "1" } }), { created: true });
    assert.deepEqual(await leases.create({ id: lease }), { created: false });
    assert.deepEqual(
      (await leases.list({ filters: [`id==${lease}`] })).map(({ id, labels }) => ({ id, labels })),
      [{ id: lease, labels: { "test/label": "1" } }],
    );
    const [leased, added, loose, partial] = [randomBlob(10), randomBlob(20), randomBlob(30), randomBlob(40)];
    await putBlob(suite.containerd, leased, { lease });
    await putBlob(suite.containerd, added, { lease: undefined });
    await leases.addResource(lease, { id: added.digest, type: "content" });
    await leases.addResource(lease, { id: added.digest, type: "content" });
    await putBlob(suite.containerd, loose, { lease: undefined });
    const writer = await openedWriter(suite.containerd, partial, { lease });
    await writer.write(partial.bytes.subarray(0, 5));
    await writer.close();

    await forceGc(suite.containerd);
    assert.equal((await content.info(leased.digest))?.size, 10);
    assert.equal((await content.info(added.digest))?.size, 20);
    assert.equal(await content.info(loose.digest), undefined);
    assert.equal((await content.ingest(partial.ref))?.offset, 5);
    const held = (await leases.resources(lease)).map(({ type }) => type).sort();
    assert.deepEqual(held, ["content", "content", "ingests"]);

    await leases.delete(lease, { sync: true });
    assert.equal(await content.info(leased.digest), undefined);
    assert.equal(await content.info(added.digest), undefined);
    assert.equal(await content.ingest(partial.ref), undefined);
    await leases.delete(lease, { sync: true });
    await assert.rejects(leases.resources(lease), isNotFound);
    await assert.rejects(leases.addResource(lease, { id: added.digest, type: "content" }), isNotFound);
  });
});
