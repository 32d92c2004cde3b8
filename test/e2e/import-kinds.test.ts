import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { buildIndex } from "../harness/image-builder.ts";
import { imageStatus } from "../harness/cri.ts";
import { startSharedRig, type Rig } from "../harness/rig.ts";
import { HOST, moveAndProve, runnable, unshared } from "./moves.ts";

const ARM64 = { os: "linux", architecture: "arm64" };

describe("an image of any kind is visible to the kubelet and runs once it is imported", () => {
  let rig: Rig;
  before(async () => {
    rig = await startSharedRig({ a: {}, b: {} });
  });
  after(() => rig.cleanup.run());

  test("by tag: the digest is recorded too, so that the pod reports it", async () => {
    const image = await runnable("by tag");
    const result = await moveAndProve(rig, { image, output: "by tag" }, `${HOST}/tag:v1`);
    assert.deepEqual(result.names, [
      `${HOST}/tag:v1`,
      `${HOST}/tag@${image.descriptor.digest}`,
      result.configDigest,
    ]);
    const status = await imageStatus(rig.node("b").containerd, `${HOST}/tag:v1`);
    assert.deepEqual(status?.repoDigests, [`${HOST}/tag@${image.descriptor.digest}`]);
    assert.equal(result.bytesReused, 0n);
    assert.deepEqual(
      result.sources.map((source) => source.node),
      ["a"],
    );
  });

  test("by digest, from a source that knows it by tag", async () => {
    const image = await runnable("by digest");
    const name = `${HOST}/digest@${image.descriptor.digest}`;
    await moveAndProve(rig, { image, output: "by digest" }, name, { onSource: `${HOST}/digest:v1` });
  });

  test("by tag and digest: CRI looks for the digest", async () => {
    const image = await runnable("both");
    const name = `${HOST}/both:v1@${image.descriptor.digest}`;
    const result = await moveAndProve(rig, { image, output: "both" }, name, { onSource: `${HOST}/both:v1` });
    assert.ok(!result.names.includes(`${HOST}/both:v1`));
  });

  test("by a short name of docker.io", async () => {
    const image = await runnable("short");
    await moveAndProve(rig, { image, output: "short" }, "shorty:1.25", {
      onSource: "docker.io/library/shorty:1.25",
    });
  });

  test("without tag: latest is meant", async () => {
    const image = await runnable("latest");
    const result = await moveAndProve(rig, { image, output: "latest" }, `${HOST}/newest`, {
      onSource: `${HOST}/newest:latest`,
    });
    assert.ok(result.names.includes(`${HOST}/newest:latest`));
  });

  test("docker schema 2 media types, also in a manifest list", async () => {
    const plain = await runnable("docker", { mediaTypes: "docker" });
    await moveAndProve(rig, { image: plain, output: "docker" }, `${HOST}/docker:v1`);
    const listed = await runnable("docker list", { mediaTypes: "docker" });
    const list = buildIndex({ images: [listed], absent: [ARM64], mediaTypes: "docker" });
    await moveAndProve(rig, { image: list, output: "docker list" }, `${HOST}/docker-list:v1`);
  });

  for (const compression of ["gzip", "zstd", "none"] as const) {
    test(`layers with compression ${compression}`, async () => {
      const output = `compressed ${compression}`;
      const layers = [
        { files: { "data/x": { size: 300_000, fill: "random" as const, seed: output } }, compression },
      ];
      // a base layer that is unpacked here already would not move in another compression
      const image = await unshared(output, { compression, layers });
      await moveAndProve(rig, { image, output }, `${HOST}/compression-${compression}:v1`);
    });
  }

  test("an index of which only one platform is there", async () => {
    const image = buildIndex({
      images: [await runnable("multi-arch")],
      absent: [ARM64, { os: "linux", architecture: "s390x" }],
    });
    await moveAndProve(rig, { image, output: "multi-arch" }, `${HOST}/multi:v1`);
  });

  test("an index as buildx makes it, with an attestation that is nowhere", async () => {
    const image = buildIndex({ images: [await runnable("buildx")], absent: [ARM64], attestations: true });
    await moveAndProve(rig, { image, output: "buildx" }, `${HOST}/buildx:v1`);
  });

  test("the digest of a platform's manifest inside an index that the source knows", async () => {
    const inner = await runnable("inner");
    const index = buildIndex({ images: [inner], absent: [ARM64] });
    const { digest } = inner.descriptor;
    const result = await moveAndProve(rig, { image: index, output: "inner" }, `${HOST}/inner@${digest}`, {
      onSource: `${HOST}/inner:v1`,
      digest,
    });
    assert.equal(result.digest, digest);
  });

  test("a hundred layers", async () => {
    const layers = Array.from({ length: 99 }, (_, at) => ({ files: { [`layer/${at}`]: `${at}\n` } }));
    const image = await runnable("a hundred", { layers });
    await moveAndProve(rig, { image, output: "a hundred" }, `${HOST}/hundred:v1`);
  });

  test("the same layer twice", async () => {
    const layer = { files: { twice: "twice\n" } };
    const image = await runnable("twice", { layers: [layer, { files: { between: "x" } }, layer] });
    await moveAndProve(rig, { image, output: "twice" }, `${HOST}/twice:v1`);
  });
});
