import assert from "node:assert/strict";
import { test } from "node:test";

import { waitFor } from "../harness/wait.ts";
import { SERVICE_ACCOUNT } from "./cluster.ts";
import { orderManifest } from "./objects.ts";
import { REGISTRY, startSimulatedRig } from "./simulated-rig.ts";

const UNAUTHORIZED =
  "pulling from host registry.test:5000 failed with status code [manifests v1]: 401 Unauthorized";

test("a refusal of the registry is remembered over a restart by which the kubelet has stopped repeating it", async (t) => {
  const rig = await startSimulatedRig(t);
  rig.createNamespace("shop");
  const image = rig.image("secret", "a");
  rig.kubelets.failWith(() => UNAUTHORIZED);
  rig.createPod({ name: "one", namespace: "shop", node: "b", image: image.name });
  assert.equal((await rig.waitForEnd("shop")).reason, "NotAuthorized");
  await rig.controller.stop();

  // kubelets before 1.32 say no more than this while they back off
  rig.kubelets.failWith((name) => `Back-off pulling image "${name}"`);
  rig.kubelets.retry();
  rig.createPod({ name: "two", namespace: "shop", node: "c", image: image.name });
  await waitFor("both to say so", () =>
    rig.server.list("pods", "shop").every((pod) => JSON.stringify(pod).includes("Back-off")),
  );
  await rig.startController();
  const elsewhere = await waitFor("a record for the other node", () =>
    rig
      .records("shop")
      .find(({ status, spec }) => spec.targetNode === "c" && status.completedAt !== undefined),
  );
  assert.equal(elsewhere.status.reason, "NotAuthorized");
  assert.equal(elsewhere.status.cause, "unauthorized");
  rig.clock.skip(61_000);
  await waitFor("the first one to be looked at again", async () => {
    return (await rig.controller.metric('tote_queue_work_seconds_count{queue="subjects"}')) >= 3;
  });
  assert.equal(rig.fleet.begun.length, 0, "an image was moved that the registry had refused");
});

test("a refusal of the registry is remembered for orders, and for the same image spelt otherwise", async (t) => {
  const rig = await startSimulatedRig(t);
  rig.createNamespace("shop");
  const image = rig.image("secret", "a");
  const tagged = `${REGISTRY}/secret:latest`;
  rig.fleet.agent("a").put(image, tagged);
  rig.kubelets.failWith(() => UNAUTHORIZED);
  rig.createPod({ name: "one", namespace: "shop", node: "b", image: tagged });
  assert.equal((await rig.waitForEnd("shop")).reason, "NotAuthorized");

  const { metadata, ...order } = orderManifest("by-hand", "shop", { imageRef: tagged, targetNode: "c" });
  rig.server.put({
    ...order,
    apiVersion: "tote.dev/v1alpha1",
    kind: "SalvageRecord",
    metadata: { ...metadata },
  });
  rig.kubelets.failWith((name) => `Back-off pulling image "${name}"`);
  rig.createPod({ name: "two", namespace: "shop", node: "c", image: `${REGISTRY}/secret` });
  const [, second, third] = await waitFor("three records to end", () => {
    const records = rig.records("shop");
    return records.length === 3 && records.every(({ status }) => status.completedAt !== undefined) && records;
  });
  for (const record of [second, third]) assert.equal(record?.status.reason, "NotAuthorized");
  assert.equal(rig.fleet.begun.length, 0, "an image was moved that the registry had refused");
});

test("a refusal of the registry that only an Event still tells is heeded by a controller that starts later", async (t) => {
  const rig = await startSimulatedRig(t, { idle: true });
  rig.createNamespace("shop");
  const image = rig.image("secret", "a");
  rig.kubelets.failWith((name) => `Back-off pulling image "${name}"`);
  rig.createPod({ name: "one", namespace: "shop", node: "b", image: image.name });
  const { uid } = rig.server.get("pods", "shop/one")?.metadata ?? {};
  rig.server.put({
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata: { name: "one.17a", namespace: "shop" },
    reason: "Failed",
    note: `Failed to pull image "${image.name}": ${UNAUTHORIZED}`,
    regarding: { kind: "Pod", namespace: "shop", name: "one", uid, fieldPath: "spec.containers{app}" },
    eventTime: null,
    deprecatedLastTimestamp: new Date().toISOString(),
  });
  // Events come later than all else
  const list = { verb: "list", resource: "events" } as const;
  rig.server.faults.add({ kind: "delay", ms: 500, user: SERVICE_ACCOUNT, ...list });
  await waitFor("the pod to back off", () =>
    JSON.stringify(rig.server.list("pods", "shop")).includes("Back-off"),
  );
  await rig.startController();
  const status = await rig.waitForEnd("shop");
  assert.deepEqual([status.phase, status.reason], ["Refused", "NotAuthorized"]);
  assert.equal(status.cause, "unauthorized");
  assert.equal(rig.fleet.begun.length, 0, "an image was moved that the registry had refused");
});
