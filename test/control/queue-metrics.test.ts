import assert from "node:assert/strict";
import { test } from "node:test";

import { waitFor } from "../harness/wait.ts";
import { startSimulatedRig } from "./simulated-rig.ts";

const QUEUES = ["subjects", "records", "outbox"];

test("what queues and fails shows in the metrics, from 0 at the start", async (t) => {
  const rig = await startSimulatedRig(t);
  const metric = (sample: string): Promise<number> => rig.controller.metric(sample);
  await waitFor("a leader", () => rig.controller.readiness().ready);
  for (const queue of QUEUES) {
    assert.equal(await metric(`tote_queue_adds_total{queue="${queue}"}`), 0);
    assert.equal(await metric(`tote_queue_retries_total{queue="${queue}"}`), 0);
  }
  // nobody may write a record for now
  const allow = rig.server.faults.add({
    kind: "status",
    status: 500,
    verb: "create",
    resource: "salvagerecords",
  });
  rig.createNamespace("shop");
  const image = rig.image("web", "a");
  rig.createPod({ name: "web", namespace: "shop", node: "b", image: image.name });
  await waitFor("a retry", async () => (await metric('tote_queue_retries_total{queue="subjects"}')) > 0);
  await waitFor("the next one to be waited for", async () => {
    return (await metric('tote_queue_depth{queue="subjects",state="delayed"}')) === 1;
  });
  rig.clock.skip(600_000);
  assert.ok((await metric("tote_oldest_failure_age_seconds")) >= 600);
  assert.equal(await metric('tote_failing_containers{state="ignored"}'), 1);
  allow();
  await rig.waitForRunning("shop", "web");
  for (const queue of QUEUES) {
    await waitFor(`${queue} to be worked on`, async () => {
      return (await metric(`tote_queue_work_seconds_count{queue="${queue}"}`)) > 0;
    });
    assert.ok((await metric(`tote_queue_adds_total{queue="${queue}"}`)) > 0);
    assert.ok((await metric(`tote_queue_wait_seconds_count{queue="${queue}"}`)) > 0);
  }
  await waitFor("nothing to fail", async () => (await metric("tote_oldest_failure_age_seconds")) === 0);
});
