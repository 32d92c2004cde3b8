import assert from "node:assert/strict";
import { test } from "node:test";

import { sha256Digest } from "../../lib/digest.ts";
import { configLabels, indexLabels, manifestLabels } from "./labels.ts";
import { InvalidImageError, OCI_INDEX, OCI_MANIFEST } from "./manifest.ts";
import { normalisePlatform } from "./platform.ts";
import { missingToRun, missingToServe } from "./presence.ts";
import { blobsOf, chainIdsOf, MissingBlobError, NoPlatformError, resolveTree, totalBytes } from "./tree.ts";

const AMD64 = normalisePlatform({ os: "linux", architecture: "amd64" });
const diffId = (name: string) => sha256Digest(`diff ${name}`);

/** A content store in memory. */
class Store {
  readonly blobs = new Map<string, Uint8Array>();
  readonly asked: string[] = [];
  put(value: unknown): { digest: string; size: number } {
    const bytes = Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
    const digest = sha256Digest(bytes);
    this.blobs.set(digest, bytes);
    return { digest, size: bytes.length };
  }
  read = async (digest: string): Promise<Uint8Array | undefined> => {
    this.asked.push(digest);
    return this.blobs.get(digest);
  };
  image(layers: readonly string[], architecture = "amd64") {
    const config = this.put({
      os: "linux",
      architecture,
      rootfs: { type: "layers", diff_ids: layers.map(diffId) },
    });
    return this.put({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { mediaType: "application/vnd.oci.image.config.v1+json", ...config },
      layers: layers.map((layer) => ({
        mediaType: "application/vnd.oci.image.layer.v1.tar",
        digest: sha256Digest(layer),
        size: 100,
      })),
    });
  }
  index(entries: readonly object[]) {
    return this.put({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: entries });
  }
}

const linux = (architecture: string) => ({ os: "linux", architecture });
const absent = { digest: sha256Digest("nowhere"), size: 7, mediaType: OCI_MANIFEST };

test("a plain manifest is its own target", async () => {
  const store = new Store();
  const image = store.image(["a", "b"]);
  const tree = await resolveTree(image.digest, AMD64, store.read);
  assert.equal(tree.target.digest, image.digest);
  assert.deepEqual(tree.indexes, []);
  assert.deepEqual(
    tree.layers.map((layer) => layer.diffId),
    [diffId("a"), diffId("b")],
  );
  assert.equal(tree.layers[1]?.chainId, sha256Digest(`${diffId("a")} ${diffId("b")}`));
});

test("an index with absent platforms and an attestation gives this platform without looking at the others", async () => {
  const store = new Store();
  const image = store.image(["a"]);
  const index = store.index([
    { ...absent, platform: { os: "unknown", architecture: "unknown" } },
    { ...absent, platform: linux("arm64") },
    { ...image, mediaType: OCI_MANIFEST, platform: linux("amd64") },
  ]);
  const tree = await resolveTree(index.digest, AMD64, store.read);
  assert.equal(tree.manifest.digest, image.digest);
  assert.ok(!store.asked.includes(absent.digest));
  const [node] = tree.indexes;
  assert.ok(node);
  assert.deepEqual(indexLabels(node), { "containerd.io/gc.ref.content.m.2": image.digest });
});

test("an exact platform wins over one that merely runs, wherever they stand", async () => {
  const store = new Store();
  const exact = store.image(["a"]);
  const old = store.image(["b"], "386");
  const index = store.index([
    { ...old, mediaType: OCI_MANIFEST, platform: linux("386") },
    { ...exact, mediaType: OCI_MANIFEST, platform: linux("amd64") },
  ]);
  assert.equal((await resolveTree(index.digest, AMD64, store.read)).manifest.digest, exact.digest);
});

test("an entry without platform is judged by its config", async () => {
  const store = new Store();
  const good = store.index([{ ...store.image(["a"]), mediaType: OCI_MANIFEST }]);
  assert.equal((await resolveTree(good.digest, AMD64, store.read)).layers.length, 1);
  const bad = store.index([{ ...store.image(["a"], "s390x"), mediaType: OCI_MANIFEST }]);
  await assert.rejects(resolveTree(bad.digest, AMD64, store.read), NoPlatformError);
});

test("no manifest for the platform is told with the platform", async () => {
  const store = new Store();
  const index = store.index([{ ...absent, platform: linux("arm64") }]);
  await assert.rejects(resolveTree(index.digest, AMD64, store.read), /has no manifest for linux\/amd64/);
});

