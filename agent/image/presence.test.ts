import assert from "node:assert/strict";
import { describe, it } from "node:test";

import type { BlobInfo, SnapshotInfo } from "../containerd/types.ts";
import { findMissingToRun, findUnpackedDepth, missingToRun } from "./presence.ts";
import type { ImageTree, Layer } from "./tree.ts";

const signal = new AbortController().signal;

function layersOf(count: number): readonly Layer[] {
  return Array.from({ length: count }, (_, at) => ({
    mediaType: "layer",
    digest: `blob ${at}`,
    size: 1,
    diffId: `diff ${at}`,
    chainId: `chain ${at}`,
  }));
}

/** A node with the lowest `depth` layers unpacked and these blobs, and what it was asked for. */
function node(depth: number, blobs: readonly string[] = []) {
  const asked: string[] = [];
  const there = { labels: {}, createdAt: undefined, updatedAt: undefined };
  return {
    asked,
    snapshots: {
      async stat(_: string, name: string): Promise<SnapshotInfo | undefined> {
        asked.push(name);
        const at = Number(name.slice("chain ".length));
        return at < depth ? { ...there, name, parent: "", kind: "committed" } : undefined;
      },
    },
    content: {
      async info(digest: string): Promise<BlobInfo | undefined> {
        asked.push(digest);
        return blobs.includes(digest) ? { ...there, digest, size: 1 } : undefined;
      },
    },
  };
}

function imageOf(layers: readonly Layer[]): ImageTree {
  const [manifest, config] = ["manifest", "config"].map((digest) => ({ mediaType: "", digest, size: 1 }));
  assert.ok(manifest !== undefined && config !== undefined);
  return { target: manifest, indexes: [], manifest, config, layers };
}

describe("how far an image is unpacked", () => {
  it("is found for every depth of every small image", async () => {
    for (let count = 0; count <= 9; count++) {
      for (let depth = 0; depth <= count; depth++) {
        const { snapshots } = node(depth);
        assert.equal(await findUnpackedDepth(snapshots, layersOf(count), "overlayfs", signal), depth);
      }
    }
  });

  it("takes one question when all of it is, and a dozen for 300 layers when nothing is", async () => {
    const whole = node(300);
    await findUnpackedDepth(whole.snapshots, layersOf(300), "overlayfs", signal);
    assert.deepEqual(whole.asked, ["chain 299"]);
    const empty = node(0);
    await findUnpackedDepth(empty.snapshots, layersOf(300), "overlayfs", signal);
    assert.ok(empty.asked.length <= 12, `${empty.asked.length} questions`);
  });
});

describe("what keeps an image from running", () => {
  it("is looked for among metadata and the layers that are not unpacked, and nowhere else", async () => {
    const tree = imageOf(layersOf(3));
    const { asked, ...containerd } = node(2, ["manifest"]);
    const missing = await findMissingToRun(containerd, tree, "overlayfs", signal);
    assert.deepEqual(missing, ["config", "blob 2"]);
    assert.ok(!asked.includes("blob 0") && !asked.includes("blob 1"), asked.join(", "));
    assert.deepEqual(missing, missingToRun(tree, { blobs: new Set(["manifest"]), unpackedDepth: 2 }));
  });

  it("is nothing when each layer is there as blob or snapshot", async () => {
    const { asked: _, ...containerd } = node(1, ["manifest", "config", "blob 1"]);
    assert.deepEqual(await findMissingToRun(containerd, imageOf(layersOf(2)), "overlayfs", signal), []);
  });
});
