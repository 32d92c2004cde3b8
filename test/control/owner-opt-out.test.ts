import assert from "node:assert/strict";
import { test } from "node:test";

import { GiveUp, waitFor } from "../harness/wait.ts";
import { workloadManifest } from "./objects.ts";
import { startSimulatedRig } from "./simulated-rig.ts";

/** An owner is not watched. Without being asked again for this very transfer it would be believed for 30 s. */
const PROMPT_MS = 15_000;

test("a Deployment that opts out while its image is on the way is heeded within seconds", async (t) => {
  const rig = await startSimulatedRig(t);
  rig.createNamespace("shop");
  const image = rig.image("web", "a");
  const release = rig.fleet.hold(image.digest);
  const deploy = (asks: string): string => {
    const { metadata, ...rest } = workloadManifest({ name: "web", namespace: "shop", image: image.name });
    const annotations = { "tote.dev/auto-salvage": asks };
    const object = {
      ...rest,
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { ...metadata, annotations },
    };
    return rig.server.put(object).metadata.uid ?? "";
  };
  const owner = { apiVersion: "apps/v1", kind: "Deployment", name: "web", uid: deploy("true") };
  rig.createPod({ name: "web-1", namespace: "shop", node: "b", image: image.name, annotations: {}, owner });
  await waitFor("half of the bytes", () => rig.fleet.agent("b").arrived(image.digest) >= image.bytes / 2);
  deploy("false");
  let skipped = 0;
  const status = await waitFor("the end of the salvage", () => {
    const [record] = rig.records("shop");
    if (record?.status.completedAt !== undefined) return record.status;
    if (skipped >= PROMPT_MS) throw new GiveUp("it goes on and on");
    skipped += 500;
    rig.clock.skip(500);
    return undefined;
  });
  assert.equal(status.phase, "Failed");
  assert.equal(status.reason, "OptedOut");
  assert.ok(!rig.isRunning("shop", "web-1"));
  release();
});