test("missing metadata is told with its digest", async () => {
  const store = new Store();
  const index = store.index([{ ...absent, platform: linux("amd64") }]);
  await assert.rejects(resolveTree(index.digest, AMD64, store.read), (error) => {
    assert.ok(error instanceof MissingBlobError);
    assert.equal(error.digest, absent.digest);
    return true;
  });
});

for (const [what, blob, words] of [
  ["docker schema 1", { schemaVersion: 1, fsLayers: [] }, /schema 1/],
  ["both index and manifest", { manifests: [], layers: [], config: {} }, /ambiguous/],
  ["no image at all", { hello: "world" }, /not an image/],
  ["a list", [], /no JSON object/],
  ["no JSON", "hello", /not JSON/],
  ["a media type that does not fit", { mediaType: OCI_INDEX, config: {}, layers: [] }, /media type/],
  ["a config without digest", { config: { size: 1 }, layers: [] }, /config .* has the digest undefined/],
  ["a layer of negative size", { config: { ...absent }, layers: [{ ...absent, size: -1 }] }, /size -1/],
] as const) {
  test(`${what} is refused`, async () => {
    const store = new Store();
    const { digest } = store.put(blob);
    await assert.rejects(resolveTree(digest, AMD64, store.read), (error) => {
      assert.ok(error instanceof InvalidImageError, String(error));
      assert.match(error.message, words);
      return true;
    });
  });
}

test("a config with another number of layers than the manifest is refused", async () => {
  const store = new Store();
  const config = store.put({ os: "linux", architecture: "amd64", rootfs: { diff_ids: [diffId("a")] } });
  const manifest = store.put({ mediaType: OCI_MANIFEST, config, layers: [] });
  await assert.rejects(resolveTree(manifest.digest, AMD64, store.read), /0 layers, but its config names 1/);
});

test("an index nested without end is refused", async () => {
  const store = new Store();
  let entry: { digest: string; size: number } = store.image(["a"]);
  for (let depth = 0; depth < 6; depth++) {
    entry = store.index([{ ...entry, mediaType: OCI_INDEX, platform: linux("amd64") }]);
  }
  await assert.rejects(resolveTree(entry.digest, AMD64, store.read), /nested more than 4/);
});

test("a layer that occurs twice is one blob, and two snapshots", async () => {
  const store = new Store();
  const tree = await resolveTree(store.image(["a", "a"]).digest, AMD64, store.read);
  assert.equal(blobsOf(tree).length, 3);
  assert.equal(totalBytes(tree), tree.manifest.size + tree.config.size + 100);
  assert.notEqual(tree.layers[0]?.chainId, tree.layers[1]?.chainId);
});

test("labels refer to config, layers and root filesystem; one whose layers may go refers to none", async () => {
  const store = new Store();
  const tree = await resolveTree(store.image(["a", "b"]).digest, AMD64, store.read);
  assert.deepEqual(manifestLabels(tree, false), {
    "containerd.io/gc.ref.content.config": tree.config.digest,
    "containerd.io/gc.ref.content.l.0": sha256Digest("a"),
    "containerd.io/gc.ref.content.l.1": sha256Digest("b"),
  });
  assert.deepEqual(Object.keys(manifestLabels(tree, true)), ["containerd.io/gc.ref.content.config"]);
  assert.deepEqual(configLabels(tree, "overlayfs"), {
    "containerd.io/gc.ref.snapshot.overlayfs": tree.layers[1]?.chainId,
  });
});

test("an unpacked layer is enough to run, but not to serve", async () => {
  const store = new Store();
  const tree = await resolveTree(store.image(["a", "b"]).digest, AMD64, store.read);
  const metadata = [tree.manifest.digest, tree.config.digest];
  const presence = { blobs: new Set([...metadata, sha256Digest("b")]), unpackedDepth: 1 };
  assert.deepEqual(missingToRun(tree, presence), []);
  assert.deepEqual(missingToServe(tree, presence), [sha256Digest("a")]);
  assert.deepEqual(missingToRun(tree, { ...presence, unpackedDepth: 0 }), [sha256Digest("a")]);
});

test("chain ids follow the specification", () => {
  assert.deepEqual(chainIdsOf([]), []);
  assert.deepEqual(chainIdsOf([diffId("a")]), [diffId("a")]);
});
