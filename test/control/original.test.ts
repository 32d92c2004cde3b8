import assert from "node:assert/strict";
import { test } from "node:test";

import { parseCrd } from "../../controller/testing/crd.ts";
import { waitFor } from "../harness/wait.ts";
import { ORIGINAL_CRD, originalRecord } from "./original-crd.ts";
import { startSimulatedRig, type SimulatedRig } from "./simulated-rig.ts";

const APPLY = /kubectl apply --server-side .*-f \S+/;
/** As many as a cluster has that ran the original for a while. */
const RECORDS = 200;

function written(rig: SimulatedRig): number {
  return ["create", "update", "patch", "delete"].flatMap((verb) => rig.requests({ verb })).length;
}

/** What is said about the definition, as `/readyz` has it. */
async function complaint(rig: SimulatedRig): Promise<string> {
  return await waitFor("a complaint about the definition", () => {
    const { ready, reason } = rig.controller.readiness();
    return !ready && APPLY.test(reason) ? reason : undefined;
  });
}

test("the original's definition and 200 of its records: nothing is written before it is replaced, then all are history", async (t) => {
  const rig = await startSimulatedRig(t, { idle: true });
  rig.server.put(ORIGINAL_CRD);
  rig.createNamespace("shop");
  for (let at = 0; at < RECORDS; at += 1) rig.server.put(originalRecord("shop", `web-${at}`));
  const image = rig.image("web", "a");
  rig.createPod({ name: "web-1", namespace: "shop", node: "b", image: image.name });
  await rig.startController();
  assert.match(await complaint(rig), /salvagerecords\.tote\.dev is of version 1, this tote needs 2/);
  await waitFor("the failure to be seen all the same", async () => {
    return (await rig.controller.metric('tote_failing_containers{state="pending"}')) === 1;
  });
  rig.clock.skip(60_000);
  await complaint(rig);
  assert.equal(written(rig), 0);
  const said = rig.controller.logs.filter((line) => APPLY.test(line));
  assert.equal(said.length, 1, "it is said once");

  rig.server.put(parseCrd());
  rig.clock.skip(60_000);
  await waitFor("all of them to be history", () =>
    rig
      .records("shop")
      .slice(0, RECORDS)
      .every(({ status }) => status.phase === "Completed" && status.reason === "Legacy"),
  );
  // the pod that one of them names gets a record of its own
  await rig.waitForRunning("shop", "web-1");
  assert.equal(rig.records("shop").length, RECORDS + 1);
  assert.equal(rig.fleet.begun.length, 1, "history was acted on");
  assert.ok(rig.controller.readiness().ready);
});

test("records of the original are reaped when their time is over, counted from when they were made", async (t) => {
  const rig = await startSimulatedRig(t, { args: ["--salvagerecord-ttl=1h"] });
  rig.createNamespace("shop");
  for (let at = 0; at < RECORDS; at += 1) rig.server.put(originalRecord("shop", `web-${at}`));
  await waitFor("all of them to be history", () =>
    rig.records("shop").every(({ status }) => status.reason === "Legacy"),
  );
  assert.equal(rig.records("shop").length, RECORDS);
  rig.clock.skip(61 * 60_000);
  await waitFor("all of them to be gone", () => rig.records("shop").length === 0);
});

test("without any definition the controller waits and says what to do", async (t) => {
  const rig = await startSimulatedRig(t, { idle: true });
  rig.server.delete("customresourcedefinitions", "salvagerecords.tote.dev");
  await rig.startController();
  assert.match(await complaint(rig), /salvagerecords\.tote\.dev is not installed/);
  rig.server.put(parseCrd());
  await waitFor("it to be ready", () => {
    rig.clock.skip(10_000);
    return rig.controller.readiness().ready;
  });
});

test("without the right to read the definition nobody waits", async (t) => {
  const rig = await startSimulatedRig(t, { idle: true });
  rig.server.faults.add({
    kind: "status",
    status: 403,
    reason: "Forbidden",
    resource: "customresourcedefinitions",
  });
  rig.createNamespace("shop");
  const image = rig.image("web", "a");
  rig.createPod({ name: "web", namespace: "shop", node: "b", image: image.name });
  await rig.startController();
  await rig.waitForRunning("shop", "web");
  assert.ok(rig.controller.logs.some((line) => line.includes("may not be read, it is taken to fit")));
});
