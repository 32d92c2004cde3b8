import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { NAMESPACES, NODES, PODS, SALVAGE_RECORDS } from "../../controller/kube/resources.ts";
import type { SalvageRecord } from "../../controller/objects/salvage-record.ts";
import { imageStatus } from "../harness/cri.ts";
import { loadImage } from "../harness/load-image.ts";
import { stateOf } from "../harness/node-state.ts";
import { uniqueImage, type UniqueImage } from "../harness/unique-image.ts";
import { waitFor } from "../harness/wait.ts";
import { startControlRig, type ControlRig } from "./control-rig.ts";

const signal = new AbortController().signal;

describe("a salvage under way", () => {
  let control: ControlRig;
  before(async () => {
    control = await startControlRig({ a: { agent: { args: ["--max-bandwidth", "1Mi"] } }, b: {} });
  });
  after(() => control.rig.cleanup.run());

  /** A pod whose image is on its way. */
  async function underway(namespace: string): Promise<{ readonly image: UniqueImage; readonly pod: string }> {
    const image = await uniqueImage(namespace);
    await loadImage(control.rig.node("a").containerd, image.image, { names: [image.name] });
    await control.createNamespace(namespace);
    const pod = await control.createDeploymentPod({ name: "web", namespace, node: "b", image: image.name });
    await control.waitForRecord(
      namespace,
      "is transferring",
      ({ status }) => status.phase === "Transferring",
    );
    return { image, pod: pod.name };
  }

  async function endsIn(namespace: string, reason: string, image: UniqueImage): Promise<SalvageRecord> {
    const record = await control.waitForRecord(
      namespace,
      "has ended",
      ({ status }) => status.completedAt !== undefined,
    );
    assert.equal(record.status.phase, "Failed", record.status.message);
    assert.equal(record.status.reason, reason);
    const { containerd } = control.rig.node("b");
    assert.equal(await imageStatus(containerd, image.name), undefined);
    await waitFor("the node to have nothing left of it", async () => {
      const { leases, ingests } = await stateOf(control.rig.node("b"));
      return leases.length === 0 && ingests.length === 0;
    });
    return record;
  }

  test("stops when the namespace opts out", async () => {
    const { image } = await underway("opt-out");
    const annotations = { "tote.dev/allow": null };
    await control.api.patch(NAMESPACES, { name: "opt-out" }, { metadata: { annotations } }, { signal });
    await endsIn("opt-out", "OptedOut", image);
  });

  test("stops when the last pod that waited is deleted", async () => {
    const { image, pod } = await underway("pod-gone");
    await control.api.delete(PODS, { namespace: "pod-gone", name: pod }, { signal });
    await endsIn("pod-gone", "TargetGone", image);
  });

  test("goes by its plan, whatever the spec says since", async () => {
    const other = await uniqueImage("smuggled");
    await loadImage(control.rig.node("a").containerd, other.image, { names: [other.name] });
    const { image, pod } = await underway("edited");
    const [record] = await control.records("edited");
    const spec = { digest: other.image.descriptor.digest, imageRef: other.name };
    const key = { namespace: "edited", name: record?.metadata.name ?? "" };
    await control.api.patch(SALVAGE_RECORDS, key, { spec }, { signal });
    const edited = await control.waitForRecord(
      "edited",
      "says something else",
      (now) => now.spec.imageRef === other.name,
    );
    assert.equal(edited.spec.digest, other.image.descriptor.digest);
    assert.equal(edited.status.phase, "Transferring", "it was edited too late");
    await control.waitForRunning("edited", pod);
    const ended = await control.waitForRecord(
      "edited",
      "has ended",
      ({ status }) => status.completedAt !== undefined,
    );
    assert.equal(ended.status.phase, "Completed", ended.status.message);
    assert.equal(ended.status.plan?.digest, image.image.descriptor.digest);
    assert.deepEqual(ended.status.plan.names, [image.name]);
    const { containerd } = control.rig.node("b");
    assert.equal(await imageStatus(containerd, other.name), undefined);
    assert.notEqual(await imageStatus(containerd, image.name), undefined);
  });

  test("ends well when the source's agent dies and comes back", async () => {
    const { pod } = await underway("source-dies");
    await control.rig.node("a").agent.restart();
    await control.waitForRunning("source-dies", pod, 40_000);
  });

  test("ends well when the target's agent dies and comes back", async () => {
    const { pod } = await underway("target-dies");
    await control.rig.node("b").agent.restart();
    await control.waitForRunning("target-dies", pod, 40_000);
    const [record] = await control.records("target-dies");
    assert.ok((record?.status.attempts ?? 0) > 1, "it was not tried again");
  });

  test("ends as TargetGone when its node is deleted", async () => {
    const { image } = await underway("node-gone");
    await control.api.delete(NODES, { name: "b" }, { signal });
    await endsIn("node-gone", "TargetGone", image);
  });
});
