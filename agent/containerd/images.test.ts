import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { buildImage, type BuiltImage } from "../../test/harness/image-builder.ts";
import { isAlreadyExists, isNotFound } from "./errors.ts";
import { blobOf, collect, forceGc, putBlob, suiteContainerd } from "./testing.ts";
import type { Containerd, CriImage, Descriptor } from "./types.ts";

/** Stores every blob of an image, labelled as a pull leaves it, in a lease. */
async function putImage(containerd: Containerd, image: BuiltImage, lease: string): Promise<void> {
  for (const blob of image.blobs.values()) await putBlob(containerd, blobOf(await blob.bytes()), { lease });
  const labels: Record<string, string> = { "containerd.io/gc.ref.content.config": image.config.digest };
  for (const [at, layer] of image.layers.entries())
    labels[`containerd.io/gc.ref.content.l.${at}`] = layer.digest;
  await containerd.content.setLabels(image.descriptor.digest, labels);
}

/** CRI hears of a new record a moment later. */
async function seenByCri(containerd: Containerd, name: string): Promise<CriImage> {
  for (let tries = 0; tries < 100; tries++) {
    const image = await containerd.cri.imageStatus(name);
    if (image !== undefined) return image;
    await sleep(20);
  }
  throw new Error(`CRI does not see ${name}`);
}

const managed = { "io.cri-containerd.image": "managed" };

