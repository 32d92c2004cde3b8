import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import type { SalvageRecord } from "../../controller/objects/salvage-record.ts";
import { imageStatus } from "../harness/cri.ts";
import { readMetric } from "../harness/agent-metrics.ts";
import { loadImage } from "../harness/load-image.ts";
import { uniqueImage } from "../harness/unique-image.ts";
import { waitFor } from "../harness/wait.ts";
import { startControlRig, type ControlRig } from "./control-rig.ts";

const ASKS = { "tote.dev/auto-salvage": "true" };

describe("what pods and people meet with", () => {
  let control: ControlRig;
  before(async () => {
    control = await startControlRig({ a: {}, b: {}, c: {} });
  });
  after(() => control.rig.cleanup.run());

  async function ended(namespace: string, timeoutMs?: number): Promise<SalvageRecord["status"]> {
    const fits = ({ status }: SalvageRecord): boolean => status.completedAt !== undefined;
    return (await control.waitForRecord(namespace, "has ended", fits, timeoutMs)).status;
  }

  test("300 pods with one image on one node: one record, one transfer, all run", async () => {
    const { image, name, bytes } = await uniqueImage("crowd", { layers: [300_000] });
    await loadImage(control.rig.node("a").containerd, image, { names: [name] });
    const agent = control.rig.node("b").agent;
    const earlier = await readMetric(agent, 'tote_agent_transfer_bytes_total{direction="import"}');
    await control.createNamespace("crowd");
    const names = Array.from({ length: 300 }, (_none, at) => `web-${at}`);
    await Promise.all(
      names.map((pod) =>
        control.createPod({ name: pod, namespace: "crowd", node: "b", image: name, annotations: ASKS }),
      ),
    );
    for (const pod of names) await control.waitForRunning("crowd", pod, 60_000);
    const records = await control.records("crowd");
    assert.equal(records.length, 1);
    assert.equal(records[0]?.status.pods?.length, 20);
    const later = await readMetric(agent, 'tote_agent_transfer_bytes_total{direction="import"}');
    assert.equal(later - earlier, bytes);
  });

  test("a tag that nodes disagree about is ambiguous, and nothing moves", async () => {
    const [one, two] = [await uniqueImage("moved"), await uniqueImage("moved-again")];
    await loadImage(control.rig.node("a").containerd, one.image, { names: [one.name] });
    await loadImage(control.rig.node("c").containerd, two.image, { names: [one.name] });
    await control.createNamespace("ambiguous");
    await control.createPod({
      name: "web",
      namespace: "ambiguous",
      node: "b",
      image: one.name,
      annotations: ASKS,
    });
    const status = await ended("ambiguous");
    assert.equal(status.phase, "Refused");
    assert.equal(status.reason, "ImageAmbiguous");
    assert.equal(await imageStatus(control.rig.node("b").containerd, one.name), undefined);
  });

  test("where nodes disagree, a running pod of the same namespace decides", async () => {
    const [old, fresh] = [await uniqueImage("sibling"), await uniqueImage("sibling-fresh")];
    await loadImage(control.rig.node("a").containerd, old.image, { names: [old.name] });
    await loadImage(control.rig.node("c").containerd, fresh.image, { names: [old.name] });
    await control.createNamespace("sibling");
    await control.createPod({ name: "runs", namespace: "sibling", node: "c", image: old.name });
    await control.waitForRunning("sibling", "runs");
    await control.createPod({
      name: "fails",
      namespace: "sibling",
      node: "b",
      image: old.name,
      annotations: ASKS,
    });
    const status = await ended("sibling");
    assert.equal(status.phase, "Completed", status.message);
    assert.equal(status.plan?.digest, fresh.image.descriptor.digest);
  });

  test("imagePullPolicy Always is not actionable before anything is moved", async () => {
    const { image, name } = await uniqueImage("always");
    await loadImage(control.rig.node("a").containerd, image, { names: [name] });
    await control.createNamespace("always");
    const pod = { name: "web", namespace: "always", node: "b", image: name, annotations: ASKS };
    await control.createPod({ ...pod, pullPolicy: "Always" });
    const status = await ended("always");
    assert.equal(status.phase, "Refused");
    assert.equal(status.reason, "PullPolicyAlways");
    assert.equal(await imageStatus(control.rig.node("b").containerd, name), undefined);
  });

  test("an image that no node has is refused once, however often the kubelet tries", async () => {
    await control.createNamespace("nobody");
    const image = "registry.test:5000/nobody/has:v1";
    await control.createPod({ name: "web", namespace: "nobody", node: "b", image, annotations: ASKS });
    const status = await ended("nobody");
    assert.equal(status.reason, "ImageUnresolved");
    assert.equal((await control.records("nobody")).length, 1);
  });

  test("pods of a namespace or workload that has not opted in have no record", async () => {
    const { image, name } = await uniqueImage("quiet");
    await loadImage(control.rig.node("a").containerd, image, { names: [name] });
    await control.createNamespace("quiet");
    await control.createDeploymentPod({
      name: "web",
      namespace: "quiet",
      node: "b",
      image: name,
      deploymentAnnotations: {},
    });
    await control.createNamespace("closed", {});
    await control.createPod({ name: "web", namespace: "closed", node: "b", image: name, annotations: ASKS });
    await waitFor("the controller to have seen both", async () => {
      const ignored = await readMetric(control.controller, 'tote_failing_containers{state="ignored"}');
      return ignored >= 2;
    });
    assert.deepEqual(await control.records("quiet"), []);
    assert.deepEqual(await control.records("closed"), []);
  });

  test("an image above --max-image-size is refused", async () => {
    await control.controller.stop();
    await control.startController(["--max-image-size", "1Mi"]);
    const { image, name } = await uniqueImage("huge");
    await loadImage(control.rig.node("a").containerd, image, { names: [name] });
    await control.createNamespace("huge");
    await control.createPod({ name: "web", namespace: "huge", node: "b", image: name, annotations: ASKS });
    assert.equal((await ended("huge")).reason, "ImageTooLarge");
  });

  test("an image that would fill the node beyond --min-free-percent is refused", async () => {
    await control.controller.stop();
    await control.startController(["--min-free-percent", "99"]);
    const { image, name } = await uniqueImage("full");
    await loadImage(control.rig.node("a").containerd, image, { names: [name] });
    await control.createNamespace("full");
    await control.createPod({ name: "web", namespace: "full", node: "b", image: name, annotations: ASKS });
    assert.equal((await ended("full")).reason, "InsufficientRoom");
  });
});
