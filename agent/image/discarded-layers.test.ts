import assert from "node:assert/strict";
import { test } from "node:test";

import { Code, ConnectError } from "@connectrpc/connect";

import { sha256Digest } from "../../lib/digest.ts";
import type { BlobInfo, ContentStore, Labels } from "../containerd/types.ts";
import { looksDiscarding } from "./discarded-layers.ts";
import { DOCKER_MANIFEST, OCI_MANIFEST } from "./manifest.ts";

const LAYER = "application/vnd.oci.image.layer.v1.tar+zstd";
const DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip";
const IN_TOTO = "application/vnd.in-toto+json";

/** A content store in memory. */
class Store implements Pick<ContentStore, "list" | "readAll" | "info"> {
  readonly #blobs = new Map<string, { readonly text: string; readonly labels: Labels }>();
  reads = 0;

  put(text: string, labels: Labels = {}): string {
    const digest = sha256Digest(text);
    this.#blobs.set(digest, { text, labels });
    return digest;
  }

  remove(digest: string): void {
    this.#blobs.delete(digest);
  }

  /** Puts a manifest; its labels refer to the config alone unless told otherwise. */
  manifest(layers: readonly (readonly [type: string, digest: string])[], labels: Labels = {}): string {
    const descriptors = layers.map(([mediaType, digest]) => ({ mediaType, digest, size: 3 }));
    const docker = layers.some(([type]) => type === DOCKER_LAYER);
    const mediaType = docker ? DOCKER_MANIFEST : OCI_MANIFEST;
    const config = { mediaType: "config", digest: sha256Digest("config"), size: 6 };
    return this.put(JSON.stringify({ mediaType, config, layers: descriptors }), {
      "containerd.io/gc.ref.content.config": config.digest,
      ...labels,
    });
  }

  async info(digest: string): Promise<BlobInfo | undefined> {
    const blob = this.#blobs.get(digest);
    return blob && this.#info(digest, blob);
  }

  async *list(filters: readonly string[] = []): AsyncIterable<BlobInfo> {
    assert.deepEqual(filters, ['labels."containerd.io/gc.ref.content.config"']);
    for (const [digest, blob] of this.#blobs) {
      if ("containerd.io/gc.ref.content.config" in blob.labels) yield this.#info(digest, blob);
    }
  }

  async readAll(digest: string): Promise<Uint8Array> {
    this.reads++;
    const blob = this.#blobs.get(digest);
    if (blob === undefined) throw new ConnectError(`${digest}: not found`, Code.NotFound);
    return Buffer.from(blob.text);
  }

  #info(digest: string, { text, labels }: { readonly text: string; readonly labels: Labels }): BlobInfo {
    return { digest, size: text.length, labels, createdAt: undefined, updatedAt: undefined };
  }
}

const looks = (store: Store): Promise<boolean> => looksDiscarding(store, {});
const gone = sha256Digest("a layer that is not here");

test("a manifest without references to its layers, of which one is gone, is the mark of a node that discards", async () => {
  for (const type of [LAYER, DOCKER_LAYER]) {
    const store = new Store();
    store.manifest([
      [type, store.put("shared with an image that was built here")],
      [type, gone],
    ]);
    assert.equal(await looks(store), true, type);
  }
});

test("layers that are referred to, or all here, are no mark", async () => {
  const store = new Store();
  store.manifest([[LAYER, gone]], { "containerd.io/gc.ref.content.l.0": gone });
  assert.equal(await looks(store), false);
  assert.equal(store.reads, 0, "only manifests in question are read");
  const unpackedJustNow = store.put("about to be collected");
  store.manifest([[LAYER, unpackedJustNow]]);
  assert.equal(await looks(store), false);
  store.remove(unpackedJustNow);
  assert.equal(await looks(store), true);
});

test("an image without layers, an attestation, and what is no manifest are no mark", async () => {
  const store = new Store();
  store.manifest([]);
  store.manifest([[IN_TOTO, gone]]);
  store.put(JSON.stringify({ manifests: [] }), { "containerd.io/gc.ref.content.config": gone });
  store.put("\0\0\0\0", { "containerd.io/gc.ref.content.config": gone });
  assert.equal(await looks(store), false);
  assert.equal(store.reads, 4);
});
