import assert from "node:assert/strict";
import type { ContainerdNode } from "./containerd-node.ts";
import { ctr } from "./ctr.ts";
import type { Ctr } from "./ctr.ts";

/** Options of assertImageRuns. */
export interface AssertRunsOptions {
  /** unpack all layers again into another snapshotter and run that too; default true; false where layer blobs are discarded */
  readonly fromBlobs?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * After a forced garbage collection: runs the image on the node's snapshotter, unpacks it from its blobs into another
 * one that holds nothing, runs that. Throws AssertionError when a container prints anything but `expectedOutput` and a newline.
 */
export async function assertImageRuns(
  node: ContainerdNode,
  name: string,
  expectedOutput: string,
  options: AssertRunsOptions = {},
): Promise<void> {
  const { fromBlobs = true, signal } = options;
  const tool = ctr(node);
  await tool.forceGc();
  const output = await tool.run(name, { signal });
  assert.equal(output, `${expectedOutput}\n`, `output of ${name} on ${node.name} (${node.snapshotter})`);
  if (!fromBlobs) return;

  const snapshotter = node.snapshotter === "native" ? "overlayfs" : "native";
  await forgetSnapshots(tool, snapshotter);
  const again = await tool.run(name, { snapshotter, signal });
  assert.equal(
    again,
    `${expectedOutput}\n`,
    `output of ${name} on ${node.name}, unpacked again to ${snapshotter}`,
  );
  await forgetSnapshots(tool, snapshotter);
}

/** Lets the garbage collector take every snapshot of a snapshotter: cuts the references of configurations to them. */
async function forgetSnapshots(tool: Ctr, snapshotter: string): Promise<void> {
  const reference = `containerd.io/gc.ref.snapshot.${snapshotter}`;
  for (const { digest, labels } of await tool.content()) {
    // an empty value removes the label
    if (labels[reference] !== undefined) await tool.exec(["content", "label", digest, `${reference}=`]);
  }
  await tool.forceGc();
  const left = await tool.snapshots(snapshotter);
  assert.deepEqual(left, [], `snapshots of ${snapshotter} that something else than an image holds`);
}
