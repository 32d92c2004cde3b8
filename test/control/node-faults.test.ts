import assert from "node:assert/strict";
import { test } from "node:test";

import type { SimulatedImage } from "../harness/simulated/image.ts";
import { waitFor } from "../harness/wait.ts";
import { startSimulatedRig, type SimulatedRig } from "./simulated-rig.ts";

/** A pod on node b whose image stands still in the middle of its way there. */
async function halfway(
  rig: SimulatedRig,
  ...holders: readonly string[]
): Promise<{ readonly image: SimulatedImage & { readonly name: string }; readonly release: () => void }> {
  rig.createNamespace("shop");
  const image = rig.image("web", ...holders);
  const release = rig.fleet.hold(image.digest);
  rig.createPod({ name: "web", namespace: "shop", node: "b", image: image.name });
  await waitFor("half of the bytes", () => rig.fleet.agent("b").arrived(image.digest) >= image.bytes / 2);
  return { image, release };
}

function cancels(rig: SimulatedRig, node: string): number {
  return rig.fleet.agent(node).calls.filter(({ method }) => method === "CancelImport").length;
}

/** Waits until the controller has seen that a node is not Ready: until it refuses what only that node has. */
async function knowsNotReady(rig: SimulatedRig, node: string): Promise<void> {
  rig.createNamespace("probe");
  for (let count = 1; count <= 20; count += 1) {
    const { name } = rig.image(`probe-${count}`, node);
    rig.createPod({ name: `probe-${count}`, namespace: "probe", node: "c", image: name });
    const ended = await waitFor("the probe's record", () =>
      rig
        .records("probe")
        .find(({ spec, status }) => spec.imageRef === name && status.completedAt !== undefined),
    );
    if (ended.status.message?.includes(`${node}: the node is not Ready`) === true) return;
  }
  assert.fail(`node ${node} is taken for Ready`);
}

test("when the source dies in the middle the next one goes on where it was", async (t) => {
  const rig = await startSimulatedRig(t);
  const { image, release } = await halfway(rig, "a", "c");
  const [first = "", second = ""] = rig.fleet.begun[0]?.sources ?? [];
  assert.deepEqual([first, second].sort(), ["a", "c"]);
  await rig.fleet.agent(first).stop();
  release();
  await rig.waitForRunning("shop", "web");
  const status = await rig.waitForEnd("shop");
  assert.deepEqual(status.sources, [first, second]);
  assert.equal(rig.fleet.agent("b").bytesReceived, image.bytes, "bytes were fetched twice");
});

test("a source whose node goes NotReady is not asked again: the next attempt takes who has it by then", async (t) => {
  const rig = await startSimulatedRig(t);
  const { image, release } = await halfway(rig, "a");
  assert.deepEqual(rig.fleet.begun[0]?.sources, ["a"]);
  rig.kubelets.setReady("a", false);
  await knowsNotReady(rig, "a");
  rig.fleet.agent("c").put(image, image.name);
  rig.kubelets.setReady("c", true);
  // node a's agent goes on and would serve it: the attempt ends for another reason
  await rig.fleet.agent("b").restart();
  release();
  await waitFor("a second attempt", () => {
    rig.clock.skip(5_000);
    return rig.fleet.begun.length > 1;
  });
  assert.deepEqual(rig.fleet.begun[1]?.sources, ["c"]);
  await rig.waitForRunning("shop", "web");
  const status = await rig.waitForEnd("shop");
  assert.equal(status.attempts, 2);
  assert.equal(rig.fleet.agent("b").bytesReceived, image.bytes, "bytes were fetched twice");
});

test("a node that is not Ready serves nothing, even when its agent would", async (t) => {
  const rig = await startSimulatedRig(t);
  rig.kubelets.setReady("a", false);
  rig.createNamespace("shop");
  const image = rig.image("web", "a");
  rig.createPod({ name: "web", namespace: "shop", node: "b", image: image.name });
  const status = await rig.waitForEnd("shop");
  assert.equal(status.phase, "Refused");
  assert.match(status.message ?? "", /a: the node is not Ready/);
  assert.equal(rig.fleet.begun.length, 0);
});