void describe("images", () => {
  const suite = suiteContainerd();

  void test("a record makes an image that CRI sees and garbage collection leaves alone", async () => {
    const { containerd } = suite;
    const { images, leases, cri, content } = containerd;
    const image = await buildImage({
      layers: [{ files: { a: "text" } }, { files: { b: "more" }, compression: "none" }],
    });
    await leases.create({ id: "import" });
    await putImage(containerd, image, "import");
    const name = `registry.test:5000/app@${image.descriptor.digest}`;
    assert.equal(await images.get(name), undefined);
    assert.equal(await cri.imageStatus(name), undefined);

    const { mediaType, digest, size } = image.descriptor;
    const target: Descriptor = { mediaType, digest, size };
    assert.equal(await images.create({ name, target, labels: managed }), "created");
    assert.equal(await images.create({ name, target, labels: managed }), "exists");
    await leases.delete("import", { sync: true });
    const seen = await seenByCri(containerd, name);
    assert.deepEqual([seen.id, seen.repoTags, seen.repoDigests], [image.config.digest, [], [name]]);
    assert.ok((await cri.listImages()).some((other) => other.id === seen.id));
    for (const blob of [image.descriptor, image.config, ...image.layers]) {
      assert.equal((await content.info(blob.digest))?.size, blob.size, blob.mediaType);
    }

    const record = await images.get(name);
    assert.deepEqual([record?.name, record?.target, record?.labels], [name, target, managed]);
    assert.ok(record?.createdAt instanceof Date);
    const found = await images.list([`target.digest==${digest}`]);
    // CRI adds the record named by the image's id, and one without a name it cannot parse
    assert.ok(
      found.some((other) => other.name === name),
      JSON.stringify(found),
    );
    assert.deepEqual(await images.list(["name==nothing"]), []);

    // 1.x does not compare
    if (!suite.node.version.startsWith("1.")) {
      const elsewhere = { ...target, digest: image.config.digest };
      assert.deepEqual(await images.delete(name, { target: elsewhere }), { deleted: false });
      assert.ok(await images.get(name));
    }
    assert.deepEqual(await images.delete(name, { sync: true, target }), { deleted: true });
    assert.deepEqual(await images.delete(name), { deleted: false });
    assert.equal(await images.get(name), undefined);
  });

  void test("an update changes what its mask names and nothing else", async () => {
    const { images } = suite.containerd;
    const [one, other] = [blobOf(Buffer.from("{}")), blobOf(Buffer.from('{"a":1}'))];
    const mediaType = "application/vnd.oci.image.manifest.v1+json";
    const name = "example.test/masked:1";
    const target = { mediaType, digest: one.digest, size: one.size };
    await images.create({ name, target, labels: { "test/a": "1", "test/b": "2" } });
    const moved = { mediaType, digest: other.digest, size: other.size };
    const updated = await images.update({ name, target: moved, labels: { "test/a": "3", "test/c": "4" } }, [
      "target",
      "labels.test/a",
    ]);
    assert.deepEqual([updated.target, updated.labels], [moved, { "test/a": "3", "test/b": "2" }]);
    assert.deepEqual((await images.get(name))?.labels, { "test/a": "3", "test/b": "2" });
    await assert.rejects(
      images.update({ name: "example.test/none", target, labels: {} }, ["target"]),
      isNotFound,
    );
    await images.delete(name);
  });

  void test("layers are unpacked to snapshots, which live as long as their lease", async () => {
    const { containerd, node } = suite;
    const { snapshots, diff, leases, content } = containerd;
    const { snapshotter } = await containerd.cri.criSettings();
    assert.equal(snapshotter, node.snapshotter);
    const image = await buildImage({ layers: [{ files: { a: "text" } }, { files: { "d/b": "more" } }] });
    const lease = "unpack";
    await leases.create({ id: lease });
    await putImage(containerd, image, lease);
    let parent = "";
    for (const [at, chainId] of image.chainIds.entries()) {
      const layer = image.layers[at];
      assert.ok(layer !== undefined);
      assert.equal(await snapshots.stat(snapshotter, chainId), undefined);
      const key = `extract-${at} ${chainId}`;
      const labels = { "test/layer": String(at) };
      const mounts = await snapshots.prepare({ snapshotter, key, parent, lease, labels });
      assert.ok(mounts.length > 0 && mounts[0]?.type !== "");
      await assert.rejects(snapshots.prepare({ snapshotter, key, parent, lease }), isAlreadyExists);
      assert.equal((await snapshots.stat(snapshotter, key))?.kind, "active");
      const applied = await diff.apply({ diff: layer, mounts, lease });
      assert.equal(applied.digest, image.diffIds[at]);
      assert.match(applied.mediaType, /tar/);
      assert.ok(applied.size > 0);
      assert.equal(await snapshots.commit({ snapshotter, name: chainId, key, lease, labels }), "committed");
      parent = chainId;
    }
    const [first = "", second = ""] = image.chainIds;
    const info = await snapshots.stat(snapshotter, second);
    assert.deepEqual([info?.name, info?.parent, info?.kind], [second, first, "committed"]);
    assert.deepEqual(info?.labels, { "test/layer": "1" });
    const listed = new Set((await collect(snapshots.list(snapshotter))).map((snapshot) => snapshot.name));
    assert.ok(listed.has(first) && listed.has(second));

    // another unpacking of the same layer comes second
    await snapshots.prepare({ snapshotter, key: "again", parent: "", lease });
    assert.equal(await snapshots.commit({ snapshotter, name: first, key: "again", lease }), "exists");
    await snapshots.remove(snapshotter, "again");
    await snapshots.remove(snapshotter, "again");

    await forceGc(containerd);
    assert.notEqual(await snapshots.stat(snapshotter, second), undefined);
    await content.setLabels(image.config.digest, {
      [`containerd.io/gc.ref.snapshot.${snapshotter}`]: second,
    });
    await leases.delete(lease, { sync: true });
    assert.equal(await snapshots.stat(snapshotter, second), undefined, "nothing refers to the image");
  });

  void test("a layer with wrong bytes is not unpacked", async () => {
    const { containerd } = suite;
    const { snapshots, diff } = containerd;
    const { snapshotter } = await containerd.cri.criSettings();
    const blob = blobOf(Buffer.from("this is no tar"));
    await putBlob(containerd, blob);
    const mounts = await snapshots.prepare({ snapshotter, key: "wrong", parent: "" });
    const layer = {
      mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
      digest: blob.digest,
      size: blob.size,
    };
    await assert.rejects(diff.apply({ diff: layer, mounts }), /gzip|archive|tar|unexpected EOF|invalid/i);
    await snapshots.remove(snapshotter, "wrong");
  });

  void test("containerd says what it is", async () => {
    const { containerd, node } = suite;
    assert.ok((await containerd.version()).version.includes(node.version));
    const plugins = await containerd.plugins();
    const overlay = plugins.find(
      (plugin) => plugin.type === "io.containerd.snapshotter.v1" && plugin.id === "overlayfs",
    );
    assert.equal(overlay?.platforms[0]?.os, "linux");
    assert.equal(overlay.initError, undefined);
    assert.ok((await containerd.plugins(["id==overlayfs"])).every((plugin) => plugin.id === "overlayfs"));
    const { uuid } = await containerd.server();
    assert.match(uuid, /^[0-9a-f-]{36}$/);
    const { conditions, info } = await containerd.cri.status({ verbose: true });
    assert.equal(conditions["RuntimeReady"], true);
    assert.ok(info["config"] !== undefined);
    assert.deepEqual((await containerd.cri.status()).info, {});
    const [imageFs] = await containerd.cri.imageFsInfo();
    assert.match(imageFs?.mountpoint ?? "", /io\.containerd\.snapshotter\.v1\.overlayfs$/);
  });
});

void describe("a containerd that drops layers", () => {
  const suite = suiteContainerd({ discardUnpackedLayers: true, snapshotter: "native" });

  void test("says so where it can, and which snapshotter it has", async () => {
    const { containerd, node } = suite;
    const settings = await containerd.cri.criSettings();
    const told = node.version.startsWith("1.") ? true : undefined;
    assert.deepEqual(settings, { snapshotter: "native", discardUnpackedLayers: told });
  });
});
