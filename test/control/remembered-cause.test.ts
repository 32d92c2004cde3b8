import assert from "node:assert/strict";
import { test } from "node:test";

import { waitFor } from "../harness/wait.ts";
import { startSimulatedRig } from "./simulated-rig.ts";

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
