import assert from "node:assert/strict";
import { test } from "node:test";

import { waitFor } from "../harness/wait.ts";
import { REGISTRY, startSimulatedRig, type SimulatedRig } from "./simulated-rig.ts";

/** An image that node a has under two names, and a pod on node b for each of them, the second a moment later if told so. */
async function twoNames(rig: SimulatedRig, untilSecond: () => Promise<void> = () => Promise.resolve()) {
  rig.createNamespace("shop");
  const image = rig.image("app", "a");
  const other = `${REGISTRY}/app:latest`;
  rig.fleet.agent("a").put(image, other);
  rig.createPod({ name: "one", namespace: "shop", node: "b", image: image.name });
  await untilSecond();
  rig.createPod({ name: "two", namespace: "shop", node: "b", image: other });
  return image;
}

/** Asserts that each name has a record of its own, with its own pod, whose story is told to the end. */
async function assertBothSalvaged(rig: SimulatedRig, bytes: number): Promise<void> {
  await rig.waitForRunning("shop", "one");
  await rig.waitForRunning("shop", "two");
  const recovered = await waitFor("both to have recovered", () => {
    const records = rig.records("shop");
    const isTold = records.every(({ status }) => status.transitions?.at(-1)?.type === "recovered");
    return records.length === 2 && isTold && records;
  });
  const pods = recovered.map(({ status }) => status.pods?.map(({ name }) => name).join() ?? "");
  assert.deepEqual(pods.toSorted(), ["one", "two"]);
  assert.equal(rig.fleet.agent("b").bytesReceived, bytes, "the same bytes came twice");
}

test("two names of one image that fail on a node at once are salvaged at once, one record each", async (t) => {
  const rig = await startSimulatedRig(t);
  const { bytes } = await twoNames(rig);
  await assertBothSalvaged(rig, bytes);
});

test("a second name that fails while the first one's image moves gets its own record, and bytes but once", async (t) => {
  const rig = await startSimulatedRig(t);
  const release = rig.fleet.hold();
  const { bytes } = await twoNames(rig, async () => {
    await waitFor("the transfer", () => rig.fleet.running.length === 1);
  });
  await waitFor("the second record", () => rig.records("shop").length === 2);
  release();
  await assertBothSalvaged(rig, bytes);
});
