import assert from "node:assert/strict";

import type { ImportResult } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { assertImageRuns } from "../harness/assert-image.ts";
import { imageStatus } from "../harness/cri.ts";
import { assertNothingHeld } from "../harness/node-state.ts";
import type { RigNode } from "../harness/rig.ts";
import type { UniqueImage } from "../harness/unique-image.ts";

/**
 * Asserts that an import has done its work on a node: CRI finds the reference of the pods, no lease or ingest is left,
 * and after a forced garbage collection the image runs, from its snapshots and from its blobs.
 */
export async function assertSalvaged(
  node: RigNode,
  { name, image, output }: UniqueImage,
  result: ImportResult,
): Promise<void> {
  assert.equal(result.visible, true, result.message);
  assert.equal(result.digest, image.descriptor.digest);
  assert.equal((await imageStatus(node.containerd, name))?.id, image.config.digest);
  await assertNothingHeld(node);
  await assertImageRuns(node.containerd, name, output);
  const unfinished = (await node.ctr.snapshots()).filter(({ kind }) => kind !== "Committed");
  assert.deepEqual(unfinished, [], `snapshots on ${node.name} that were to become layers`);
}
