import type { ContainerdNode } from "./containerd-node.ts";
import { imageStatus } from "./cri.ts";
import { ctr, localFlags } from "./ctr.ts";
import type { Built } from "./image-builder.ts";
import { ociArchive } from "./oci-archive.ts";
import { waitFor } from "./wait.ts";

/** Options of loadImage. */
export interface LoadOptions {
  /** full names, e.g. "registry.test:5000/app:v1" */
  readonly names: readonly string[];
  /** digests of blobs that are taken away again at the end: the image is damaged, unpacked or not */
  readonly without?: readonly string[];
  /**
   * "cri" (default): records as a CRI pull leaves them: for "repo:tag" also "repo@digest", the record named by the config
   * digest, the managed label. "plain": just the names, as ctr leaves them.
   */
  readonly records?: "cri" | "plain";
  /** unpack to the node's snapshotter; default true */
  readonly unpack?: boolean;
  /** containerd namespace, default "k8s.io"; CRI sees no other */
  readonly namespace?: string;
  readonly signal?: AbortSignal;
}

/** Puts an image on a node through `ctr images import`, without a registry. */
export async function loadImage(node: ContainerdNode, image: Built, options: LoadOptions): Promise<void> {
  const { without = [], unpack = true, namespace = "k8s.io", signal } = options;
  const cri = namespace === "k8s.io" && (options.records ?? "cri") === "cri";
  const names = cri ? criNames(options.names, image.descriptor.digest) : options.names;
  const tool = ctr(node, namespace);
  const archive = ociArchive({ root: image.descriptor, names, blobs: image.blobs.values() });
  const unpacking = unpack ? ["--snapshotter", node.snapshotter] : ["--no-unpack"];
  await tool.importImage(archive, [...localFlags(node), ...unpacking]);
  if (cri) {
    for (const name of names) {
      // CRI hears of a new record and marks it as its own
      await waitFor(`CRI to know ${name}`, () => imageStatus(node, name, signal), { signal });
    }
  }
  await tool.removeContent(...without);
}

function criNames(names: readonly string[], digest: string): readonly string[] {
  const all = new Set<string>();
  for (const name of names) {
    all.add(name);
    all.add(`${name.replace(/@.*$/, "").replace(/:[^:/]+$/, "")}@${digest}`);
  }
  return [...all];
}
