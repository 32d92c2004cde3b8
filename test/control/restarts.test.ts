import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { NAMESPACES, PODS } from "../../controller/kube/resources.ts";
import { bytesSent } from "../harness/agent-metrics.ts";
import { imageStatus } from "../harness/cri.ts";
import { loadImage } from "../harness/load-image.ts";
import { stateOf } from "../harness/node-state.ts";
import { uniqueImage, type UniqueImage } from "../harness/unique-image.ts";
import { waitFor } from "../harness/wait.ts";
import { startControlRig, type ControlRig } from "./control-rig.ts";
import { proveOnce } from "./prove-once.ts";

/** A controller alone need not wait for the lease of the one that was killed. */
const ALONE = ["--leader-elect=false"];

describe("a controller that is killed leaves nothing that the next one cannot finish", () => {
  let control: ControlRig;
  before(async () => {
    const a = { agent: { args: ["--max-bandwidth", "2Mi"] } };
    control = await startControlRig({ a, b: {} }, { args: ALONE });
  });
  after(() => control.rig.cleanup.run());

  test("in the middle of a transfer that nobody wants by the time the next one starts", async () => {
    const { rig } = control;
    // it takes longer than a controller to start
    const { image, name } = await uniqueImage("unwanted", {
      layers: Array.from({ length: 10 }, () => 3_000_000),
    });
    await loadImage(rig.node("a").containerd, image, { names: [name] });
    const earlier = await bytesSent(rig.node("a").agent);
    await control.createNamespace("unwanted");
    await control.createDeploymentPod({ name: "web", namespace: "unwanted", node: "b", image: name });
    await waitFor("bytes", async () => (await bytesSent(rig.node("a").agent)) - earlier > 500_000);
    await control.controller.kill();
    const annotations = { "tote.dev/allow": null };
    await control.api.patch(
      NAMESPACES,
      { name: "unwanted" },
      { metadata: { annotations } },
      { signal: new AbortController().signal },
    );
    await control.startController(ALONE);
    const { status } = await control.waitForRecord(
      "unwanted",
      "has ended",
      (record) => record.status.completedAt !== undefined,
    );
    assert.deepEqual([status.phase, status.reason], ["Failed", "OptedOut"]);
    const sent = (await bytesSent(rig.node("a").agent)) - earlier;
    assert.ok(sent < 30_000_000, "the transfer was over before there was anything to cancel");
    await waitFor("the node to have nothing left of it", async () => {
      const { leases, ingests } = await stateOf(rig.node("b"));
      return leases.length === 0 && ingests.length === 0;
    });
    assert.equal(await imageStatus(rig.node("b").containerd, name), undefined);
  });

  test("what the relay did not take reaches it later, also after the pod and the controller have gone", async () => {
    const { image, name } = await uniqueImage("outbox");
    await loadImage(control.rig.node("a").containerd, image, { names: [name] });
    control.sink.answer(503);
    await control.createNamespace("outbox");
    const pod = {
      name: "web",
      namespace: "outbox",
      node: "b",
      image: name,
      annotations: { "tote.dev/auto-salvage": "true" },
    };
    await control.createPod(pod);
    await control.waitForRunning("outbox", "web");
    const done = await control.waitForRecord("outbox", "has recovered", ({ status }) =>
      (status.transitions ?? []).some(({ type }) => type === "recovered"),
    );
    await control.controller.kill();
    await control.api.delete(
      PODS,
      { namespace: "outbox", name: "web" },
      { signal: new AbortController().signal },
    );
    control.sink.answer(202);
    await control.startController(ALONE);
    const types = (done.status.transitions ?? []).map(({ type }) => `tote.image.${type}`);
    const own = () => control.sink.events.filter(({ body }) => body.includes('"namespace":"outbox"'));
    await waitFor("every event", () => own().length >= types.length, { timeoutMs: 30_000 });
    assert.deepEqual(
      own().map(({ type }) => type),
      types,
    );
  });

  test("in the middle of the transfer, with another controller waiting for the lease", async () => {
    const { rig } = control;
    await control.controller.stop();
    await control.startController();
    const made: UniqueImage = await uniqueImage("mid-transfer");
    await loadImage(rig.node("a").containerd, made.image, { names: [made.name] });
    const earlier = await bytesSent(rig.node("a").agent);
    await control.createNamespace("mid-transfer");
    const first = control.controller;
    const pod = await control.createDeploymentPod({
      name: "web",
      namespace: "mid-transfer",
      node: "b",
      image: made.name,
    });
    await waitFor("bytes", async () => (await bytesSent(rig.node("a").agent)) - earlier > 500_000);
    await first.kill();
    await control.startController();
    await control.waitForRunning("mid-transfer", pod.name, 40_000);
    await proveOnce(control, "mid-transfer", { bytes: made.bytes, earlier });
  });
});
