import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { EVENTS } from "../../controller/kube/resources.ts";
import { asObject } from "../../controller/objects/json.ts";
import { assertImageRuns } from "../harness/assert-image.ts";
import { loadImage } from "../harness/load-image.ts";
import { uniqueImage } from "../harness/unique-image.ts";
import { waitFor } from "../harness/wait.ts";
import { startControlRig, type ControlRig } from "./control-rig.ts";

describe("a failing pod becomes a running one by itself", () => {
  let control: ControlRig;
  before(async () => {
    control = await startControlRig({ a: {}, b: {} });
  });
  after(() => control.rig.cleanup.run());

  test("a Deployment's pod on node b whose image only node a has", async () => {
    const { rig, sink } = control;
    const { image, name, output, bytes } = await uniqueImage("straight");
    await loadImage(rig.node("a").containerd, image, { names: [name] });
    await control.createNamespace("shop");
    const pod = await control.createDeploymentPod({ name: "web", namespace: "shop", node: "b", image: name });

    await control.waitForRunning("shop", pod.name);
    const record = await control.waitForRecord("shop", "has recovered", ({ status }) =>
      (status.transitions ?? []).some(({ type }) => type === "recovered"),
    );

    const { status } = record;
    assert.equal(status.phase, "Completed");
    assert.equal(status.reason, "Salvaged");
    assert.deepEqual(status.sources, ["a"]);
    assert.equal(status.bytesTransferred, bytes);
    assert.equal(status.plan?.digest, image.descriptor.digest);
    assert.deepEqual(status.plan?.names, [name]);
    assert.equal(status.origin?.ownerKind, "Deployment");
    assert.equal(status.origin?.cause, "unreachable");
    const types = (status.transitions ?? []).map(({ type }) => type);
    assert.deepEqual(types, ["detected", "salvageable", "salvaged", "recovered"]);
    await assertImageRuns(rig.node("b").containerd, name, output);

    const reasons = await waitFor("the Events", async () => {
      const found = await eventReasons(control, "shop");
      return found.length >= 2 ? found : undefined;
    });
    assert.deepEqual(reasons.sort(), ["ImageSalvageable", "ImageSalvaged"]);
    await waitFor("every event at the sink", () => sink.events.length >= types.length);
    assert.deepEqual(
      sink.events.map(({ type }) => type),
      types.map((type) => `tote.image.${type}`),
    );
    await control.waitForRecord("shop", "owes nothing", (now) =>
      (now.status.transitions ?? []).every(({ notified }) => notified),
    );
  });
});

async function eventReasons({ api }: ControlRig, namespace: string): Promise<string[]> {
  const reasons: string[] = [];
  for await (const page of api.list(EVENTS, { namespace, signal: new AbortController().signal })) {
    reasons.push(...page.items.map((event) => String(asObject(event)["reason"])));
  }
  return reasons;
}
