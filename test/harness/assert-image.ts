import type { ContainerdNode } from "./containerd-node.ts";

/** Options of assertImageRuns. */
export interface AssertRunsOptions {
  /** unpack all layers again into another snapshotter and run that too; default true; false where layer blobs are discarded */
  readonly fromBlobs?: boolean;
  readonly signal?: AbortSignal;
}

/** After a forced garbage collection: runs the image, unpacks it from its blobs, runs that, compares what both print. */
export declare function assertImageRuns(
  node: ContainerdNode,
  name: string,
  expectedOutput: string,
  options?: AssertRunsOptions,
): Promise<void>;
