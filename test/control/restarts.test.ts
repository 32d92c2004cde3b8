import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { EVENTS, NAMESPACES, PODS } from "../../controller/kube/resources.ts";
import type { SalvageRecord } from "../../controller/objects/salvage-record.ts";
import { asObject } from "../../controller/objects/json.ts";
import { bytesSent } from "../harness/agent-metrics.ts";
import type { FaultRule } from "../harness/apiserver/faults.ts";
import { imageStatus } from "../harness/cri.ts";
import { loadImage } from "../harness/load-image.ts";
import { stateOf } from "../harness/node-state.ts";
import { uniqueImage, type UniqueImage } from "../harness/unique-image.ts";
import { waitFor } from "../harness/wait.ts";
import { SERVICE_ACCOUNT } from "./cluster.ts";
import { startControlRig, type ControlRig } from "./control-rig.ts";

/** A controller alone need not wait for the lease of the one that was killed. */
const ALONE = ["--leader-elect=false"];

describe("a controller that is killed leaves nothing that the next one cannot finish", () => {
  let control: ControlRig;
  before(async () => {
    const a = { agent: { args: ["--max-bandwidth", "2Mi"] } };
    control = await startControlRig({ a, b: {} }, { args: ALONE });
  });
  after(() => control.rig.cleanup.run());

  /** Stops at a step that cannot be taken because the API server does not take it, and goes on after that. */
  async function killedAt(
    namespace: string,
    fault: FaultRule,
    reached: () => Promise<boolean>,
  ): Promise<void> {
    const { rig, cluster } = control;
    const { image, name, bytes } = await uniqueImage(namespace, { layers: [500_000] });
    await loadImage(rig.node("a").containerd, image, { names: [name] });
    const earlier = await bytesSent(rig.node("a").agent);
    const remove = cluster.server.faults.add({ user: SERVICE_ACCOUNT, ...fault });
    await control.createNamespace(namespace);
    const pod = await control.createDeploymentPod({ name: "web", namespace, node: "b", image: name });
    await waitFor("the step", reached, { timeoutMs: 20_000 });
    await control.controller.kill();
    remove();
    await control.startController(ALONE);
    await control.waitForRunning(namespace, pod.name);
    await proveOnce(namespace, { bytes, earlier });
  }

  async function proveOnce(
    namespace: string,
    sent: { readonly bytes: number; readonly earlier: number },
  ): Promise<void> {
    const done = await control.waitForRecord(namespace, "has recovered and owes nothing", isToldOfAll);
    assert.equal(done.status.phase, "Completed");
    assert.equal((await control.records(namespace)).length, 1);
    // a second call looks at the manifest again
    const again = (await bytesSent(control.rig.node("a").agent)) - sent.earlier - sent.bytes;
    assert.ok(again >= 0 && again < 10_000, `${again} bytes were sent again`);
    assert.deepEqual(await eventReasons(control, namespace), ["ImageSalvageable", "ImageSalvaged"]);
    const ids = control.sink.events.filter(({ body }) => body.includes(`"namespace":"${namespace}"`));
    assert.equal(new Set(ids.map(({ id }) => id)).size, (done.status.transitions ?? []).length);
    for (const { id, body } of ids) {
      assert.ok(
        ids.every((other) => other.id !== id || other.body === body),
        "a repeat differs",
      );
    }
  }

  function refusedTimes(match: {
    readonly verb: string;
    readonly resource: string;
    readonly subresource?: string;
  }) {
    const { requests } = control.cluster.server;
    return requests.filter(
      ({ verb, resource, subresource, status }) =>
        status === 500 &&
        verb === match.verb &&
        resource === match.resource &&
        subresource === (match.subresource ?? ""),
    ).length;
  }

  test("before there is a record", async () => {
    const match = { verb: "create", resource: "salvagerecords" };
    await killedAt("no-record", { ...match, kind: "status", status: 500 }, async () => {
      await Promise.resolve();
      return refusedTimes(match) > 0;
    });
  });

  test("when the record has no status yet", async () => {
    await killedAt(
      "no-status",
      { verb: "update", resource: "salvagerecords", subresource: "status", kind: "status", status: 500 },
      async () => {
        const [record] = await control.records("no-status");
        return record !== undefined && record.status.phase === undefined;
      },
    );
  });

  test("before the kubelet is woken", async () => {
    const match = { verb: "patch", resource: "pods", subresource: "status" };
    await killedAt("no-nudge", { ...match, kind: "status", status: 500 }, async () => {
      const [record] = await control.records("no-nudge");
      return record?.status.phase === "Completed" && refusedTimes(match) > 0;
    });
  });

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
    await proveOnce("mid-transfer", { bytes: made.bytes, earlier });
  });
});

function isToldOfAll({ status }: SalvageRecord): boolean {
  const transitions = status.transitions ?? [];
  return (
    transitions.some(({ type }) => type === "recovered") && transitions.every(({ notified }) => notified)
  );
}

async function eventReasons({ api }: ControlRig, namespace: string): Promise<string[]> {
  const reasons: string[] = [];
  for await (const page of api.list(EVENTS, { namespace, signal: new AbortController().signal })) {
    reasons.push(...page.items.map((event) => String(asObject(event)["reason"])));
  }
  return reasons.sort();
}
