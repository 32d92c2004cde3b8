import type { ContainerdNode } from "./containerd-node.ts";
import type { Built } from "./image-builder.ts";

/** Options of loadImage. */
export interface LoadOptions {
  /** full names, e.g. "registry.test:5000/app:v1"; image records are made for exactly these */
  readonly names: readonly string[];
  /** digests of blobs that are not put on the node */
  readonly without?: readonly string[];
  /** "cri" (default): records as a CRI pull leaves them (managed label, sha256:<config> record); "plain": as ctr leaves them */
  readonly labels?: "cri" | "plain";
  /** unpack to the node's snapshotter; default true */
  readonly unpack?: boolean;
  /** containerd namespace, default "k8s.io" */
  readonly namespace?: string;
  readonly signal?: AbortSignal;
}

/** Puts an image on a node through `ctr images import`, without a registry. */
export declare function loadImage(node: ContainerdNode, image: Built, options: LoadOptions): Promise<void>;
