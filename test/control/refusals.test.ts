import assert from "node:assert/strict";
import { test } from "node:test";

import { REFUSED_RECORDS_MAX } from "../../controller/limits.ts";
import { asObject, asText } from "../../controller/objects/json.ts";
import { waitFor } from "../harness/wait.ts";
import { startEventSink } from "./event-sink.ts";
import { startSimulatedRig } from "./simulated-rig.ts";

test("beyond a thousand refused records, refusals have none of their own and are summed up", async (t) => {
  const rig = await startSimulatedRig(t, { idle: true });
  const sink = await startEventSink(rig.cleanup);
  const completedAt = new Date().toISOString();
  for (let at = 0; at < REFUSED_RECORDS_MAX; at += 1) {
    rig.server.put({
      apiVersion: "tote.dev/v1alpha1",
      kind: "SalvageRecord",
      metadata: {
        name: `old-${at}`,
        namespace: "old",
        labels: { "app.kubernetes.io/managed-by": "tote" },
      },
      spec: { imageRef: `registry.test:5000/old:${at}`, targetNode: "b" },
      status: { phase: "Refused", reason: "ImageUnresolved", completedAt },
    });
  }
  rig.createNamespace("shop");
  for (const name of ["one", "two", "three"]) {
    rig.createPod({ name, namespace: "shop", node: "b", image: `registry.test:5000/${name}:v1` });
  }
  const known = rig.image("known", "a");
  rig.createPod({ name: "helped", namespace: "shop", node: "b", image: known.name });
  await rig.startController([`--webhook-url=${sink.url}`, "--lease-namespace=tote"]);

  const summary = (): Readonly<Record<string, unknown>> | undefined =>
    rig.server.list("events", "tote").map(asObject)[0];
  await waitFor("the summary of all three", () => {
    rig.clock.skip(31_000);
    const event = summary();
    const counted = asObject(event?.["series"])["count"];
    return counted === 3 || asText(event?.["note"]).includes("3 image failures");
  });
  assert.equal(asObject(summary()?.["regarding"])["kind"], "Lease");
  await waitFor("the event", () => sink.events.some(({ body }) => body.includes("TooManyRefused")));
  assert.equal(await rig.controller.metric("tote_not_actionable_total"), 3);
  // what can be helped is helped
  await rig.waitForRunning("shop", "helped");
  assert.deepEqual(
    rig.records("shop").map(({ spec }) => spec.imageRef),
    [known.name],
  );
});

test("a burst of refusals makes a thousand records and no more, however many workers make them", async (t) => {
  const rig = await startSimulatedRig(t, { idle: true });
  rig.createNamespace("shop");
  const burst = REFUSED_RECORDS_MAX + 300;
  for (let at = 0; at < burst; at += 1) {
    rig.createPod({
      name: `pod-${at}`,
      namespace: "shop",
      node: "b",
      image: `registry.test:5000/burst-${at}:v1`,
    });
  }
  await waitFor("the pods to fail", () =>
    rig.server.list("pods", "shop").every((pod) => JSON.stringify(pod).includes("ErrImagePull")),
  );
  await rig.startController(["--lease-namespace=tote"]);
  await waitFor(
    "every failure to be told",
    async () => (await rig.controller.metric("tote_not_actionable_total")) >= REFUSED_RECORDS_MAX,
    { timeoutMs: 120_000 },
  );
  await waitFor("the others to be summed up", () => {
    rig.clock.skip(31_000);
    return JSON.stringify(rig.server.list("events", "tote")).includes("image failures");
  });
  assert.equal(rig.records("shop").length, REFUSED_RECORDS_MAX);
});
