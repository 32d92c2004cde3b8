import { statfs } from "node:fs/promises";

import type { CallOptions, Containerd } from "./containerd/types.ts";
import { normalisePlatform, platformOfProcess, type Platform } from "./image/platform.ts";

/** What an import has to know of its node. */
export interface NodeFacts {
  readonly platform: Platform;
  /** the snapshotter of the kubelet's containers */
  readonly snapshotter: string;
  /** layer blobs stay in the content store once unpacked */
  readonly keepsLayers: boolean;
}

/** Room on the filesystem of containerd's root, in bytes. */
export interface ImageFs {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** Asks containerd what this node is like; asked anew each time, since containerd may come back with another configuration. */
export async function readNodeFacts(
  containerd: Containerd,
  arch: string,
  options: CallOptions,
): Promise<NodeFacts> {
  const [settings, plugins] = await Promise.all([
    containerd.cri.criSettings(options),
    containerd.plugins([], options),
  ]);
  const discards = settings.discardUnpackedLayers ?? (await dropsLayers(containerd, options));
  const snapshotter = plugins.find(
    (plugin) => plugin.id === settings.snapshotter && plugin.type.includes("snapshotter"),
  );
  const told = snapshotter?.platforms[0];
  return {
    platform: told === undefined ? platformOfProcess(arch) : normalisePlatform(told),
    snapshotter: settings.snapshotter,
    keepsLayers: !discards,
  };
}

/** Room on the filesystem that holds `root`; undefined when the folder is not there, as when it is not mounted. */
export async function readImageFs(root: string): Promise<ImageFs | undefined> {
  try {
    const { bavail, blocks, bsize } = await statfs(root);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * containerd 2 does not tell its `discard_unpacked_layers`. Its mark: manifests that refer to their config, but to no
 * layer (containerd images/mediatypes.go, ChildGCLabelsFilterLayers).
 */
async function dropsLayers(containerd: Containerd, options: CallOptions): Promise<boolean> {
  const config = "containerd.io/gc.ref.content.config";
  for await (const blob of containerd.content.list([`labels."${config}"`], options)) {
    if (blob.labels[config] !== undefined && blob.labels["containerd.io/gc.ref.content.l.0"] === undefined)
      return true;
  }
  return false;
}
