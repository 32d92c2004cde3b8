import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { readManifest, sha256 } from "./blobs.ts";
import type { BlobSource } from "./blobs.ts";
import { createCleanup } from "./cleanup.ts";
import { buildImage, buildRunnableImage } from "./image-builder.ts";
import type { Built } from "./image-builder.ts";
import { buildIndex } from "./image-index.ts";

function blobOf(image: Built, digest: string | undefined): BlobSource {
  const blob = image.blobs.get(digest ?? "");
  assert.ok(blob, `no blob ${digest}`);
  return blob;
}

void test("the same spec gives the same digests, another seed does not", async () => {
  const digests: string[] = [];
  for (const seed of ["1", "1", "2"]) {
    const image = await buildImage({ layers: [{ files: { f: { size: 5000, fill: "random", seed } } }] });
    digests.push(image.descriptor.digest);
  }
  assert.equal(digests[0], digests[1]);
  assert.notEqual(digests[0], digests[2]);
});

void test("every blob has the digest and size it is listed under", async () => {
  const image = await buildRunnableImage({ output: "hi" });
  assert.equal(image.blobs.size, 3);
  for (const [digest, blob] of image.blobs) {
    const bytes = await blob.bytes();
    assert.deepEqual([sha256(bytes), bytes.length], [digest, blob.size]);
  }
});

void test("layers decompress to what their diff ids say, for each compression", async () => {
  const files = { "dir/file": "text" };
  const image = await buildImage({
    layers: [{ files }, { files, compression: "zstd" }, { files, compression: "none" }],
  });
  const decompress = [gunzipSync, zstdDecompressSync, (bytes: Uint8Array) => bytes];
  for (const [index, layer] of image.layers.entries()) {
    const tar = decompress[index]?.(await blobOf(image, layer.digest).bytes());
    assert.equal(tar && sha256(tar), image.diffIds[index], layer.mediaType);
  }
  assert.deepEqual(
    image.layers.map((layer) => layer.mediaType.replace("application/vnd.oci.image.layer.v1.", "")),
    ["tar+gzip", "tar+zstd", "tar"],
  );
});

void test("chain ids follow the image specification", async () => {
  const { diffIds, chainIds } = await buildImage({ layers: [{ files: { a: "a" } }, { files: { b: "b" } }] });
  const second = createHash("sha256").update(`${diffIds[0]} ${diffIds[1]}`).digest("hex");
  assert.deepEqual(chainIds, [diffIds[0], `sha256:${second}`]);
});

void test("docker media types are used throughout, and zstd is refused with them", async () => {
  const image = await buildImage({ mediaTypes: "docker", layers: [{ files: { a: "a" } }] });
  const manifest = await readManifest(blobOf(image, image.descriptor.digest));
  assert.deepEqual(
    [manifest.mediaType, manifest.config?.mediaType, manifest.layers?.[0]?.mediaType],
    [
      "application/vnd.docker.distribution.manifest.v2+json",
      "application/vnd.docker.container.image.v1+json",
      "application/vnd.docker.image.rootfs.diff.tar.gzip",
    ],
  );
  const layers = [{ files: { a: "a" }, compression: "zstd" as const }];
  await assert.rejects(buildImage({ mediaTypes: "docker", layers }), /no zstd layers/);
});

void test("a large layer goes to a file and reads from any offset", async (t) => {
  const size = 20 << 20;
  const layers = [{ files: { big: { size, fill: "random" as const, seed: "s" } } }];
  await assert.rejects(buildImage({ layers }), /give the image a "dir"/);
  const image = await buildImage({ layers, dir: createCleanup(t).directory() });
  const blob = blobOf(image, image.layers[0]?.digest);
  const hash = createHash("sha256");
  let tail = 0;
  for await (const piece of blob.read()) hash.update(piece);
  for await (const piece of blob.read(blob.size - 7)) tail += piece.length;
  assert.deepEqual([`sha256:${hash.digest("hex")}`, tail], [blob.digest, 7]);
});

void test("an index names absent platforms and attestations as buildx does", async () => {
  const image = await buildImage({
    layers: [{ files: { a: "a" } }],
    platform: { os: "linux", architecture: "amd64" },
  });
  const absent = [{ os: "linux", architecture: "arm64", variant: "v8" }];
  const index = buildIndex({ images: [image], absent, attestations: true });
  const { manifests = [] } = await readManifest(blobOf(index, index.descriptor.digest));
  assert.deepEqual(
    manifests.map(({ platform, digest }) => [platform?.architecture, index.blobs.has(digest)]),
    [
      ["amd64", true],
      ["arm64", false],
      ["unknown", true],
    ],
  );
  assert.equal(manifests[2]?.annotations?.["vnd.docker.reference.digest"], image.descriptor.digest);
  const attestation = await readManifest(blobOf(index, manifests[2]?.digest));
  assert.equal(attestation.layers?.[0]?.mediaType, "application/vnd.in-toto+json");
});
