import assert from "node:assert/strict";
import { test } from "node:test";

import { asObject, asText } from "../../controller/objects/json.ts";
import { waitFor } from "../harness/wait.ts";
import { startSimulatedRig, type SimulatedRig } from "./simulated-rig.ts";

/** "reason note" of each Event in a namespace. */
function said({ server }: SimulatedRig, namespace: string): readonly string[] {
  return server
    .list("events.events.k8s.io", namespace)
    .map((event) => asObject(event))
    .map(({ reason, note }) => `${asText(reason)} ${asText(note)}`);
}

test("without agents a controller says which nodes have the image, and does no more", async (t) => {
  const rig = await startSimulatedRig(t, { idle: true });
  rig.createNamespace("shop");
  const image = rig.image("web", "a", "c");
  rig.kubelets.publishImages();
  const controller = await rig.startController([], { agents: [] });
  rig.createPod({ name: "web", namespace: "shop", node: "b", image: image.name });
  const status = await rig.waitForEnd("shop");
  assert.deepEqual([status.phase, status.reason, status.digest], ["Refused", "NoAgent", image.digest]);
  assert.match(status.message ?? "", /--agent-namespace and --agents are empty/);
  await waitFor("the Event", () => said(rig, "shop").length > 0);
  assert.deepEqual(said(rig, "shop"), [
    `ImageSalvageable Registry pull failed for ${image.name}; image digest exists on nodes: [a, c]. This is technical debt — rebuild and push the image properly.`,
  ]);
  assert.equal(await controller.metric("tote_salvageable_images_total"), 1);
  assert.equal(await controller.metric("tote_not_actionable_total"), 0);
  assert.equal(await controller.metric("tote_salvage_attempts_total"), 0);
  const calls = rig.fleet.agents.flatMap((agent) => agent.calls);
  assert.deepEqual(calls, []);
});

test("without agents what no node has is not actionable, as ever", async (t) => {
  const rig = await startSimulatedRig(t, { idle: true });
  rig.createNamespace("shop");
  const image = rig.image("web");
  rig.kubelets.publishImages();
  const controller = await rig.startController([], { agents: [] });
  rig.createPod({ name: "web", namespace: "shop", node: "b", image: image.name });
  const status = await rig.waitForEnd("shop");
  assert.deepEqual([status.phase, status.reason], ["Refused", "ImageUnresolved"]);
  await waitFor("the Event", () => said(rig, "shop").length > 0);
  assert.match(said(rig, "shop").join("\n"), /^ImageNotActionable /);
  assert.equal(await controller.metric("tote_salvageable_images_total"), 0);
  assert.equal(await controller.metric("tote_not_actionable_total"), 1);
});
