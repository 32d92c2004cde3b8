import { after, before, describe, test } from "node:test";

import { bytesSent } from "../harness/agent-metrics.ts";
import type { FaultRule } from "../harness/apiserver/faults.ts";
import { loadImage } from "../harness/load-image.ts";
import { uniqueImage } from "../harness/unique-image.ts";
import { waitFor } from "../harness/wait.ts";
import { SERVICE_ACCOUNT } from "./cluster.ts";
import { startControlRig, type ControlRig } from "./control-rig.ts";
import { proveOnce } from "./prove-once.ts";

/** A controller alone need not wait for the lease of the one that was killed. */
const ALONE = ["--leader-elect=false"];

describe("a controller that is killed between two steps leaves nothing that the next one cannot finish", () => {
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
    await proveOnce(control, namespace, { bytes, earlier });
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
});
