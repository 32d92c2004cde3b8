import { statfs } from "node:fs/promises";

import type { CallOptions, Containerd } from "./containerd/types.ts";
import { looksDiscarding } from "./image/discarded-layers.ts";
import { normalisePlatform, platformOfProcess, type Platform } from "./image/platform.ts";
import { isOutOfReach } from "./root-folder.ts";

/** What an import has to know of its node. */
export interface NodeFacts {
  readonly platform: Platform;
  /** the snapshotter of the kubelet's containers */
  readonly snapshotter: string;
  /** layer blobs stay in the content store once unpacked; a guess with containerd 2, which does not tell */
  readonly keepsLayers: boolean;
  /** containerd says itself that it discards unpacked layers: those of an import go as well */
  readonly letsLayersGo: boolean;
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
  const told = settings.discardUnpackedLayers;
  const snapshotter = plugins.find(
    (plugin) => plugin.id === settings.snapshotter && plugin.type.includes("snapshotter"),
  );
  const platform = snapshotter?.platforms[0];
  return {
    platform: platform === undefined ? platformOfProcess(arch) : normalisePlatform(platform),
    snapshotter: settings.snapshotter,
    keepsLayers: !(told ?? (await looksDiscarding(containerd.content, options))),
    // a wrong guess must not cost layers
    letsLayersGo: told ?? false,
  };
}

/** Room on the filesystem that holds `root`; undefined when the folder is out of reach, as when it is not mounted. */
export async function readImageFs(root: string): Promise<ImageFs | undefined> {
  try {
    const { bavail, blocks, bsize } = await statfs(root);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  } catch (error) {
    if (isOutOfReach(error)) return undefined;
    throw error;
  }
}