test("when the target node is deleted the salvage ends as TargetGone and its import is cancelled", async (t) => {
  const rig = await startSimulatedRig(t);
  await halfway(rig, "a");
  rig.server.delete("nodes", "b");
  const status = await rig.waitForEnd("shop");
  assert.equal(status.phase, "Failed");
  assert.equal(status.reason, "TargetGone");
  assert.equal(cancels(rig, "b"), 1);
  assert.equal(rig.fleet.running.length, 0);
});

test("when the pod is deleted the salvage ends as TargetGone and its import is cancelled", async (t) => {
  const rig = await startSimulatedRig(t);
  await halfway(rig, "a");
  rig.server.delete("pods", "shop/web");
  const status = await rig.waitForEnd("shop");
  assert.equal(status.reason, "TargetGone");
  assert.equal(cancels(rig, "b"), 1);
});

test("when the pod comes back on another node the image goes there, and only there", async (t) => {
  const rig = await startSimulatedRig(t);
  const { image, release } = await halfway(rig, "a");
  rig.server.delete("pods", "shop/web");
  rig.createPod({ name: "web", namespace: "shop", node: "c", image: image.name });
  await waitFor("the import to be cancelled", () => cancels(rig, "b") === 1);
  release();
  await rig.waitForRunning("shop", "web");
  const ends = rig.records("shop").map(({ status }) => `${status.origin?.targetNode}: ${status.reason}`);
  assert.deepEqual(ends.sort(), ["b: TargetGone", "c: Salvaged"]);
  assert.equal(rig.fleet.agent("b").find(image.digest), undefined);
});

test("when the namespace opts out in the middle it stops", async (t) => {
  const rig = await startSimulatedRig(t);
  await halfway(rig, "a");
  rig.createNamespace("shop", {});
  const status = await rig.waitForEnd("shop");
  assert.equal(status.reason, "OptedOut");
  assert.equal(cancels(rig, "b"), 1);
});

test("when the namespace opts out while no controller runs, the next one cancels the import that goes on", async (t) => {
  const rig = await startSimulatedRig(t);
  const { image, release } = await halfway(rig, "a");
  await rig.controller.stop();
  rig.createNamespace("shop", {});
  assert.equal(rig.fleet.running.length, 1, "the agent goes on by itself");
  await rig.startController();
  const status = await rig.waitForEnd("shop");
  assert.deepEqual([status.phase, status.reason], ["Failed", "OptedOut"]);
  assert.equal(cancels(rig, "b"), 1);
  release();
  assert.equal(rig.fleet.running.length, 0);
  assert.equal(rig.fleet.agent("b").find(image.digest), undefined);
});

test("when the record is deleted in the middle its import is cancelled, and the pod that still waits gets another", async (t) => {
  const rig = await startSimulatedRig(t);
  const { release } = await halfway(rig, "a");
  const [record] = rig.records("shop");
  rig.server.delete("salvagerecords", `shop/${record?.metadata.name}`);
  await waitFor("the import to be cancelled", () => cancels(rig, "b") === 1);
  release();
  // it is looked at again after a while, or when its kubelet says something new
  rig.clock.skip(61_000);
  await waitFor("another record", () => rig.records("shop").length === 1);
  await rig.waitForRunning("shop", "web");
  assert.notEqual(rig.records("shop")[0]?.metadata.uid, record?.metadata.uid);
});

test("the target's agent dies in the middle: the next attempt goes on where it was", async (t) => {
  const rig = await startSimulatedRig(t);
  const { image, release } = await halfway(rig, "a");
  const agent = rig.fleet.agent("b");
  await agent.stop();
  release();
  await agent.start();
  await waitFor("a second attempt", () => {
    rig.clock.skip(5_000);
    return rig.fleet.begun.length > 1;
  });
  await rig.waitForRunning("shop", "web");
  assert.equal(agent.bytesReceived, image.bytes, "bytes were fetched twice");
});

test("a transfer that says nothing new for 30 minutes ends, and its import is cancelled", async (t) => {
  const rig = await startSimulatedRig(t);
  await halfway(rig, "a");
  await waitFor(
    "the record to end",
    () => {
      // in steps: an agent that says nothing for 30 s is given up, which is something else
      rig.clock.skip(20_000);
      return rig.records("shop").every(({ status }) => status.completedAt !== undefined);
    },
    { timeoutMs: 60_000, intervalMs: 60 },
  );
  const status = await rig.waitForEnd("shop");
  assert.equal(status.reason, "Stalled");
  assert.equal(cancels(rig, "b"), 1);
});
