import assert from "node:assert/strict";
import { test } from "node:test";

import { waitFor } from "../harness/wait.ts";
import { startSimulatedRig, type SimulatedRig } from "./simulated-rig.ts";

function nudges(rig: SimulatedRig, name: string): number {
  return rig.requests({ verb: "patch", resource: "pods", name }).length;
}

test("a pod that has not asked is neither nudged nor waited for, though its image has come", async (t) => {
  const rig = await startSimulatedRig(t);
  rig.createNamespace("shop");
  const image = rig.image("web", "a");
  // it fails first, and for longer
  rig.createPod({ name: "quiet", namespace: "shop", node: "b", image: image.name, annotations: {} });
  await waitFor("it to be seen", async () => {
    return (await rig.controller.metric('tote_failing_containers{state="ignored"}')) === 1;
  });
  assert.deepEqual(rig.records("shop"), []);
  rig.createPod({ name: "asks", namespace: "shop", node: "b", image: image.name });
  await rig.waitForRunning("shop", "asks");
  const { status } = await rig.waitForRecord("shop", "has recovered", (record) =>
    (record.status.transitions ?? []).some(({ type }) => type === "recovered"),
  );
  assert.equal(status.origin?.pod, "asks");
  assert.deepEqual(
    status.pods?.map(({ name }) => name),
    ["asks"],
  );
  assert.ok(!rig.isRunning("shop", "quiet"));
  assert.equal(nudges(rig, "quiet"), 0);
  assert.ok(nudges(rig, "asks") >= 1);
  assert.equal(await rig.controller.metric("tote_detected_failures_total"), 1);
  assert.ok(rig.server.list("events", "shop").every((event) => !JSON.stringify(event).includes("quiet")));
});

test("a pod that asks later, when its image is there, is helped by a nudge alone", async (t) => {
  const rig = await startSimulatedRig(t);
  rig.createNamespace("shop");
  const image = rig.image("web", "a");
  rig.createPod({ name: "quiet", namespace: "shop", node: "b", image: image.name, annotations: {} });
  rig.createPod({ name: "asks", namespace: "shop", node: "b", image: image.name });
  await rig.waitForRunning("shop", "asks");
  assert.ok(!rig.isRunning("shop", "quiet"));
  // the annotation is a change that the kubelet heeds
  const pod = rig.server.get("pods", "shop/quiet");
  assert.ok(pod !== undefined);
  const annotations = { "tote.dev/auto-salvage": "true" };
  rig.server.put({ ...pod, metadata: { ...pod.metadata, annotations } });
  await rig.waitForRunning("shop", "quiet");
  assert.equal(rig.fleet.begun.length, 1);
});
