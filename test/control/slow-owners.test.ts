import assert from "node:assert/strict";
import { test } from "node:test";

import { waitFor } from "../harness/wait.ts";
import { workloadManifest } from "./objects.ts";
import { startSimulatedRig } from "./simulated-rig.ts";

/** How long the API server takes for an owner: the transfer ends meanwhile. */
const SLOW_MS = 1_500;

test("a salvage that ends while its owner is being read is not begun again", async (t) => {
  const rig = await startSimulatedRig(t);
  rig.createNamespace("shop");
  const image = rig.image("web", "a");
  const release = rig.fleet.hold(image.digest);
  const { metadata, ...rest } = workloadManifest({ name: "web", namespace: "shop", image: image.name });
  const annotations = { "tote.dev/auto-salvage": "true" };
  const type = { apiVersion: "apps/v1", kind: "Deployment" };
  const { uid = "" } = rig.server.put({ ...rest, ...type, metadata: { ...metadata, annotations } }).metadata;
  const owner = { ...type, name: "web", uid };
  rig.createPod({ name: "web-1", namespace: "shop", node: "b", image: image.name, annotations: {}, owner });
  await waitFor("half of the bytes", () => rig.fleet.agent("b").arrived(image.digest) >= image.bytes / 2);
  rig.server.faults.add({ verb: "get", resource: "deployments", kind: "delay", ms: SLOW_MS });
  const reads = () => rig.requests({ verb: "get", resource: "deployments" });
  const before = reads().length;
  await waitFor("the owner to be read again", () => {
    rig.clock.skip(500);
    return reads().length > before;
  });
  release();
  await rig.waitForRecord("shop", "is completed", ({ status }) => status.phase === "Completed");
  assert.equal(reads().at(-1)?.status, 0, "the owner was read too soon for this test");
  // a record is worked on by one worker at a time: the next step comes after the one that has read the owner
  await rig.waitForRecord("shop", "has recovered", ({ status }) =>
    (status.transitions ?? []).some(({ type: step }) => step === "recovered"),
  );
  const logs = rig.controller.logs.join("");
  assert.doesNotMatch(logs, /cannot be changed by/);
  assert.equal(rig.fleet.begun.length, 1);
});
