import type { Containerd } from "../containerd/types.ts";
import { blobsOf, type ImageTree, type Layer } from "./tree.ts";

type Snapshots = Pick<Containerd["snapshots"], "stat">;

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
  return {
    blobs,
    unpackedDepth: await findUnpackedDepth(containerd.snapshots, tree.layers, snapshotter, signal),
  };
}

/**
 * How many layers from the bottom are unpacked. A snapshot cannot be removed while there is one on top of it: so it is
 * enough to look at the topmost layer, and if it is not there, to halve the rest until the highest one is found.
 */
export async function findUnpackedDepth(
  snapshots: Snapshots,
  layers: readonly Layer[],
  snapshotter: string,
  signal: AbortSignal,
): Promise<number> {
  let isThere = 0;
  let isMissing = layers.length + 1;
  let look = layers.length;
  while (isMissing - isThere > 1) {
    const chainId = layers[look - 1]?.chainId ?? "";
    if ((await snapshots.stat(snapshotter, chainId, { signal })) === undefined) isMissing = look;
    else isThere = look;
    look = Math.floor((isThere + isMissing) / 2);
  }
  return isThere;
}

/** Looks for what keeps the image from running here, and for nothing else: the answer is as missingToRun's. */
export async function findMissingToRun(
  containerd: { readonly content: Pick<Containerd["content"], "info">; readonly snapshots: Snapshots },
  tree: ImageTree,
  snapshotter: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const unpackedDepth = await findUnpackedDepth(containerd.snapshots, tree.layers, snapshotter, signal);
  const missing: string[] = [];
  for (const digest of neededToRun(tree, unpackedDepth)) {
    if ((await containerd.content.info(digest, { signal })) === undefined) missing.push(digest);
  }
  return missing;
}

/** Digests of what keeps the image from running here: metadata that is missing, layers neither blob nor snapshot. */
export function missingToRun(tree: ImageTree, presence: Presence): readonly string[] {
  return neededToRun(tree, presence.unpackedDepth).filter((digest) => !presence.blobs.has(digest));
}

/** Digests of the blobs without which the image does not run: metadata, and the layers that are not unpacked. */
function neededToRun(tree: ImageTree, unpackedDepth: number): readonly string[] {
  const metadata = [...tree.indexes, tree.manifest, tree.config];
  return [...metadata, ...tree.layers.slice(unpackedDepth)].map((blob) => blob.digest);
}

/** Digests of what keeps the image from being served from here: any blob that is missing. */
export function missingToServe(tree: ImageTree, presence: Presence): readonly string[] {
  return blobsOf(tree)
    .map((blob) => blob.digest)
    .filter((digest) => !presence.blobs.has(digest));
}
