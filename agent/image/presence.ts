import type { Containerd } from "../containerd/types.ts";
import type { ImageTree } from "./tree.ts";
import { blobsOf } from "./tree.ts";

/** What of an image is on this node. */
export interface Presence {
  /** digests whose blobs are in the content store */
  readonly blobs: ReadonlySet<string>;
  /** how many layers from the bottom are unpacked */
  readonly unpackedDepth: number;
}

/** Looks for every blob of the tree, and for the highest layer that is unpacked. */
export async function presenceOf(
  containerd: Containerd,
  tree: ImageTree,
  snapshotter: string,
  signal: AbortSignal,
): Promise<Presence> {
  const blobs = new Set<string>();
  for (const { digest } of blobsOf(tree)) {
    if ((await containerd.content.info(digest, { signal })) !== undefined) blobs.add(digest);
  }
  let unpackedDepth = tree.layers.length;
  while (unpackedDepth > 0) {
    const chainId = tree.layers[unpackedDepth - 1]?.chainId ?? "";
    if ((await containerd.snapshots.stat(snapshotter, chainId, { signal })) !== undefined) break;
    unpackedDepth--;
  }
  return { blobs, unpackedDepth };
}

/** Digests of what keeps the image from running here: metadata that is missing, layers neither blob nor snapshot. */
export function missingToRun(tree: ImageTree, presence: Presence): readonly string[] {
  const metadata = [...tree.indexes, tree.manifest, tree.config].map((blob) => blob.digest);
  const layers = tree.layers.slice(presence.unpackedDepth).map((layer) => layer.digest);
  return [...metadata, ...layers].filter((digest) => !presence.blobs.has(digest));
}

/** Digests of what keeps the image from being served from here: any blob that is missing. */
export function missingToServe(tree: ImageTree, presence: Presence): readonly string[] {
  return blobsOf(tree)
    .map((blob) => blob.digest)
    .filter((digest) => !presence.blobs.has(digest));
}
