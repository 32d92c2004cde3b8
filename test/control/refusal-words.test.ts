import assert from "node:assert/strict";
import { test } from "node:test";

import { REGISTRY, startSimulatedRig } from "./simulated-rig.ts";

test("who may not have an image is not told which nodes have it, nor what is wrong with them", async (t) => {
  const rig = await startSimulatedRig(t);
  rig.createNamespace("owner");
  const image = rig.image("secret", "a");
  rig.createPod({ name: "own", namespace: "owner", node: "a", image: image.name });
  await rig.waitForRunning("owner", "own");
  // the node has it by all that the API tells, and nobody can fetch it now
  await rig.fleet.agent("a").stop();
  rig.createNamespace("thief");
  const stolen = `${REGISTRY}/thief/mine@${image.digest}`;
  rig.createPod({ name: "web", namespace: "thief", node: "b", image: stolen });
  const status = await rig.waitForEnd("thief");
  assert.equal(status.reason, "NotAuthorized");
  assert.doesNotMatch(status.message ?? "", /\ba:/);
});
